/** What the actions of IAM check before they do anything. */

import { isOwner } from '../../swift/access.ts';
import { evaluatePolicy } from '../access/evaluate-policy.ts';
import { parsePolicy } from '../access/policy-document.ts';
import { principalOf, userNameOf } from '../access/request-context.ts';
import { S3Failure } from '../s3-failure.ts';
import { IamFailure } from './iam-failure.ts';
import type { Query } from './query-api.ts';

/** Whether the caller's own policies let it; who has none may what an owner of the account may. */
function may(query: Query, action: string, resource: string): boolean {
  const { identity, account } = query.caller;
  const { isWithinSession, allowed, denied } = verdictsOf(query, action, resource);
  if (!isWithinSession) return false;
  if (identity.policies === undefined) return isOwner({ identity, referer: undefined }, account);
  return allowed && !denied;
}

function verdictsOf({ caller, nowMs }: Query, action: string, resource: string) {
  const { identity } = caller;
  const principal = principalOf(caller);
  const known: Readonly<Record<string, string | undefined>> = {
    'aws:username': userNameOf(caller),
    'aws:userid': identity.userId,
    'aws:principalaccount': identity.projectId,
    'aws:principalarn': principal.arns[0],
    'aws:currenttime': new Date(nowMs).toISOString(),
  };
  const context = (key: string) => {
    const value = Object.hasOwn(known, key) ? known[key] : undefined;
    return value === undefined ? undefined : [value];
  };
  const question = { principal, action, resource, context };
  const verdictOf = (text: string) => evaluatePolicy(parsePolicy(text, {}), question);
  const { policies = [], sessionPolicy } = identity;
  const verdicts = policies.map(verdictOf);
  return {
    isWithinSession: sessionPolicy === undefined || verdictOf(sessionPolicy) === 'allow',
    allowed: verdicts.includes('allow'),
    denied: verdicts.includes('deny'),
  };
}

/** Users and roles are managed by whoever owns the project's account, or whose policies allow it. */
export async function checkMayManage(query: Query, action: string): Promise<void> {
  const { caller } = query;
  if (may(query, `iam:${action}`, await resourceOf(query, action))) return;
  throw new IamFailure(
    'AccessDenied',
    `${principalOf(caller).arns[0]} is not authorized to perform: iam:${action}`,
  );
}

/** The ARN by which policies know what an action is about: so that users may be let do something with their own keys only. */
async function resourceOf({ accounts, caller, find }: Query, action: string): Promise<string> {
  const { account, identity } = caller;
  const own = /AccessKey|(Get|List)User/.test(action) ? userNameOf(caller) : undefined;
  const { users, groups, roles } = accounts.store;
  const named = [
    { kind: 'group', shelf: groups, name: find('GroupName') },
    { kind: 'role', shelf: roles, name: find('RoleName') },
    { kind: 'user', shelf: users, name: find('UserName') ?? own },
  ];
  const prefix = `arn:aws:iam::${identity.projectId}:`;
  for (const { kind, shelf, name } of named) {
    if (name === undefined) continue;
    const entity = await shelf.find(account, name);
    return `${prefix}${kind}${entity?.path ?? find('Path') ?? '/'}${entity?.name ?? name}`;
  }
  return find('PolicyArn') ?? `${prefix}*`;
}

/**
 * A user whose policies say what it may needs one that lets it take on the role, where the role trusts its whole project or everybody. Where
 * the role names that very user, it is enough that its policies do not deny it.
 */
export function mayAssume(query: Query, roleArn: string, isNamed: boolean): boolean {
  const { policies, sessionPolicy } = query.caller.identity;
  if (policies === undefined && sessionPolicy === undefined) return true;
  const verdicts = verdictsOf(query, 'sts:AssumeRole', roleArn);
  return verdicts.isWithinSession && !verdicts.denied && (verdicts.allowed || isNamed);
}

export function checkPolicy(text: string, bounds: { readonly trust?: boolean } = {}): void {
  try {
    parsePolicy(text, { ...bounds, isNew: true });
  } catch (error) {
    if (!(error instanceof S3Failure)) throw error;
    throw new IamFailure('MalformedPolicyDocument', error.message, error);
  }
}

export function checkName(name: string): string {
  if (/^[\w+=,.@-]{1,128}$/.test(name)) return name;
  throw new IamFailure('ValidationError', 'Names are 1 to 128 letters, digits or +=,.@-_.');
}

export function pathOf(query: Query, parameter = 'Path'): string {
  const path = query.find(parameter) ?? '/';
  if (/^\/([\w+=,.@/-]{0,500}\/)?$/.test(path)) return path;
  throw new IamFailure('ValidationError', 'A path begins and ends with a slash.');
}

export function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
