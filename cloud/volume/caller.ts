/** The caller of the volume API, the versions it speaks, and routes that exist with and without a project in their path. */
import type { Static, TSchema } from 'typebox';
import type { ApiReply, ApiRequest, Caller, Method, PolicyTarget, Route } from '../api/index.ts';
import { routesFor } from '../api/index.ts';
import { volumeFailure } from './failures.ts';

export interface VolumeCaller extends Caller {
  readonly token: string;
  /** May see and change what belongs to any project. */
  readonly isAdmin: boolean;
}

/** `3.44` as numbers. */
export interface Version {
  readonly major: number;
  readonly minor: number;
}

export type Request<B = unknown> = Omit<ApiRequest<VolumeCaller, B>, 'version'> & {
  readonly version: Version;
};

const route = routesFor<VolumeCaller>();

type BodyOf<S extends TSchema | undefined> = S extends TSchema ? Static<S> : undefined;

interface Declaration<S extends TSchema | undefined> {
  readonly method: Method;
  /** Behind `/v3` or `/v3/{project_id}`. */
  readonly path: string;
  readonly policy: string;
  readonly body?: S;
  /** Microversions that have it; outside of them it is not there. */
  readonly versions?: { readonly from: string };
  target?(request: Request): PolicyTarget | Promise<PolicyTarget>;
  handle(request: Request<BodyOf<S>>): ApiReply | Promise<ApiReply>;
}

/**
 * An operation under both of its paths: `/v3/{project_id}/volumes`, where the project must be the token's own, and since 3.67
 * `/v3/volumes`. Without a `target` the rule is asked about the caller's own project.
 */
export function scoped<const S extends TSchema | undefined = undefined>(
  declaration: Declaration<S>,
): Route<VolumeCaller>[] {
  const target =
    declaration.target ??
    ((request: Request): PolicyTarget => ({ project_id: request.caller?.projectId ?? '' }));
  const { method, policy, body, versions } = declaration;
  const checked = {
    method,
    policy,
    ...(body === undefined ? {} : { body }),
    ...(versions === undefined ? {} : { versions }),
    target: (request: ApiRequest<VolumeCaller, unknown>) => {
      const versioned = withVersion(request);
      checkProject(versioned);
      return target(versioned);
    },
    handle: (request: ApiRequest<VolumeCaller, unknown>) =>
      // The server has checked the body against this very schema.
      declaration.handle(withVersion(request) as Request<BodyOf<S>>),
  };
  return [
    route({ ...checked, path: `/v3/:project_id${declaration.path}` }),
    route({ ...checked, path: `/v3${declaration.path}` }),
  ] as Route<VolumeCaller>[];
}

function withVersion(request: ApiRequest<VolumeCaller, unknown>): Request {
  const [major = 0, minor = 0] = request.version.split('.').map(Number);
  return { ...request, version: { major, minor } };
}

export const unscoped = route;

function checkProject(request: Request): void {
  // `/volumes/` is a volume whose id was left out, never the list.
  if (request.url.split('?', 1)[0]?.endsWith('/') === true) throw volumeFailure('route-missing');
  const named = request.params.project_id;
  if (named === undefined || named === callerOf(request).projectId) return;
  throw volumeFailure('url-malformed');
}

/** The caller of a route that is not public. */
export function callerOf(request: Request): VolumeCaller {
  if (request.caller === undefined) throw volumeFailure('unauthorized');
  return request.caller;
}

/** The project that new things belong to. */
export function projectOf(request: Request): string {
  const { projectId } = callerOf(request);
  if (projectId === undefined)
    throw volumeFailure('refused', { why: 'A token that is scoped to a project is needed.' });
  return projectId;
}

/** A path parameter; the router has matched it, so it is there. */
export function parameter(request: Request, name: string): string {
  const value = request.params[name];
  if (value === undefined) throw volumeFailure('route-missing');
  return value;
}

export interface Owned {
  readonly project_id: string;
}

/** Whether the caller may know that this is there at all: administrators everything, others what is their project's. */
export function isVisible(request: Request, row: Owned): boolean {
  const caller = callerOf(request);
  return caller.isAdmin || row.project_id === caller.projectId;
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
  throw volumeFailure('invalid-input', { why: `${name}=${word.slice(0, 64)} is not a boolean` });
}
