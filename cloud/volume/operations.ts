/** How a request begins a long change, and how the change ends: the row is taken and set free in the operation's own transactions. */

import { callerOf, type Request } from './caller.ts';
import type { Tx, VolumeCore } from './core.ts';
import { volumeFailure } from './failures.ts';
import { tell } from './messages.ts';
import { type Operation, roomFailure } from './operation-words.ts';
import { setWorked, type WorkedTable } from './rows.ts';

export interface Beginning {
  readonly table: WorkedTable;
  readonly id: string;
  /** What the row's status is computed from while it runs (`status.ts`). */
  readonly kind: string;
  readonly workflow: string;
  readonly input: object;
  readonly projectId: string;
}

/** Resource types, as operations and messages name them. */
export const resourceTypes: Readonly<Record<WorkedTable, string>> = {
  volume: 'volume',
  volume_snapshot: 'snapshot',
  volume_backup: 'backup',
  volume_group: 'group',
  volume_group_snapshot: 'group_snapshot',
};

/** Refused when another operation is at work on the row. */
export async function begin(
  core: VolumeCore,
  transaction: Tx,
  request: Request,
  beginning: Beginning,
): Promise<string> {
  const { table, id, kind } = beginning;
  const operation = await core.operations.start(
    {
      workflow: beginning.workflow,
      input: beginning.input,
      projectId: beginning.projectId,
      userId: callerOf(request).userId,
      requestId: request.requestId,
      resource: { type: resourceTypes[table], id },
    },
    transaction,
  );
  await take(transaction, table, id, operation.id, kind);
  return operation.id;
}

/** Puts an operation to work on one more row. */
export async function take(
  transaction: Tx,
  table: WorkedTable,
  id: string,
  operationId: string,
  kind: string,
): Promise<void> {
  const taken = await transaction
    .updateTable(table as 'volume')
    .set({
      ...{ operation_id: operationId, operation_kind: kind },
      ...{ failure: null, said_status: null },
    })
    .where('id', '=', id)
    .where('operation_id', 'is', null)
    .executeTakeFirst();
  if (taken.numUpdatedRows !== 1n)
    throw volumeFailure('refused', {
      why: `Invalid ${resourceTypes[table]}: another operation is at work on ${id}.`,
    });
}

/** Sets a row free at the end of its operation; a failure stays with it as its reason, and its project is told. */
export async function finish(
  core: VolumeCore,
  transaction: Tx,
  table: WorkedTable,
  id: string,
  operation: Operation,
): Promise<void> {
  const failure = operation.state === 'succeeded' ? null : roomFailure(operation);
  await setWorked(transaction, table, id, { operation_id: null, failure }, operation.id);
  if (failure === null || operation.projectId === undefined) return;
  const type = resourceTypes[table].toUpperCase();
  await tell(core, transaction, {
    projectId: operation.projectId,
    resource: { type, id },
    event: `VOLUME_${type}_${operation.workflow.toUpperCase().replace('.', '_')}`,
    text: failure,
    requestId: operation.requestId ?? '',
  });
}
