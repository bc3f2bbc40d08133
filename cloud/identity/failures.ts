/** Every failure identity can answer with, in Keystone's words and status codes. */

import type { Facts, Failure } from '#common';
import { type FailureTable, failureOf } from '../api/index.ts';

const unauthenticated = 'The request you have made requires authentication.';

export const identityFailures = {
  unauthorized: { kind: 'denied', status: 401, say: () => unauthenticated },
  'password-expired': {
    kind: 'denied',
    status: 401,
    say: (facts) => `The password is expired and needs to be changed for user: ${facts.user}.`,
  },
  'method-unsupported': {
    kind: 'denied',
    status: 401,
    say: () => 'Attempted to authenticate with an unsupported method.',
  },
  'application-credential-denied': { kind: 'denied', status: 401, say: () => unauthenticated },
  'forbidden-action': {
    kind: 'denied',
    status: 403,
    say: (facts) => `You are not authorized to perform the requested action: ${facts.action}.`,
  },
  forbidden: {
    kind: 'denied',
    status: 403,
    say: (facts) => String(facts.why ?? 'You are not authorized to perform the requested action.'),
  },
  'schema-invalid': { kind: 'invalid', status: 400, say: (facts) => String(facts.detail) },
  'body-invalid': {
    kind: 'invalid',
    status: 400,
    say: (facts) => `Malformed request body: ${facts.detail}.`,
  },
  'page-invalid': { kind: 'invalid', status: 400, say: (facts) => String(facts.detail) },
  'password-weak': {
    kind: 'invalid',
    status: 400,
    say: (facts) => `The password does not match the requirements: ${facts.detail}.`,
  },
  'password-used': {
    kind: 'invalid',
    status: 400,
    say: (facts) =>
      `The new password cannot be identical to a previous password. The total number which includes the new password must be unique is ${facts.count}.`,
  },
  'password-young': {
    kind: 'invalid',
    status: 400,
    say: (facts) =>
      `You cannot change your password at this time due to the minimum password age. Once you change your password, it must be used for ${facts.days} day(s) before it can be changed. Please try again in ${facts.left} day(s) or contact your administrator to reset your password.`,
  },
  'password-locked': {
    kind: 'invalid',
    status: 400,
    say: () =>
      'You cannot change your password at this time due to password policy disallowing password changes. Please contact your administrator to reset your password.',
  },
  'password-too-long': {
    kind: 'invalid',
    status: 400,
    say: (facts) => `The password length must be less than or equal to ${facts.bytesMax} bytes.`,
  },
  'body-too-large': { kind: 'invalid', status: 413, say: () => 'Request is too large.' },
  'route-missing': {
    kind: 'missing',
    status: 404,
    say: () =>
      'The requested URL was not found on the server. Please check your spelling and try again.',
  },
  'method-not-allowed': {
    kind: 'invalid',
    status: 405,
    say: () => 'The method is not allowed for the requested URL.',
  },
  'not-found': {
    kind: 'missing',
    status: 404,
    say: (facts) => `Could not find ${facts.what}: ${facts.id}.`,
  },
  'config-missing': {
    kind: 'missing',
    status: 404,
    say: (facts) =>
      `Could not find ${facts.what} in domain configuration for domain ${facts.domain}.`,
  },
  'limit-missing': {
    kind: 'missing',
    status: 404,
    say: (facts) => `Could not find ${facts.what} for ${facts.id}.`,
  },
  'receipt-missing': {
    kind: 'missing',
    status: 404,
    say: () => 'Could not find auth receipt.',
  },
  'token-missing': { kind: 'missing', status: 404, say: () => 'Could not find token.' },
  duplicate: {
    kind: 'conflict',
    status: 409,
    say: (facts) =>
      `Conflict occurred attempting to store ${facts.what} - Duplicate entry found with name ${facts.name}.`,
  },
  'not-implemented': {
    kind: 'invalid',
    status: 501,
    say: (facts) => `${facts.what} is not implemented.`,
  },
  immutable: {
    kind: 'denied',
    status: 403,
    say: (facts) =>
      `Unable to ${facts.verb} immutable ${facts.what} resource: \`${facts.id}. Set resource option "immutable" to false first.`,
  },
  conflict: { kind: 'conflict', status: 409, say: (facts) => String(facts.why) },
} as const satisfies FailureTable;

export type IdentityCode = keyof typeof identityFailures;

export function identityFailure(code: IdentityCode, facts: Facts = {}, cause?: unknown): Failure {
  return failureOf(identityFailures, code, facts, cause);
}

export const notFound = (what: string, id: string): Failure =>
  identityFailure('not-found', { what, id });
