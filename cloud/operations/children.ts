/** Operations that belong to another: their ids derive from their parent's, so that starting them twice starts them once. */
import { createHash } from 'node:crypto';
import { Failure } from '#common';
import { type Operation, type OperationRow, operationOf } from './record.ts';
import { leaseOf, type OperationStore } from './store.ts';
import type { ChildStart } from './workflow.ts';

export interface ChildStarter {
  start(parent: OperationRow, child: ChildStart): Promise<Operation>;
}

export type NewRow = (start: {
  readonly id: string;
  readonly workflow: string;
  readonly input: unknown;
  readonly parentId: string;
  readonly projectId: string | undefined;
  readonly userId: string | undefined;
  readonly requestId: string | undefined;
  readonly resource: { readonly type: string; readonly id: string } | undefined;
}) => OperationRow;

export function childStarter(
  store: OperationStore,
  newRow: NewRow,
  wake: () => void,
): ChildStarter {
  return {
    async start(parent, child) {
      const id = childId(parent.id, child.key);
      const known = await store.find(id);
      if (known !== undefined) return operationOf(known);
      const row = newRow({
        id,
        workflow: child.workflow,
        input: child.input,
        parentId: parent.id,
        projectId: parent.project_id ?? undefined,
        userId: parent.user_id ?? undefined,
        requestId: parent.request_id ?? undefined,
        resource: child.resource,
      });
      await store.transaction(async (tx) => {
        // Under the parent's lease: one that was lost must not have new children.
        const held = await store.update(tx, leaseOf(parent), {
          lease_epoch: parent.lease_epoch,
        });
        if (held.undoing === 1)
          throw new Failure('closed', 'operation-undoing', 'The parent is being undone');
        await tx
          .insertInto('operation')
          .values(row)
          .onConflict((conflict) => conflict.column('id').doNothing())
          .execute();
      });
      wake();
      return operationOf((await store.find(id)) ?? row);
    },
  };
}

function childId(parentId: string, key: string): string {
  const hex = createHash('sha256').update(`${parentId}/${key}`).digest('hex');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20, 32),
  ].join('-');
}
