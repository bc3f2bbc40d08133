/** Error bodies as compute and volumes have them: one key, the fault's name, over a code and a message. */
import type { Dialect, FailureTable } from './failures.ts';

const faultNames: Readonly<Record<number, string>> = {
  400: 'badRequest',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'itemNotFound',
  405: 'badMethod',
  409: 'conflictingRequest',
  413: 'overLimit',
  415: 'badMediaType',
  429: 'overLimit',
  501: 'notImplemented',
  503: 'serviceUnavailable',
};

export const faultDialect = (failures: FailureTable): Dialect => ({
  failures,
  body: ({ status, message }) => ({
    [faultNames[status] ?? 'computeFault']: { code: status, message },
  }),
});
