/** The caller of an image API, and what its routes start with. */
import { type ApiRequest, type Caller, routesFor } from '#cloud/api';
import { imageFailure } from './failures.ts';

export type ImageCaller = Caller;

export const route = routesFor<ImageCaller>();

export type Request<B = unknown> = ApiRequest<ImageCaller, B>;

export function callerOf(request: Request): ImageCaller {
  if (request.caller === undefined) throw imageFailure('unauthorized');
  return request.caller;
}

export const isAdmin = (request: Request): boolean => request.may('context_is_admin');

/** A path parameter; the router has matched it, so it is there. */
export function parameter(request: Request, name: string): string {
  const value = request.params[name];
  if (value === undefined) throw imageFailure('route-missing');
  return value;
}

/** The project that a caller's images belong to; an administrator without one owns images without an owner. */
export const projectOf = (request: Request): string | null => callerOf(request).projectId ?? null;
