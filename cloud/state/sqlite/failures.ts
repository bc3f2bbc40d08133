/** What SQLite's result codes ask of the caller. The codes: https://sqlite.org/rescode.html */
import { Failure } from '#common';
import type { StatementError } from './protocol.ts';

const primaryOf = (extended: number): number => extended & 0xff;

export function sqliteFailure(error: StatementError): Failure {
  const options = { facts: { sqlite: error.sqliteCode }, cause: new Error(error.message) };
  switch (error.sqliteCode) {
    case 2067: // SQLITE_CONSTRAINT_UNIQUE
    case 1555: // SQLITE_CONSTRAINT_PRIMARYKEY
      return new Failure('conflict', 'unique-violation', 'There is such a row already', options);
    case 787: // SQLITE_CONSTRAINT_FOREIGNKEY
      return new Failure('conflict', 'foreign-key-violation', 'Another row is needed', options);
  }
  switch (primaryOf(error.sqliteCode)) {
    case 5: // SQLITE_BUSY
    case 6: // SQLITE_LOCKED
      return new Failure('busy', 'state-locked', 'Another process holds the state', options);
    case 13: // SQLITE_FULL
      return new Failure('busy', 'disk-full', 'The disk that holds the state is full', options);
    case 8: // SQLITE_READONLY
      return new Failure('denied', 'state-read-only', 'The state may not be written', options);
    case 10: // SQLITE_IOERR
    case 14: // SQLITE_CANTOPEN
      return new Failure('unreachable', 'disk-error', 'The state file cannot be used', options);
    case 11: // SQLITE_CORRUPT
    case 26: // SQLITE_NOTADB
      return new Failure('corrupt', 'state-corrupt', 'The state file is damaged', options);
    default:
      return new Failure('bug', 'bad-statement', 'A statement was refused', options);
  }
}
