/** Every error the dialect can answer with: its status, its sentence and what kind of failure it is. One total table. */
import type { FailureKind } from '#common';

interface ErrorEntry {
  readonly status: number;
  readonly kind: FailureKind;
  readonly message: string;
}

const entry = (status: number, kind: FailureKind, message: string): ErrorEntry => ({
  status,
  kind,
  message,
});

/** Names, statuses and sentences are those of the S3 API reference: clients compare the names and people search for the sentences. */
export const errorTable = {
  AccessControlListNotSupported: entry(400, 'invalid', 'The bucket does not allow ACLs'),
  AccessForbidden: entry(403, 'denied', 'CORSResponse: This CORS request is not allowed.'),
  ExpiredToken: entry(400, 'denied', 'The provided token has expired.'),
  IncorrectNumberOfFilesInPostRequest: entry(
    400,
    'invalid',
    'POST requires exactly one file upload per request.',
  ),
  IllegalVersioningConfigurationException: entry(
    400,
    'invalid',
    'The Versioning element must be specified',
  ),
  InvalidBucketAclWithObjectOwnership: entry(
    400,
    'invalid',
    "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
  ),
  InvalidConfigurationId: entry(
    400,
    'invalid',
    'The id of the configuration is missing, not valid, or not the one in the document.',
  ),
  InvalidS3DestinationBucket: entry(
    400,
    'invalid',
    'The destination bucket does not exist or is not yours.',
  ),
  InvalidBucketState: entry(
    409,
    'conflict',
    'The request is not valid with the current state of the bucket.',
  ),
  InvalidEncryptionAlgorithmError: entry(
    400,
    'invalid',
    'The encryption request that you specified is not valid. The valid value is AES256.',
  ),
  InvalidObjectState: entry(
    403,
    'denied',
    "The operation is not valid for the object's storage class",
  ),
  InvalidPolicyDocument: entry(
    400,
    'invalid',
    'The content of the form does not meet the conditions specified in the policy document.',
  ),
  InvalidRetentionPeriod: entry(400, 'invalid', 'The retention period is not valid.'),
  InvalidTag: entry(400, 'invalid', 'The tag provided was not a valid tag.'),
  InvalidTargetBucketForLogging: entry(
    400,
    'invalid',
    'The target bucket for logging does not exist or is not owned by you.',
  ),
  InvalidToken: entry(400, 'denied', 'The provided token is malformed or otherwise not valid.'),
  'KMS.NotFoundException': entry(400, 'missing', 'The key does not exist.'),
  MalformedACLError: entry(
    400,
    'invalid',
    'The XML you provided was not well-formed or did not validate against our published schema',
  ),
  MalformedPOSTRequest: entry(
    400,
    'invalid',
    'The body of your POST request is not well-formed multipart/form-data.',
  ),
  MalformedPolicy: entry(
    400,
    'invalid',
    'Your policy contains a principal or a statement that is not valid.',
  ),
  MaxPostPreDataLengthExceededError: entry(
    400,
    'invalid',
    'Your POST request fields preceding the upload file were too large.',
  ),
  MissingSecurityHeader: entry(400, 'invalid', 'Your request is missing a required header.'),
  NoSuchBucketPolicy: entry(404, 'missing', 'The bucket policy does not exist'),
  NoSuchCORSConfiguration: entry(404, 'missing', 'The CORS configuration does not exist'),
  NoSuchConfiguration: entry(404, 'missing', 'The specified configuration does not exist.'),
  NoSuchLifecycleConfiguration: entry(404, 'missing', 'The lifecycle configuration does not exist'),
  NoSuchObjectLockConfiguration: entry(
    404,
    'missing',
    'The specified object does not have a ObjectLock configuration',
  ),
  NoSuchPublicAccessBlockConfiguration: entry(
    404,
    'missing',
    'The public access block configuration was not found',
  ),
  NoSuchTagSet: entry(404, 'missing', 'The TagSet does not exist'),
  NoSuchWebsiteConfiguration: entry(
    404,
    'missing',
    'The specified bucket does not have a website configuration',
  ),
  ObjectLockConfigurationNotFoundError: entry(
    404,
    'missing',
    'Object Lock configuration does not exist for this bucket',
  ),
  OwnershipControlsNotFoundError: entry(
    404,
    'missing',
    'The bucket ownership controls were not found',
  ),
  PermanentRedirect: entry(
    301,
    'invalid',
    'The bucket you are attempting to access must be addressed using the specified endpoint.',
  ),
  PolicyTooLarge: entry(400, 'invalid', 'The policy is too large.'),
  QuotaExceeded: entry(
    403,
    'denied',
    'The quota of the bucket or of the project would be exceeded.',
  ),
  ReplicationConfigurationNotFoundError: entry(
    404,
    'missing',
    'The replication configuration was not found',
  ),
  RequestNotValidYet: entry(403, 'denied', 'Request is not valid yet'),
  ServerSideEncryptionConfigurationNotFoundError: entry(
    404,
    'missing',
    'The server side encryption configuration was not found',
  ),
  TooManyBuckets: entry(400, 'invalid', 'You have attempted to create more buckets than allowed'),
  TooManyConfigurations: entry(
    400,
    'invalid',
    'You are attempting to create a new configuration but have already reached the limit.',
  ),
  UnexpectedContent: entry(400, 'invalid', 'This request does not support content'),
  UnresolvableGrantByEmailAddress: entry(
    400,
    'invalid',
    'The e-mail address you provided does not match any account on record',
  ),
  UserKeyMustBeSpecified: entry(
    400,
    'invalid',
    'The bucket POST must contain the specified field name. If it is specified, please check the order of the fields.',
  ),
  AccessDenied: entry(403, 'denied', 'Access Denied'),
  AuthorizationHeaderMalformed: entry(
    400,
    'invalid',
    'The authorization header that you provided is not valid.',
  ),
  AuthorizationQueryParametersError: entry(
    400,
    'invalid',
    'The authorization query parameters that you provided are not valid.',
  ),
  BadDigest: entry(400, 'invalid', 'The Content-MD5 you specified did not match what we received.'),
  BadRequest: entry(400, 'invalid', 'Bad Request'),
  BucketAlreadyExists: entry(
    409,
    'conflict',
    'The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.',
  ),
  BucketAlreadyOwnedByYou: entry(
    409,
    'conflict',
    'Your previous request to create the named bucket succeeded and you already own it.',
  ),
  BucketNotEmpty: entry(409, 'conflict', 'The bucket you tried to delete is not empty'),
  ConditionalRequestConflict: entry(
    409,
    'conflict',
    'The conditional request cannot succeed due to a conflicting operation against this resource.',
  ),
  EntityTooLarge: entry(400, 'invalid', 'Your proposed upload exceeds the maximum allowed size'),
  EntityTooSmall: entry(
    400,
    'invalid',
    'Your proposed upload is smaller than the minimum allowed size',
  ),
  IllegalLocationConstraintException: entry(
    400,
    'invalid',
    'The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.',
  ),
  IncompleteBody: entry(
    400,
    'invalid',
    'You did not provide the number of bytes specified by the Content-Length HTTP header',
  ),
  InternalError: entry(500, 'bug', 'We encountered an internal error. Please try again.'),
  InvalidAccessKeyId: entry(
    403,
    'denied',
    'The AWS Access Key Id you provided does not exist in our records.',
  ),
  InvalidArgument: entry(400, 'invalid', 'Invalid Argument'),
  InvalidBucketName: entry(400, 'invalid', 'The specified bucket is not valid.'),
  InvalidChunkSizeError: entry(403, 'invalid', 'A chunk of the body is framed wrongly.'),
  InvalidDigest: entry(400, 'invalid', 'The Content-MD5 you specified was invalid.'),
  InvalidPart: entry(
    400,
    'invalid',
    "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
  ),
  InvalidPartNumber: entry(416, 'invalid', 'The requested partnumber is not satisfiable'),
  InvalidPartOrder: entry(
    400,
    'invalid',
    'The list of parts was not in ascending order. Parts must be ordered by part number.',
  ),
  InvalidRange: entry(416, 'invalid', 'The requested range is not satisfiable'),
  InvalidRequest: entry(400, 'invalid', 'Invalid Request'),
  InvalidStorageClass: entry(400, 'invalid', 'The storage class that you specified is not valid.'),
  InvalidURI: entry(400, 'invalid', "Couldn't parse the specified URI."),
  KeyTooLongError: entry(400, 'invalid', 'Your key is too long'),
  MalformedTrailerError: entry(
    400,
    'invalid',
    'The request contained trailing data that was not well-formed or did not conform to our published schema.',
  ),
  MalformedXML: entry(
    400,
    'invalid',
    'The XML you provided was not well-formed or did not validate against our published schema',
  ),
  MaxMessageLengthExceeded: entry(400, 'invalid', 'Your request was too large.'),
  MetadataTooLarge: entry(
    400,
    'invalid',
    'Your metadata headers exceed the maximum allowed metadata size',
  ),
  MethodNotAllowed: entry(
    405,
    'invalid',
    'The specified method is not allowed against this resource.',
  ),
  MissingContentLength: entry(411, 'invalid', 'You must provide the Content-Length HTTP header.'),
  MissingRequestBodyError: entry(400, 'invalid', 'Request body is empty.'),
  NoSuchBucket: entry(404, 'missing', 'The specified bucket does not exist'),
  NoSuchKey: entry(404, 'missing', 'The specified key does not exist.'),
  NoSuchUpload: entry(
    404,
    'missing',
    'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
  ),
  NoSuchVersion: entry(404, 'missing', 'The specified version does not exist.'),
  NotImplemented: entry(
    501,
    'invalid',
    'A header you provided implies functionality that is not implemented',
  ),
  NotModified: entry(304, 'conflict', 'Not Modified'),
  OperationAborted: entry(
    409,
    'conflict',
    'A conflicting conditional operation is currently in progress against this resource. Please try again.',
  ),
  PreconditionFailed: entry(
    412,
    'conflict',
    'At least one of the pre-conditions you specified did not hold',
  ),
  RequestTimeout: entry(
    400,
    'invalid',
    'Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.',
  ),
  RequestHeaderSectionTooLarge: entry(
    400,
    'invalid',
    'Your request header section exceeds the maximum allowed request header section size.',
  ),
  RequestTimeTooSkewed: entry(
    403,
    'denied',
    'The difference between the request time and the current time is too large.',
  ),
  ServiceUnavailable: entry(
    503,
    'unreachable',
    'Too few replicas answer to serve the request. Try again.',
  ),
  SignatureDoesNotMatch: entry(
    403,
    'denied',
    'The request signature we calculated does not match the signature you provided. Check your key and signing method.',
  ),
  SlowDown: entry(503, 'busy', 'Please reduce your request rate.'),
  XAmzContentChecksumMismatch: entry(
    400,
    'invalid',
    "The provided 'x-amz-checksum' value does not match what was computed.",
  ),
  XAmzContentSHA256Mismatch: entry(
    400,
    'invalid',
    "The provided 'x-amz-content-sha256' header does not match what was computed.",
  ),
} as const satisfies Readonly<Record<string, ErrorEntry>>;

export type S3Code = keyof typeof errorTable;
