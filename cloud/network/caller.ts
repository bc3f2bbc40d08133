/** The caller of the network API, and what its routes start with. */
import { type ApiRequest, type Caller, routesFor } from '#cloud/api';
import { fail } from './failures.ts';

export const route = routesFor<Caller>();

export type Request = ApiRequest<Caller, unknown>;

/** Who asks: a request, or the program itself, which may do everything. */
export interface Asker {
  readonly projectId: string | undefined;
  readonly userId: string | undefined;
  readonly requestId: string | undefined;
  readonly isAdmin: boolean;
  may(rule: string, target?: Readonly<Record<string, unknown>>): boolean;
}

export function askerOf(request: Request): Asker {
  const { caller, requestId } = request;
  if (caller === undefined) throw fail('http-bad-request', 'No caller');
  return {
    projectId: caller.projectId,
    userId: caller.userId,
    requestId,
    isAdmin: request.may('context_is_admin'),
    may: (rule, target) => request.may(rule, target),
  };
}

/** The program acting for a project: no rule stops it, and what it makes belongs to that project. */
export function programFor(projectId: string | undefined): Asker {
  return { projectId, userId: undefined, requestId: undefined, isAdmin: true, may: () => true };
}
