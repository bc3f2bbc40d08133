/** Records of servers' moves from host to host. One has the id of the operation that moves, and is written in that one's transactions. */
import type { ComputeCore, Tx } from './core.ts';
import type { MigrationRow } from './tables.ts';

export type MoveKind = 'resize' | 'migration' | 'live-migration' | 'evacuation';

/** While it goes on, and when it has succeeded, in Nova's words. */
const words: Readonly<Record<MoveKind, readonly [during: string, done: string]>> = {
  resize: ['migrating', 'finished'],
  migration: ['migrating', 'finished'],
  'live-migration': ['running', 'completed'],
  evacuation: ['pre-migrating', 'done'],
};

/** Transactions are serializable: two that found the same last number do not both succeed, and the index sees to it. */
export async function recordMove(
  core: ComputeCore,
  transaction: Tx,
  move: Omit<MigrationRow, 'number' | 'status' | 'kind' | 'created_at_us' | 'updated_at_us'> & {
    readonly kind: MoveKind;
  },
): Promise<void> {
  const last = await transaction
    .selectFrom('compute_migration')
    .select(({ fn }) => fn.max<number | null>('number').as('number'))
    .executeTakeFirst();
  const now = core.clock.nowUs();
  await transaction
    .insertInto('compute_migration')
    .values({
      ...move,
      number: Number(last?.number ?? 0) + 1,
      status: words[move.kind][0],
      created_at_us: now,
      updated_at_us: now,
    })
    .execute();
}

/** At the end of its operation. */
export async function endMove(
  core: ComputeCore,
  transaction: Tx,
  operation: { readonly id: string; readonly state: string },
): Promise<void> {
  const move = await transaction
    .selectFrom('compute_migration')
    .select('kind')
    .where('id', '=', operation.id)
    .executeTakeFirst();
  if (move === undefined) return;
  const { state } = operation;
  const [, done] = words[move.kind as MoveKind];
  const status = state === 'succeeded' ? done : state === 'cancelled' ? 'cancelled' : 'error';
  await setMove(core, transaction, operation.id, status);
}

/** The move that a resized server waits with, confirmed or reverted. */
export async function settleMove(
  core: ComputeCore,
  transaction: Tx,
  serverId: string,
  status: 'confirmed' | 'reverted',
): Promise<void> {
  const move = await transaction
    .selectFrom('compute_migration')
    .select('id')
    .where('server_id', '=', serverId)
    .where('status', '=', 'finished')
    .orderBy('number', 'desc')
    .executeTakeFirst();
  if (move !== undefined) await setMove(core, transaction, move.id, status);
}

async function setMove(core: ComputeCore, transaction: Tx, id: string, status: string) {
  await transaction
    .updateTable('compute_migration')
    .set({ status, updated_at_us: core.clock.nowUs() })
    .where('id', '=', id)
    .execute();
}
