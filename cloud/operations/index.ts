/** Long changes that survive whoever makes them. */
export { operationMigrations } from './migrations.ts';
export {
  createOperations,
  type NewOperation,
  type Operations,
  type OperationsOptions,
} from './operations.ts';
export type { Waker } from './redis-waker.ts';

/** Redis's client is loaded only where a setting names one. */
export const loadWaker = () => import('./redis-waker.ts');

export { hasEnded, type Operation, type OperationError, type OperationState } from './record.ts';
export { type OperationSettings, operationSettings } from './settings.ts';
export {
  type ChildStart,
  declareWorkflow,
  type Memory,
  type Outcome,
  type Step,
  type StepContext,
  type StepResult,
  type Workflow,
  type WorkflowDeclaration,
} from './workflow.ts';
