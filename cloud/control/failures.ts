/** Every failure the control service can answer with. */
import type { FailureTable } from '#cloud/api';

export const controlFailures = {
  unauthorized: {
    kind: 'denied',
    status: 401,
    say: () => 'The request you have made requires authentication.',
  },
  'forbidden-action': {
    kind: 'denied',
    status: 403,
    say: (facts) => `You are not authorized to perform the requested action: ${facts.action}.`,
  },
  'schema-invalid': { kind: 'invalid', status: 400, say: (facts) => String(facts.detail) },
  'body-invalid': { kind: 'invalid', status: 400, say: (facts) => `Bad body: ${facts.detail}.` },
  'body-too-large': { kind: 'invalid', status: 413, say: () => 'Request is too large.' },
  'page-invalid': { kind: 'invalid', status: 400, say: (facts) => String(facts.detail) },
  'bad-cursor': { kind: 'invalid', status: 400, say: () => 'marker is no cursor of the feed.' },
  'route-missing': { kind: 'missing', status: 404, say: () => 'The resource could not be found.' },
  'no-such-operation': { kind: 'missing', status: 404, say: () => 'There is no such operation.' },
  'operation-too-late': {
    kind: 'conflict',
    status: 409,
    say: () => 'The operation has ended, or gone too far to be taken back.',
  },
  'method-not-allowed': { kind: 'invalid', status: 405, say: () => 'Method not allowed.' },
} as const satisfies FailureTable;
