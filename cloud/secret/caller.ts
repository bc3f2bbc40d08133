/** The caller of the key manager, and how its routes are declared. */
import { type ApiRequest, type Caller, routesFor } from '#cloud/api';
import { invalid, secretFailure } from './failures.ts';

export interface SecretCaller extends Caller {
  readonly isAdmin: boolean;
}

export type Request<B = unknown> = ApiRequest<SecretCaller, B>;

export const route = routesFor<SecretCaller>();

export const json = ['application/json'] as const;

export function callerOf(request: Request): SecretCaller {
  if (request.caller === undefined) throw secretFailure('unauthorized');
  return request.caller;
}

/** The project that new things belong to. */
export function projectOf(request: Request): string {
  const { projectId } = callerOf(request);
  if (projectId === undefined) throw invalid('A token that is scoped to a project is needed.');
  return projectId;
}

/** A path parameter; the router has matched it, so it is there. */
export function parameter(request: Request, name: string): string {
  const value = request.params[name];
  if (value === undefined) throw secretFailure('route-missing');
  return value;
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export const isUuid = (text: string): boolean => uuid.test(text);
