/** The caller of the compute API, the versions it speaks, and what is read from requests. */
import type { Static, TSchema } from 'typebox';
import {
  type ApiReply,
  type ApiRequest,
  type Caller,
  type Method,
  type PolicyTarget,
  type Route,
  routesFor,
  type VersionRange,
} from '#cloud/api';
import { computeFailure, refused } from './failures.ts';

export interface ComputeCaller extends Caller {
  readonly token: string;
  /** May see and change what belongs to any project. */
  readonly isAdmin: boolean;
}

export type Request<B = unknown> = Omit<ApiRequest<ComputeCaller, B>, 'version'> & {
  /** Of 2.x. */
  readonly minor: number;
};

const route = routesFor<ComputeCaller>();
export const unscoped = route;

type BodyOf<S extends TSchema | undefined> = S extends TSchema ? Static<S> : undefined;

interface Declaration<S extends TSchema | undefined> {
  readonly method: Method;
  /** Behind `/v2.1`. */
  readonly path: string;
  readonly policy: string;
  readonly body?: S;
  readonly bodyBytesMax?: number;
  readonly versions?: VersionRange;
  target?(request: Request): PolicyTarget | Promise<PolicyTarget>;
  handle(request: Request<BodyOf<S>>): ApiReply | Promise<ApiReply>;
}

/** Without a `target` the rule is asked about the caller's own project. */
export function compute<const S extends TSchema | undefined = undefined>(
  declaration: Declaration<S>,
): Route<ComputeCaller> {
  const { target = ownTarget, method, policy, body, versions, bodyBytesMax } = declaration;
  return route({
    method,
    policy,
    path: `/v2.1${declaration.path}`,
    ...(body === undefined ? {} : { body }),
    ...(versions === undefined ? {} : { versions }),
    ...(bodyBytesMax === undefined ? {} : { bodyBytesMax }),
    target: (request: ApiRequest<ComputeCaller, unknown>) => target(withMinor(request)),
    handle: (request: ApiRequest<ComputeCaller, unknown>) =>
      // The server has checked the body against this very schema.
      declaration.handle(withMinor(request) as Request<BodyOf<S>>),
  }) as Route<ComputeCaller>;
}

const ownTarget = (request: Request): PolicyTarget => ({
  project_id: request.caller?.projectId ?? '',
  user_id: request.caller?.userId ?? '',
});

function withMinor(request: ApiRequest<ComputeCaller, unknown>): Request {
  return { ...request, minor: Number(request.version.split('.')[1] ?? 1) };
}

/** The caller of a route that is not public. */
export function callerOf(request: Request): ComputeCaller {
  if (request.caller === undefined) throw computeFailure('unauthorized');
  return request.caller;
}

/** The project that new things belong to. */
export function projectOf(request: Request): string {
  const { projectId } = callerOf(request);
  if (projectId === undefined) throw refused('A token that is scoped to a project is needed.');
  return projectId;
}

/** A path parameter; the router has matched it, so it is there. */
export function parameter(request: Request, name: string): string {
  const value = request.params[name];
  if (value === undefined) throw computeFailure('route-missing');
  return value;
}

const trueWords = new Set(['true', 't', '1', 'yes', 'y', 'on']);
const falseWords = new Set(['false', 'f', '0', 'no', 'n', 'off', '']);

/** A flag as clients write them, in bodies and queries alike. */
export function flagOf(value: unknown, name: string, absent = false): boolean {
  if (value === undefined || value === null) return absent;
  if (typeof value === 'boolean') return value;
  const word = String(value).toLowerCase();
  if (trueWords.has(word)) return true;
  if (falseWords.has(word)) return false;
  throw refused(`Invalid input for field/attribute ${name}. Value: ${word.slice(0, 64)}.`);
}
