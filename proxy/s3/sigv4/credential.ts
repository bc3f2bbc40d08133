/** What a request claims about its signature, from the `Authorization` header or from a presigned query. */
import { invalidArgument, S3Failure } from '../s3-failure.ts';

export interface CredentialScope {
  readonly accessKey: string;
  /** `YYYYMMDD`. */
  readonly date: string;
  readonly region: string;
  readonly service: Service;
}

/** Object storage; and, at the service's root, sessions and users. */
export type Service = 's3' | 'sts' | 'iam';

export interface SignatureClaim {
  readonly credential: CredentialScope;
  /** `DATE/REGION/SERVICE/aws4_request`. */
  readonly scope: string;
  readonly signedHeaders: readonly string[];
  /** The same as said: joined by `;`. */
  readonly signedText: string;
  /** 64 lower-case hex digits. */
  readonly signature: string;
}

const algorithm = 'AWS4-HMAC-SHA256';
const signatureForm = /^[0-9a-f]{64}$/;
const headerNameForm = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const signedHeadersMax = 200;

function malformed(message: string, details?: Readonly<Record<string, string>>): S3Failure {
  return new S3Failure('AuthorizationHeaderMalformed', {
    message: `The authorization header is malformed; ${message}`,
    ...(details === undefined ? {} : { details }),
  });
}

/** `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`. */
export function parseAuthorization(header: string): SignatureClaim {
  if (!header.startsWith(`${algorithm} `)) {
    checkIsKnownKind(header);
    if (/^AWS4-ECDSA/.test(header))
      throw new S3Failure('NotImplemented', {
        message: 'Signature version 4A is not implemented.',
      });
    throw new S3Failure('InvalidRequest', {
      message: `The authorization mechanism you have provided is not supported. Please use ${algorithm}.`,
    });
  }
  const fields = new Map<string, string>();
  const pieces = header.slice(algorithm.length + 1).split(',');
  if (pieces.length !== 3)
    throw malformed(
      'the authorization header requires three components: Credential, SignedHeaders, and Signature.',
    );
  for (const piece of pieces) {
    const equals = piece.indexOf('=');
    if (equals < 0) throw malformed(`the authorization component "${piece.trim()}" is malformed.`);
    const name = piece.slice(0, equals).trim();
    if (fields.has(name)) throw malformed(`${name} appears twice.`);
    fields.set(name, piece.slice(equals + 1).trim());
  }
  const field = (name: string): string => {
    const value = fields.get(name);
    if (value === undefined || value === '') throw malformed(`missing ${name}.`);
    return value;
  };
  return claimOf(
    {
      credential: field('Credential'),
      signedHeaders: field('SignedHeaders'),
      signature: field('Signature'),
    },
    malformed,
  );
}

interface ClaimTexts {
  readonly credential: string;
  readonly signedHeaders: string;
  readonly signature: string;
}

function claimOf(texts: ClaimTexts, refuse: Refuse, refuseRest = refuse): SignatureClaim {
  const credential = parseCredential(texts.credential, refuse);
  return {
    credential,
    scope: `${credential.date}/${credential.region}/${credential.service}/aws4_request`,
    signedHeaders: parseSignedHeaders(texts.signedHeaders, refuseRest),
    signedText: texts.signedHeaders,
    signature: parseSignature(texts.signature, refuseRest),
  };
}

/** A header that is not even of the form of one, or of another kind than signatures, as S3 tells them apart. */
function checkIsKnownKind(header: string): void {
  const [kind = '', rest, ...more] = header.trim().split(' ');
  if (rest === undefined || (more.length > 0 && !kind.startsWith('AWS')))
    throw invalidArgument(
      'Authorization',
      header,
      "Authorization header is invalid -- one and only one ' ' (space) required",
    );
  if (!kind.startsWith('AWS'))
    throw invalidArgument('Authorization', header, 'Unsupported Authorization Type');
}

const signatureMark = 'Signature=';
const signatureLength = 64;

