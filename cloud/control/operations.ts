/** Routes of operations. */
import {
  type ApiRequest,
  type Caller,
  pageLinks,
  pickFields,
  type Route,
  routesFor,
} from '#cloud/api';
import type { Operation, Operations } from '#cloud/operations';
import { Failure } from '#common';
import { scopeOf, timeOf } from './views.ts';

const route = routesFor<Caller>();

export function operationView(operation: Operation) {
  return {
    id: operation.id,
    workflow: operation.workflow,
    state: operation.state,
    project_id: operation.projectId ?? null,
    user_id: operation.userId ?? null,
    request_id: operation.requestId ?? null,
    resource_type: operation.resource?.type ?? null,
    resource_id: operation.resource?.id ?? null,
    parent_id: operation.parentId ?? null,
    step: operation.step,
    step_number: operation.stepNumber + 1,
    step_count: operation.stepCount,
    attempts: operation.attempts,
    progress: operation.progress ?? null,
    owner: operation.owner ?? null,
    cancel_asked: operation.cancelAsked,
    error: operation.error ?? null,
    next_try_at: timeOf(operation.endedAtUs === undefined ? operation.nextTryAtUs : undefined),
    created_at: timeOf(operation.createdAtUs),
    updated_at: timeOf(operation.updatedAtUs),
    ended_at: timeOf(operation.endedAtUs),
  };
}

export function operationRoutes(operations: Operations): Route<Caller>[] {
  /** Another's is not there. */
  async function visible(request: ApiRequest<Caller, unknown>, rule: string): Promise<Operation> {
    const operation = await operations.find(request.params.id ?? '');
    const target = { target: { project_id: operation?.projectId } };
    if (operation !== undefined && request.may(rule, target)) return operation;
    // Who may see it, but not do this, is told so.
    if (operation !== undefined && request.may('operation:get', target))
      throw new Failure('denied', 'forbidden-action', 'Not allowed', { facts: { action: rule } });
    throw new Failure('missing', 'no-such-operation', 'There is no such operation');
  }
  return [
    route({
      method: 'GET',
      path: '/v1/operations',
      policy: 'operation:list',
      handle: async (request) => {
        const projectId = scopeOf(request, 'operation:list_all');
        const page = await operations.list(request.query, { projectId });
        return {
          body: {
            operations: page.rows.map((row) => pickFields(operationView(row), request.query)),
            operations_links: pageLinks(request, page),
          },
        };
      },
    }),
    route({
      method: 'GET',
      path: '/v1/operations/:id',
      policy: 'any-token',
      handle: async (request) => {
        const operation = await visible(request, 'operation:get');
        const steps = await operations.steps(operation.id);
        return {
          body: {
            operation: {
              ...operationView(operation),
              steps: steps.map((step) => ({
                number: step.number + 1,
                name: step.name,
                state: step.state,
                attempts: step.attempts,
                started_at: timeOf(step.started_at_us),
                ended_at: timeOf(step.ended_at_us ?? undefined),
              })),
            },
          },
        };
      },
    }),
    route({
      method: 'POST',
      path: '/v1/operations/:id/cancel',
      policy: 'any-token',
      handle: async (request) => {
        const { id } = await visible(request, 'operation:cancel');
        return { status: 202, body: { operation: operationView(await operations.cancel(id)) } };
      },
    }),
  ];
}
