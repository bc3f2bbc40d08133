/** Every failure the key manager can answer with, in Barbican's words and status codes. */
import { type Dialect, type FailureTable, failureOf } from '#cloud/api';
import type { Facts, Failure } from '#common';

const why = (facts: Facts) => String(facts.why);

export const secretFailures = {
  unauthorized: {
    kind: 'denied',
    status: 401,
    say: () => 'The request you have made requires authentication.',
  },
  'forbidden-action': {
    kind: 'denied',
    status: 403,
    say: (facts) =>
      `${facts.action} attempt not allowed - please review your user/project privileges`,
  },
  forbidden: { kind: 'denied', status: 403, say: why },
  'schema-invalid': {
    kind: 'invalid',
    status: 400,
    say: (facts) => `Provided object does not match schema: ${facts.detail}`,
  },
  'body-invalid': { kind: 'invalid', status: 400, say: () => 'Malformed JSON' },
  'body-too-large': {
    kind: 'invalid',
    status: 413,
    say: () => 'Provided information too large to process',
  },
  'page-invalid': { kind: 'invalid', status: 400, say: (facts) => String(facts.detail) },
  'route-missing': { kind: 'missing', status: 404, say: () => 'The resource could not be found.' },
  'method-not-allowed': {
    kind: 'invalid',
    status: 405,
    say: () => 'The method is not allowed for this resource.',
  },
  'media-type-unsupported': {
    kind: 'invalid',
    status: 415,
    say: (facts) => `Unexpected content type. Expected content types are: ${facts.expected}`,
  },
  'over-quota': {
    kind: 'denied',
    status: 403,
    say: () => 'Creation not allowed because a quota has been reached',
  },
  invalid: { kind: 'invalid', status: 400, say: why },
  missing: { kind: 'missing', status: 404, say: why },
  'not-acceptable': { kind: 'invalid', status: 406, say: why },
  conflict: { kind: 'conflict', status: 409, say: why },
  'too-large': { kind: 'invalid', status: 413, say: why },
  'not-implemented': { kind: 'invalid', status: 501, say: why },
} as const satisfies FailureTable;

export type SecretCode = keyof typeof secretFailures;

export const secretDialect: Dialect = {
  failures: secretFailures,
  body: ({ status, title, message }) => ({ code: status, title, description: message }),
};

export function secretFailure(code: SecretCode, facts: Facts = {}, cause?: unknown): Failure {
  return failureOf(secretFailures, code, facts, cause);
}

export const invalid = (why: string): Failure => secretFailure('invalid', { why });
export const missing = (why: string): Failure => secretFailure('missing', { why });
export const conflict = (why: string): Failure => secretFailure('conflict', { why });
