/** What the state needs of a database beside Kysely's builder. */
import type { Kysely, Transaction } from 'kysely';

export interface Engine {
  readonly db: Kysely<unknown>;
  /** Serializable; begun anew when another transaction was in the way. `lock` names those that take turns instead. */
  transaction<T>(
    work: (transaction: Transaction<unknown>) => Promise<T>,
    lock: string | undefined,
  ): Promise<T>;
  /** Holds a lock against every other process on the same database. */
  locked<T>(name: string, work: (db: Kysely<unknown>) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}
