/** Tasks: what clients see of imports. The work itself is an operation, which writes here how it ended. */
import type { SourceObject } from '../content/interfaces.ts';
import type { ImageCore, Tx } from '../core.ts';
import { conflict } from '../failures.ts';
import type { TaskRow } from '../tables.ts';

export interface ImportSource {
  readonly method: string;
  readonly uri?: string;
  readonly object?: SourceObject;
  readonly sha512?: string;
}

export interface NewTask {
  readonly type: 'api_image_import' | 'import' | 'location_import';
  readonly owner: string | null;
  readonly imageId: string;
  readonly userId: string;
  readonly requestId: string;
  readonly input: unknown;
  readonly source: ImportSource;
}

/** The task and the operation that does it come into being together. */
export async function startTask(core: ImageCore, tx: Tx, task: NewTask): Promise<TaskRow> {
  await refuseSecond(tx, task.imageId);
  const nowUs = core.nowUs();
  const row: TaskRow = {
    id: core.newId(),
    type: task.type,
    status: 'processing',
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
  };
  await tx.insertInto('image_task').values(row).execute();
  await core.operations.start(
    {
      workflow: 'image.import',
      input: { taskId: row.id, imageId: task.imageId, ...task.source },
      projectId: task.owner ?? undefined,
      userId: task.userId,
      requestId: task.requestId,
      resource: { type: 'image', id: task.imageId },
    },
    tx,
  );
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

/** What has ended stays as it ended: a cancel that comes after the success changes nothing. */
export async function endTask(
  core: ImageCore,
  tx: Tx,
  id: string,
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
      message: outcome.message ?? '',
      updated_at_us: nowUs,
      expires_at_us: nowUs + core.settings.taskLifetimeS * 1_000_000,
    })
    .where('id', '=', id)
    .where('status', 'in', ['pending', 'processing'])
    .execute();
}

export async function removeExpiredTasks(core: ImageCore): Promise<void> {
  await core.db.deleteFrom('image_task').where('expires_at_us', '<=', core.nowUs()).execute();
}
