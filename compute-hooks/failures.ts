/** Every failure the compute API can answer with, in Nova's words and status codes. */
import { type FailureTable, failureOf, faultDialect } from '#cloud/api';
import type { Facts, Failure } from '#common';

const reason = (facts: Facts) => String(facts.why ?? '');

export const computeFailures = {
  unauthorized: {
    kind: 'denied',
    status: 401,
    say: () => 'The request you have made requires authentication.',
  },
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
  'route-missing': { kind: 'missing', status: 404, say: () => 'The resource could not be found.' },
  'method-not-allowed': {
    kind: 'invalid',
    status: 405,
    say: () => 'The method specified is not allowed for this resource.',
  },
  'not-found': {
    kind: 'missing',
    status: 404,
    say: (facts) => `${facts.what} ${facts.id} could not be found.`,
  },
  missing: { kind: 'missing', status: 404, say: reason },
  refused: { kind: 'invalid', status: 400, say: reason },
  forbidden: { kind: 'denied', status: 403, say: reason },
  'refused-conflict': { kind: 'conflict', status: 409, say: reason },
  'over-quota': { kind: 'denied', status: 403, say: reason },
  'wrong-state': {
    kind: 'conflict',
    status: 409,
    say: (facts) =>
      `Cannot '${facts.action}' instance ${facts.id} while it is in ${facts.what} ${facts.state}`,
  },
  locked: { kind: 'conflict', status: 409, say: (facts) => `Instance ${facts.id} is locked` },
  'not-implemented': {
    kind: 'invalid',
    status: 501,
    say: (facts) => `${facts.what} is not implemented.`,
  },
} as const satisfies FailureTable;

export type ComputeCode = keyof typeof computeFailures;

export function computeFailure(code: ComputeCode, facts: Facts = {}, cause?: unknown): Failure {
  return failureOf(computeFailures, code, facts, cause);
}

export const notFound = (what: string, id: string): Failure =>
  computeFailure('not-found', { what, id });

export const refused = (why: string): Failure => computeFailure('refused', { why });

export const computeDialect = faultDialect(computeFailures);
