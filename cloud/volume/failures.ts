/** Every failure the volume API can answer with, in Cinder's words and status codes. */
import type { Facts, Failure } from '#common';
import { type FailureTable, failureOf, faultDialect } from '../api/index.ts';

const reason = (facts: Facts) => String(facts.why ?? '');

export const volumeFailures = {
  unauthorized: { kind: 'denied', status: 401, say: () => 'Authentication required' },
  'forbidden-action': {
    kind: 'denied',
    status: 403,
    say: (facts) => `Policy doesn't allow ${facts.action} to be performed.`,
  },
  'schema-invalid': { kind: 'invalid', status: 400, say: (facts) => String(facts.detail) },
  'body-invalid': {
    kind: 'invalid',
    status: 400,
    say: (facts) => `Malformed request body: ${facts.detail}`,
  },
  'body-too-large': { kind: 'invalid', status: 413, say: () => 'Request is too large.' },
  'page-invalid': { kind: 'invalid', status: 400, say: (facts) => String(facts.detail) },
  'route-missing': {
    kind: 'missing',
    status: 404,
    say: () => 'The resource could not be found.',
  },
  // Upstream's router knows no other methods of a path: to it such a request leads nowhere.
  'method-not-allowed': {
    kind: 'missing',
    status: 404,
    say: () => 'The resource could not be found.',
  },
  'url-malformed': { kind: 'invalid', status: 400, say: () => 'Malformed request url' },
  'not-found': {
    kind: 'missing',
    status: 404,
    say: (facts) => `${facts.what} ${facts.id} could not be found.`,
  },
  'no-such-key': {
    kind: 'missing',
    status: 404,
    say: (facts) => `${facts.what} has no ${facts.items} with key ${facts.key}.`,
  },
  'invalid-input': {
    kind: 'invalid',
    status: 400,
    say: (facts) => `Invalid input received: ${reason(facts)}`,
  },
  refused: { kind: 'invalid', status: 400, say: reason },
  'invalid-volume': {
    kind: 'invalid',
    status: 400,
    say: (facts) => `Invalid volume: ${reason(facts)}`,
  },
  'invalid-snapshot': {
    kind: 'invalid',
    status: 400,
    say: (facts) => `Invalid snapshot: ${reason(facts)}`,
  },
  'invalid-backup': {
    kind: 'invalid',
    status: 400,
    say: (facts) => `Invalid backup: ${reason(facts)}`,
  },
  unavailable: { kind: 'busy', status: 503, say: reason },
  'refused-conflict': { kind: 'conflict', status: 409, say: reason },
  'over-quota': {
    kind: 'busy',
    status: 413,
    say: reason,
  },
  'not-implemented': {
    kind: 'invalid',
    status: 501,
    say: (facts) => `${facts.what} is not implemented.`,
  },
} as const satisfies FailureTable;

export type VolumeCode = keyof typeof volumeFailures;

export function volumeFailure(code: VolumeCode, facts: Facts = {}, cause?: unknown): Failure {
  return failureOf(volumeFailures, code, facts, cause);
}

export const notFound = (what: string, id: string): Failure =>
  volumeFailure('not-found', { what, id });

export const volumeDialect = faultDialect(volumeFailures);
