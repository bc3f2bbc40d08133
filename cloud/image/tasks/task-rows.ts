/** Tasks as rows: long work that any controller takes up again when whoever did it is gone. */
import type { ImageCore, Tx } from '../core.ts';
import { conflict } from '../failures.ts';
import type { TaskRow } from '../tables.ts';

export type TaskType = 'api_image_import' | 'import' | 'volume';

export interface NewTask {
  readonly type: TaskType;
  readonly owner: string | null;
  readonly imageId: string | null;
  readonly userId: string;
  readonly requestId: string;
  readonly input: unknown;
}

export async function insertTask(core: ImageCore, tx: Tx, task: NewTask): Promise<TaskRow> {
  if (task.imageId !== null) await refuseSecond(tx, task.imageId);
  const nowUs = core.nowUs();
  const row: TaskRow = {
    id: core.newId(),
    type: task.type,
    status: 'pending',
    owner: task.owner,
    image_id: task.imageId,
    user_id: task.userId,
    request_id: task.requestId,
    input: JSON.stringify(task.input),
    result: null,
    message: '',
    created_at_us: nowUs,
    updated_at_us: nowUs,
    expires_at_us: null,
    holder: '',
    lease_until_us: 0,
    attempts: 0,
  };
  await tx.insertInto('image_task').values(row).execute();
  return row;
}

async function refuseSecond(tx: Tx, imageId: string): Promise<void> {
  const present = await tx
    .selectFrom('image_task')
    .select('id')
    .where('image_id', '=', imageId)
    .where('status', 'in', ['pending', 'processing'])
    .executeTakeFirst();
  if (present !== undefined) throw conflict('Image has active task');
}

/** Takes one task that nobody works on; nothing when there is none. */
export async function claimTask(
  core: ImageCore,
  running: ReadonlySet<string>,
): Promise<TaskRow | undefined> {
  return await core.change(async (tx) => {
    const nowUs = core.nowUs();
    const candidates = await tx
      .selectFrom('image_task')
      .selectAll()
      .where('status', 'in', ['pending', 'processing'])
      .where('lease_until_us', '<=', nowUs)
      .orderBy('created_at_us')
      .limit(32)
      .execute();
    for (const row of candidates) {
      if (running.has(row.id)) continue;
      const claimed = await tx
        .updateTable('image_task')
        .set({
          status: 'processing',
          holder: core.holder,
          attempts: row.attempts + 1,
          lease_until_us: nowUs + core.settings.transferLeaseMs * 1000,
          updated_at_us: nowUs,
        })
        .where('id', '=', row.id)
        .where('lease_until_us', '=', row.lease_until_us)
        .returningAll()
        .executeTakeFirst();
      if (claimed !== undefined) return claimed;
    }
    return undefined;
  });
}

/** Whether the task is still this process's to work on. */
export async function renewTask(core: ImageCore, task: TaskRow): Promise<boolean> {
  const { numUpdatedRows } = await core.db
    .updateTable('image_task')
    .set({ lease_until_us: core.nowUs() + core.settings.transferLeaseMs * 1000 })
    .where('id', '=', task.id)
    .where('holder', '=', core.holder)
    .where('attempts', '=', task.attempts)
    .where('status', '=', 'processing')
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

export async function endTask(
  core: ImageCore,
  tx: Tx,
  task: TaskRow,
  outcome: {
    readonly status: 'success' | 'failure';
    readonly result?: unknown;
    readonly message?: string;
  },
): Promise<void> {
  const nowUs = core.nowUs();
  await tx
    .updateTable('image_task')
    .set({
      status: outcome.status,
      result: outcome.result === undefined ? null : JSON.stringify(outcome.result),
      message: (outcome.message ?? '').slice(0, 1_000),
      updated_at_us: nowUs,
      expires_at_us: nowUs + core.settings.taskLifetimeS * 1_000_000,
      lease_until_us: 0,
    })
    .where('id', '=', task.id)
    .where('attempts', '=', task.attempts)
    .where('status', '=', 'processing')
    .execute();
}

/** This process was started anew: what it worked on before, nobody works on. */
export async function releaseOwnTasks(core: ImageCore): Promise<void> {
  await core.db
    .updateTable('image_task')
    .set({ lease_until_us: 0 })
    .where('holder', '=', core.holder)
    .where('status', '=', 'processing')
    .execute();
}

export async function removeExpiredTasks(core: ImageCore): Promise<void> {
  await core.db.deleteFrom('image_task').where('expires_at_us', '<=', core.nowUs()).execute();
}
