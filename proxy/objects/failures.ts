/**
 * Every failure code that the object service itself throws, so that a dialect's table can be total over it.
 * Codes of the cluster (`no-quorum`, `update-contended`, `row-too-large`, …) pass through unchanged: see `ClusterFailureCode`.
 */
import { type Facts, Failure, type FailureKind } from '#common';

const kinds = {
  'container-missing': 'missing',
  'object-missing': 'missing',
  'upload-missing': 'missing',
  'version-missing': 'missing',
  'delete-marker': 'missing',
  'version-locked': 'denied',
  'container-exists': 'conflict',
  'container-name-taken': 'conflict',
  'container-not-empty': 'conflict',
  'container-deleting': 'conflict',
  'condition-failed': 'conflict',
  'upload-completing': 'conflict',
  'version-contended': 'busy',
  'body-too-short': 'invalid',
  'body-too-long': 'invalid',
  'body-too-large': 'invalid',
  'body-timeout': 'invalid',
  'body-aborted': 'closed',
  'md5-mismatch': 'invalid',
  'name-invalid': 'invalid',
  'metadata-too-large': 'invalid',
  'policy-unavailable': 'conflict',
  'part-number-invalid': 'invalid',
  'part-missing': 'invalid',
  'part-order': 'invalid',
  'part-too-small': 'invalid',
  'too-many-parts': 'invalid',
  'encryption-key-needed': 'invalid',
  'encryption-key-unwanted': 'invalid',
  'encryption-key-wrong': 'denied',
  'encryption-key-missing': 'missing',
  'segment-changed': 'conflict',
  'link-changed': 'conflict',
  'link-too-long': 'conflict',
  'row-malformed': 'corrupt',
  'service-closed': 'closed',
} as const satisfies Record<string, FailureKind>;

/** What the object service throws of its own. */
export type ObjectFailureCode = keyof typeof kinds;

export const objectFailureCodes = Object.keys(kinds) as readonly ObjectFailureCode[];

/** What comes through from the cluster and the bounds under it. */
export const clusterFailureCodes = [
  'no-quorum',
  'update-contended',
  'row-too-large',
  'blob-missing',
  'blob-corrupt',
  'fenced',
  'too-many-waiting',
] as const;
export type ClusterFailureCode = (typeof clusterFailureCodes)[number];

export interface ObjectFailureOptions {
  readonly facts?: Facts;
  readonly cause?: unknown;
}

export function objectFailure(
  code: ObjectFailureCode,
  message: string,
  options: ObjectFailureOptions = {},
): Failure {
  return new Failure(kinds[code], code, message, options);
}
