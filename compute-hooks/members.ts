/** The compute hosts in other processes that may join: their names, their addresses among one another, and the one certificate of each that counts. */
import { roomOf, type State } from '#cloud/state';
import type { ComputeTables, MemberRow } from './tables.ts';

export type Member = Omit<MemberRow, 'created_at_us'>;

export interface Members {
  list(): Promise<readonly Member[]>;
  find(fingerprint: string): Promise<Member | undefined>;
  /** What `choose` makes of those that are there; one of the same name gives way. */
  put(nowUs: number, choose: (others: readonly Member[]) => Member): Promise<Member>;
  /** Whether there was one. */
  remove(name: string): Promise<boolean>;
}

export function membersOf(state: State): Members {
  const db = state.db.$extendTables<ComputeTables>();
  const columns = ['name', 'tunnel', 'fingerprint'] as const;
  return {
    list: () => db.selectFrom('compute_member').select(columns).orderBy('name').execute(),
    find: (fingerprint) =>
      db
        .selectFrom('compute_member')
        .select(columns)
        .where('fingerprint', '=', fingerprint)
        .executeTakeFirst(),
    put: (nowUs, choose) =>
      state.transaction(async (untyped) => {
        const transaction = roomOf<ComputeTables>(untyped);
        const known = await transaction.selectFrom('compute_member').select(columns).execute();
        const member = choose(known);
        await transaction.deleteFrom('compute_member').where('name', '=', member.name).execute();
        await transaction
          .insertInto('compute_member')
          .values({ ...member, created_at_us: nowUs })
          .execute();
        return member;
      }),
    remove: async (name) => {
      const gone = await db.deleteFrom('compute_member').where('name', '=', name).execute();
      return gone.some(({ numDeletedRows }) => numDeletedRows > 0n);
    },
  };
}
