/** Every failure the image service can answer with, in Glance's words and status codes. */

import { type FailureTable, failureOf } from '#cloud/api';
import type { Facts, Failure } from '#common';

const why = (facts: Facts) => String(facts.why);

export const imageFailures = {
  unauthorized: {
    kind: 'denied',
    status: 401,
    say: () => 'The request you have made requires authentication.',
  },
  'forbidden-action': {
    kind: 'denied',
    status: 403,
    say: (facts) => `You are not authorized to complete ${facts.action} action.`,
  },
  forbidden: { kind: 'denied', status: 403, say: why },
  'schema-invalid': {
    kind: 'invalid',
    status: 400,
    say: (facts) => `Provided object does not match schema: ${facts.detail}`,
  },
  'body-invalid': {
    kind: 'invalid',
    status: 400,
    say: (facts) => `Malformed request body: ${facts.detail}.`,
  },
  'page-invalid': { kind: 'invalid', status: 400, say: (facts) => String(facts.detail) },
  invalid: { kind: 'invalid', status: 400, say: why },
  'body-too-large': { kind: 'invalid', status: 413, say: () => 'Request is too large.' },
  'route-missing': {
    kind: 'missing',
    status: 404,
    say: () => 'The resource could not be found.',
  },
  'method-not-allowed': {
    kind: 'invalid',
    status: 405,
    say: () => 'The method is not allowed for this resource.',
  },
  'image-missing': {
    kind: 'missing',
    status: 404,
    say: (facts) => `No image found with ID ${facts.id}`,
  },
  missing: { kind: 'missing', status: 404, say: why },
  conflict: { kind: 'conflict', status: 409, say: why },
  gone: { kind: 'conflict', status: 410, say: why },
  'limit-exceeded': { kind: 'denied', status: 413, say: why },
  'media-type-unsupported': {
    kind: 'invalid',
    status: 415,
    say: ({ found, expected }) =>
      `The request media type ${String(found).slice(0, 128)} is not supported by this server${expected === undefined ? '' : `: use ${expected}`}.`,
  },
  'range-invalid': {
    kind: 'invalid',
    status: 416,
    say: () => 'The requested range cannot be satisfied.',
  },
  'image-refused': {
    kind: 'invalid',
    status: 415,
    say: ({ format, reason }) =>
      format === undefined
        ? String(reason)
        : `The image data was refused: as ${format}, ${reason}.`,
  },
  'over-quota': {
    kind: 'conflict',
    status: 413,
    say: ({ scope, resource, limit, used, requested }) =>
      `Project ${scope} is over a limit for [Resource ${String(resource).replace('image.', 'image_')} is over limit of ${limit} due to current usage ${used} and request of ${requested}]`,
  },
  'not-implemented': { kind: 'invalid', status: 501, say: why },
} as const satisfies FailureTable;

export type ImageCode = keyof typeof imageFailures;

export function imageFailure(code: ImageCode, facts: Facts = {}, cause?: unknown): Failure {
  return failureOf(imageFailures, code, facts, cause);
}

export const imageMissing = (id: string): Failure =>
  imageFailure('image-missing', { id: id.slice(0, 255) });
export const invalid = (why: string): Failure => imageFailure('invalid', { why });
export const forbidden = (why: string): Failure => imageFailure('forbidden', { why });
export const conflict = (why: string): Failure => imageFailure('conflict', { why });
export const missing = (why: string): Failure => imageFailure('missing', { why });
