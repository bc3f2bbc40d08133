/** Kysely's dialect over the SQLite thread. */
import {
  type Dialect,
  type Driver,
  type Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import { SqliteThreadDriver, type ThreadDriverOptions } from './driver.ts';

// Kysely would queue everything behind an open transaction; the driver's gate lets readers pass instead.
class ThreadAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

export function sqliteThreadDialect(options: ThreadDriverOptions): Dialect {
  return {
    createDriver: (): Driver => new SqliteThreadDriver(options),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createAdapter: () => new ThreadAdapter(),
    createIntrospector: (db: Kysely<unknown>) => new SqliteIntrospector(db),
  };
}
