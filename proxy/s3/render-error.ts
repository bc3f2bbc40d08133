/** From anything thrown to S3's error document: one total table over every code that the service below can throw. */
import { Failure, type FailureKind } from '#common';
import type { ClusterFailureCode, ObjectFailureCode } from '../objects/index.ts';
import { errorTable, type S3Code } from './error-table.ts';
import { S3Failure } from './s3-failure.ts';
import { element, plainDocument } from './xml/write.ts';

const ofService: Readonly<Record<ObjectFailureCode | ClusterFailureCode, S3Code>> = {
  'container-missing': 'NoSuchBucket',
  'object-missing': 'NoSuchKey',
  'segment-changed': 'OperationAborted',
  'link-changed': 'OperationAborted',
  'link-too-long': 'OperationAborted',
  'upload-missing': 'NoSuchUpload',
  'version-missing': 'NoSuchVersion',
  'delete-marker': 'MethodNotAllowed',
  'version-locked': 'AccessDenied',
  'version-contended': 'SlowDown',
  'encryption-key-needed': 'InvalidRequest',
  'encryption-key-unwanted': 'InvalidRequest',
  'encryption-key-wrong': 'InvalidRequest',
  'encryption-key-missing': 'KMS.NotFoundException',
  'container-exists': 'BucketAlreadyOwnedByYou',
  'container-name-taken': 'BucketAlreadyExists',
  'container-not-empty': 'BucketNotEmpty',
  'container-deleting': 'OperationAborted',
  'condition-failed': 'PreconditionFailed',
  'upload-completing': 'OperationAborted',
  'body-too-short': 'IncompleteBody',
  'body-too-long': 'IncompleteBody',
  'body-too-large': 'EntityTooLarge',
  'body-timeout': 'RequestTimeout',
  'body-aborted': 'IncompleteBody',
  'md5-mismatch': 'BadDigest',
  'name-invalid': 'InvalidURI',
  'metadata-too-large': 'MetadataTooLarge',
  'part-number-invalid': 'InvalidArgument',
  'policy-unavailable': 'InvalidArgument',
  'part-missing': 'InvalidPart',
  'part-order': 'InvalidPartOrder',
  'part-too-small': 'EntityTooSmall',
  'too-many-parts': 'InvalidRequest',
  'row-malformed': 'InternalError',
  'service-closed': 'ServiceUnavailable',
  'no-quorum': 'SlowDown',
  'update-contended': 'ConditionalRequestConflict',
  'row-too-large': 'MetadataTooLarge',
  'blob-missing': 'InternalError',
  'blob-corrupt': 'InternalError',
  fenced: 'InternalError',
  'too-many-waiting': 'SlowDown',
};

/** For codes that are nobody's promise (a disk's, a socket's): what the kind tells. */
const ofKind: Readonly<Record<FailureKind, S3Code>> = {
  invalid: 'InvalidRequest',
  denied: 'AccessDenied',
  missing: 'NoSuchKey',
  conflict: 'OperationAborted',
  busy: 'SlowDown',
  unreachable: 'ServiceUnavailable',
  corrupt: 'InternalError',
  closed: 'ServiceUnavailable',
  bug: 'InternalError',
};

export interface RenderedError {
  readonly code: S3Code;
  readonly status: number;
  readonly message: string;
  readonly details: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
}

function isServiceCode(code: string): code is ObjectFailureCode | ClusterFailureCode {
  return Object.hasOwn(ofService, code);
}

/** With every 503. */
export const retryLater = { 'retry-after': '1' };

/** Sentences of failures from below are for our log; clients get the table's. */
export function renderedError(thrown: unknown): RenderedError {
  if (thrown instanceof S3Failure) {
    const message = thrown.message;
    const { s3Code: code, details, headers } = thrown;
    return { code, status: errorTable[code].status, message, details, headers };
  }
  const code = codeOf(thrown);
  const { status } = errorTable[code];
  const headers = status === 503 ? retryLater : {};
  return { code, ...errorTable[code], details: detailsOf(thrown), headers };
}

/** Facts of failures from below that S3's document names: what the client said itself, or may know. */
const shownFacts: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'upload-missing': { upload: 'UploadId' },
  'part-missing': { number: 'PartNumber', etag: 'ETag' },
  'part-too-small': {
    size: 'ProposedSize',
    min: 'MinSizeAllowed',
    number: 'PartNumber',
    etag: 'ETag',
  },
  'md5-mismatch': { expected: 'ExpectedDigest', got: 'CalculatedDigest' },
};

function detailsOf(thrown: unknown): Record<string, string> {
  const shown = thrown instanceof Failure ? shownFacts[thrown.code] : undefined;
  if (shown === undefined || !(thrown instanceof Failure)) return {};
  const details: Record<string, string> = {};
  for (const [fact, name] of Object.entries(shown)) {
    const value = thrown.facts[fact];
    if (value !== undefined) details[name] = String(value);
  }
  return details;
}

function codeOf(thrown: unknown): S3Code {
  if (!(thrown instanceof Failure)) return 'InternalError';
  return isServiceCode(thrown.code) ? ofService[thrown.code] : ofKind[thrown.kind];
}

export interface ErrorPlace {
  /** The path that was asked for. */
  readonly resource: string;
  readonly requestId: string;
  readonly hostId: string;
}

export function errorDocument(error: RenderedError, place: ErrorPlace): string {
  const details = Object.entries(error.details).map(([name, value]) => element(name, value));
  const inner =
    element('Code', error.code) +
    element('Message', error.message) +
    details.join('') +
    element('Resource', place.resource) +
    element('RequestId', place.requestId) +
    element('HostId', place.hostId);
  return plainDocument('Error', inner);
}
