/** Operations as they are kept, and as everybody else sees them. */
import type { FailureKind } from '#common';
import type { Memory } from './workflow.ts';

/**
 * `waiting` (for its turn, a retry or a child) · `running` · `undoing` · then for good `succeeded`, `failed` (and undone), or
 * `cancelled` (and undone).
 */
export type OperationState =
  | 'waiting'
  | 'running'
  | 'undoing'
  | 'succeeded'
  | 'failed'
  | 'cancelled';

export const endStates = ['succeeded', 'failed', 'cancelled'] as const satisfies OperationState[];

export interface OperationError {
  readonly kind: FailureKind;
  readonly code: string;
  readonly message: string;
  readonly step: string;
}

export interface Operation {
  readonly id: string;
  readonly workflow: string;
  readonly state: OperationState;
  readonly projectId: string | undefined;
  readonly userId: string | undefined;
  readonly requestId: string | undefined;
  readonly resource: { readonly type: string; readonly id: string } | undefined;
  readonly parentId: string | undefined;
  /** The step that is next, running, or being undone; the last one when it has ended. */
  readonly step: string;
  readonly stepNumber: number;
  readonly stepCount: number;
  readonly attempts: number;
  readonly progress:
    | { readonly done: number; readonly total: number; readonly unit: string }
    | undefined;
  readonly owner: string | undefined;
  readonly cancelAsked: boolean;
  /** Why it fails, retries or was undone. */
  readonly error: OperationError | undefined;
  readonly nextTryAtUs: number;
  readonly memory: Memory;
  readonly createdAtUs: number;
  readonly updatedAtUs: number;
  readonly endedAtUs: number | undefined;
}

export function hasEnded(operation: Pick<Operation, 'state'>): boolean {
  return (endStates as readonly OperationState[]).includes(operation.state);
}

export type OperationRow = {
  id: string;
  workflow: string;
  state: OperationState;
  project_id: string | null;
  user_id: string | null;
  request_id: string | null;
  resource_type: string | null;
  resource_id: string | null;
  parent_id: string | null;
  input: string;
  memory: string;
  step: number;
  step_name: string;
  step_count: number;
  /** Times the present step has failed. */
  attempts: number;
  /** Times it was begun since it last failed or answered: more than one means that whoever worked on it was killed. */
  starts: number;
  progress_done: number | null;
  progress_total: number | null;
  progress_unit: string | null;
  owner: string | null;
  lease_epoch: number;
  lease_until_us: number;
  cancel_asked: number;
  /** 1 while what was done is being taken back. */
  undoing: number;
  error: string | null;
  due_at_us: number;
  created_at_us: number;
  updated_at_us: number;
  ended_at_us: number | null;
};

export type OperationStepRow = {
  operation_id: string;
  number: number;
  name: string;
  state: 'running' | 'done' | 'failed' | 'undone';
  attempts: number;
  started_at_us: number;
  ended_at_us: number | null;
  error: string | null;
};

export type OperationTables = {
  operation: OperationRow;
  operation_step: OperationStepRow;
};

const optional = <T>(value: T | null): T | undefined => value ?? undefined;

export function operationOf(row: OperationRow): Operation {
  return {
    id: row.id,
    workflow: row.workflow,
    state: row.state,
    projectId: optional(row.project_id),
    userId: optional(row.user_id),
    requestId: optional(row.request_id),
    resource:
      row.resource_type === null || row.resource_id === null
        ? undefined
        : { type: row.resource_type, id: row.resource_id },
    parentId: optional(row.parent_id),
    step: row.step_name,
    stepNumber: row.step,
    stepCount: row.step_count,
    attempts: row.attempts,
    progress:
      row.progress_done === null
        ? undefined
        : {
            done: row.progress_done,
            total: row.progress_total ?? 0,
            unit: row.progress_unit ?? 'steps',
          },
    owner: optional(row.owner),
    cancelAsked: row.cancel_asked === 1,
    error: row.error === null ? undefined : (JSON.parse(row.error) as OperationError),
    nextTryAtUs: row.due_at_us,
    memory: JSON.parse(row.memory) as Memory,
    createdAtUs: row.created_at_us,
    updatedAtUs: row.updated_at_us,
    endedAtUs: optional(row.ended_at_us),
  };
}
