/** How a request begins a long change of a server, and how the change ends: the row is taken and set free in the operation's own transactions. */
import type { Operation } from '#cloud/operations';
import { callerOf, type Request } from './caller.ts';
import type { ComputeCore, Tx } from './core.ts';
import { computeFailure } from './failures.ts';
import { serverMissing } from './rows.ts';
import { type ServerKind, taskState } from './status.ts';
import type { ServerRow } from './tables.ts';

export interface Beginning {
  readonly server: Pick<ServerRow, 'id' | 'project_id' | 'host'>;
  readonly kind: ServerKind;
  /** The action's name in the server's history. */
  readonly action: string;
  readonly workflow: string;
  readonly input: object;
  /** Takes the server away from the operation that is at work on it. */
  readonly takesOver?: boolean;
}

/** Refused when another operation is at work on the server. */
export async function begin(
  core: ComputeCore,
  transaction: Tx,
  request: Request,
  beginning: Beginning,
): Promise<string> {
  const { server, kind } = beginning;
  const { userId } = callerOf(request);
  const operation = await core.operations.start(
    {
      workflow: beginning.workflow,
      input: beginning.input,
      projectId: server.project_id,
      userId,
      requestId: request.requestId,
      resource: { type: 'server', id: server.id },
    },
    transaction,
  );
  await take(transaction, beginning, operation.id);
  await transaction
    .insertInto('compute_action')
    .values({
      id: operation.id,
      server_id: server.id,
      request_id: request.requestId,
      action: beginning.action,
      project_id: callerOf(request).projectId ?? server.project_id,
      user_id: userId,
      host: server.host,
      message: null,
      detail: kind,
      started_at_us: core.clock.nowUs(),
      ended_at_us: null,
    })
    .execute();
  return operation.id;
}

async function take(transaction: Tx, beginning: Beginning, operationId: string): Promise<void> {
  const { id } = beginning.server;
  let update = transaction
    .updateTable('compute_server')
    .set({
      operation_id: operationId,
      operation_kind: beginning.kind,
      failure: null,
      failed_at_us: null,
    })
    .where('id', '=', id)
    .where('deleted_at_us', 'is', null);
  if (beginning.takesOver !== true) update = update.where('operation_id', 'is', null);
  const taken = await update.executeTakeFirst();
  if (taken.numUpdatedRows === 1n) return;
  const row = await transaction
    .selectFrom('compute_server')
    .selectAll()
    .where('id', '=', id)
    .where('deleted_at_us', 'is', null)
    .executeTakeFirst();
  if (row === undefined) throw serverMissing(id);
  const state = taskState(row) ?? 'updating';
  throw computeFailure('wrong-state', { action: beginning.action, id, what: 'task_state', state });
}

/** Something that happens within the request, for the server's history. */
export async function record(
  core: ComputeCore,
  transaction: Tx,
  request: Request,
  server: ServerRow,
  action: string,
): Promise<void> {
  const now = core.clock.nowUs();
  await transaction
    .insertInto('compute_action')
    .values({
      id: core.newId(),
      server_id: server.id,
      request_id: request.requestId,
      action,
      project_id: callerOf(request).projectId ?? server.project_id,
      user_id: callerOf(request).userId,
      host: server.host,
      message: null,
      detail: null,
      started_at_us: now,
      ended_at_us: now,
    })
    .execute();
}

export const failureOf = (operation: Operation): string | null =>
  operation.state === 'succeeded'
    ? null
    : (operation.error?.message ?? `The operation was ${operation.state}.`);

/** Sets a server free at the end of its operation; a failure stays with it as its reason. */
export async function finish(
  core: ComputeCore,
  transaction: Tx,
  serverId: string,
  operation: Operation,
  change: Partial<ServerRow> = {},
): Promise<void> {
  const failure = failureOf(operation);
  const now = core.clock.nowUs();
  await transaction
    .updateTable('compute_server')
    .set({
      operation_id: null,
      failure,
      failed_at_us: failure === null ? null : now,
      updated_at_us: now,
      ...change,
    })
    .where('id', '=', serverId)
    .where('operation_id', '=', operation.id)
    .execute();
  await transaction
    .updateTable('compute_action')
    .set({ ended_at_us: now, message: failure === null ? null : 'Error' })
    .where('id', '=', operation.id)
    .execute();
}

/** Changes a server while this operation is at work on it; another may have taken it over meanwhile. */
export async function change(
  transaction: Tx,
  serverId: string,
  operation: Operation,
  values: Partial<ServerRow>,
): Promise<void> {
  await transaction
    .updateTable('compute_server')
    .set(values)
    .where('id', '=', serverId)
    .where('operation_id', '=', operation.id)
    .execute();
}
