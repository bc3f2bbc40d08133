/** What PostgreSQL's SQLSTATE codes ask of the caller. The codes: https://www.postgresql.org/docs/15/errcodes-appendix.html */
import { Failure, isFailure, systemCodeOf } from '#common';

/** Transactions that met another's: nothing is wrong with them, and the next try may do. */
export const contendedCode = 'state-contended';

export function postgresFailure(error: unknown): Failure {
  if (isFailure(error)) return error;
  const state = stateOf(error);
  const options = { facts: { sqlstate: state }, cause: error };
  switch (state) {
    case '23505':
      return new Failure('conflict', 'unique-violation', 'There is such a row already', options);
    case '23503':
      return new Failure('conflict', 'foreign-key-violation', 'Another row is needed', options);
    case '40001': // serialization_failure
    case '40P01': // deadlock_detected
    case '55P03': // lock_not_available
      return new Failure('busy', contendedCode, 'Another transaction was in the way', options);
    case '57014': // query_canceled: statement_timeout
    case '25P03': // idle_in_transaction_session_timeout
      return new Failure('busy', 'transaction-expired', 'The transaction took too long', options);
    case '25006':
      return new Failure('denied', 'state-read-only', 'The state may not be written', options);
    case '22021': // a NUL, or no UTF-8
    case '22P05':
      return new Failure(
        'invalid',
        'bad-text',
        'Text holds characters that cannot be kept',
        options,
      );
    case '3D000':
      return new Failure('missing', 'state-missing', 'There is no such database', options);
    default:
      return byClass(state, error, options);
  }
}

function byClass(
  state: string | undefined,
  error: unknown,
  options: { readonly facts: { readonly sqlstate: string | undefined }; readonly cause: unknown },
): Failure {
  switch (state?.slice(0, 2)) {
    case '53': // out of disk, memory, connections
      return state === '53100'
        ? new Failure('busy', 'disk-full', 'The disk that holds the state is full', options)
        : new Failure('busy', 'state-overloaded', 'The database has no room for more', options);
    case '28':
      return new Failure(
        'denied',
        'state-denied',
        'The database refuses these credentials',
        options,
      );
    case '57': // admin_shutdown, crash_shutdown, cannot_connect_now
    case '08':
      return new Failure('unreachable', 'state-away', 'The database is not there', options);
    case 'XX':
      return new Failure('corrupt', 'state-corrupt', 'The database found damage', options);
  }
  if (state === undefined && isConnectionLoss(error))
    return new Failure('unreachable', 'state-away', 'The database is not there', options);
  return new Failure('bug', 'bad-statement', 'A statement was refused', options);
}

function isConnectionLoss(error: unknown): boolean {
  if (systemCodeOf(error) !== undefined) return true;
  // pg says these in words alone.
  return error instanceof Error && /connection|terminat|timeout exceeded/i.test(error.message);
}

function stateOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string')
    return undefined;
  // Node's own codes (`ECONNREFUSED`) are longer.
  return /^[0-9A-Z]{5}$/.test(error.code) && 'severity' in error ? error.code : undefined;
}