/** The header in two: what stands in front of a signature of the right form at its end, and that; undefined where it ends otherwise. */
export function splitAuthorization(
  header: string,
): { readonly beginning: string; readonly signature: string } | undefined {
  const at = header.length - signatureLength;
  if (!header.startsWith(signatureMark, at - signatureMark.length)) return undefined;
  const signature = header.slice(at);
  return signatureForm.test(signature) ? { beginning: header.slice(0, at), signature } : undefined;
}

type Refuse = (message: string, details?: Readonly<Record<string, string>>) => S3Failure;

/** `ACCESSKEY/YYYYMMDD/REGION/s3/aws4_request`. */
export function parseCredential(text: string, refuse: Refuse): CredentialScope {
  const [accessKey, date, region, service, ending, ...rest] = text.split('/');
  if (ending === undefined || rest.length > 0)
    throw refuse(
      'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
    );
  if (accessKey === undefined || accessKey === '' || accessKey.length > 128)
    throw refuse('the Credential has no access key.');
  if (date === undefined || !/^\d{8}$/.test(date))
    throw refuse(
      `incorrect date format "${date ?? ''}". This date in the credential must be in the format "yyyyMMdd".`,
    );
  // Some clients that were told of no region sign for one without a name.
  if (region === undefined || region.length > 64) throw refuse('the region is too long.');
  if (service !== 's3' && service !== 'sts' && service !== 'iam')
    throw refuse(`incorrect service "${service ?? ''}". This endpoint belongs to "s3".`);
  if (ending !== 'aws4_request')
    throw refuse(`incorrect terminal "${ending}". This endpoint uses "aws4_request".`);
  return { accessKey, date, region, service };
}

export function parseSignedHeaders(text: string, refuse: Refuse): string[] {
  const names = text.split(';');
  if (names.length > signedHeadersMax) throw refuse('too many SignedHeaders.');
  for (const name of names)
    if (!headerNameForm.test(name)) throw refuse('SignedHeaders is not a list of header names.');
  if (!names.includes('host')) throw refuse('SignedHeaders must include "host".');
  return names;
}

export function parseSignature(text: string, refuse: Refuse): string {
  if (!signatureForm.test(text)) throw refuse('the Signature is not 64 hex digits.');
  return text;
}

/** The parameters of a presigned request; undefined when the query carries no signature. */
export interface PresignedClaim extends SignatureClaim {
  readonly amzDate: string;
  readonly expiresS: number;
  /** The hash of the body that the signer bound it to, if any. */
  readonly payloadHash: string | undefined;
}

const expiresSMax = 604_800;

function queryError(message: string): S3Failure {
  return new S3Failure('AuthorizationQueryParametersError', { message });
}

export function parsePresigned(query: ReadonlyMap<string, string>): PresignedClaim {
  const names = ['Algorithm', 'Credential', 'Signature', 'Date', 'SignedHeaders', 'Expires'];
  for (const name of names) {
    if (!query.has(`X-Amz-${name}`))
      throw queryError(
        'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
      );
  }
  const value = (name: string): string => query.get(`X-Amz-${name}`) ?? '';
  if (value('Algorithm') !== algorithm)
    throw queryError(`X-Amz-Algorithm only supports "${algorithm}".`);
  const refuse: Refuse = (message) =>
    queryError(`Error parsing the X-Amz-Credential parameter; ${message}`);
  const texts = {
    credential: value('Credential'),
    signedHeaders: value('SignedHeaders'),
    signature: value('Signature'),
  };
  return {
    ...claimOf(texts, refuse, queryError),
    amzDate: value('Date'),
    expiresS: parseExpires(value('Expires')),
    payloadHash: query.get('X-Amz-Content-Sha256') ?? query.get('x-amz-content-sha256'),
  };
}

function parseExpires(text: string): number {
  if (!/^-?\d{1,19}$/.test(text)) throw queryError('X-Amz-Expires should be a number');
  const seconds = Number(text);
  if (seconds < 0) throw queryError('X-Amz-Expires must be non-negative');
  if (seconds > expiresSMax)
    throw queryError(
      'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds',
    );
  return seconds;
}
