/** What the actions of IAM check before they do anything. */

import { isOwner } from '../../swift/access.ts';
import { evaluatePolicy } from '../access/evaluate-policy.ts';
import { parsePolicy } from '../access/policy-document.ts';
import { principalOf } from '../access/request-context.ts';
import { S3Failure } from '../s3-failure.ts';
import { IamFailure } from './iam-failure.ts';
import { managedPolicy } from './managed-policies.ts';
import type { Query } from './query-api.ts';

/** Whether the caller's own policies let it; who has none may what an owner of the account may. */
function may({ caller }: Query, action: string, resource: string): boolean {
  const { identity, account } = caller;
  const principal = principalOf(caller);
  const question = { principal, action, resource, context: () => undefined };
  const verdictOf = (text: string) => evaluatePolicy(parsePolicy(text, {}), question);
  const { policies, sessionPolicy } = identity;
  if (sessionPolicy !== undefined && verdictOf(sessionPolicy) !== 'allow') return false;
  if (policies === undefined) return isOwner({ identity, referer: undefined }, account);
  const verdicts = policies.map(verdictOf);
  return verdicts.includes('allow') && !verdicts.includes('deny');
}

/** Users and roles are managed by whoever owns the project's account, or whose policies allow it. */
export function checkMayManage(query: Query, action: string): void {
  const { caller } = query;
  if (may(query, `iam:${action}`, `arn:aws:iam::${caller.identity.projectId}:*`)) return;
  throw new IamFailure(
    'AccessDenied',
    `${principalOf(caller).arns[0]} is not authorized to perform: iam:${action}`,
  );
}

/** A user whose policies say what it may needs one that lets it take on the role, whatever the role's own says. */
export function mayAssume(query: Query, roleArn: string): boolean {
  const { policies, sessionPolicy } = query.caller.identity;
  if (policies === undefined && sessionPolicy === undefined) return true;
  return may(query, 'sts:AssumeRole', roleArn);
}

export function checkPolicy(text: string, bounds: { readonly trust?: boolean } = {}): void {
  try {
    parsePolicy(text, bounds);
  } catch (error) {
    if (!(error instanceof S3Failure)) throw error;
    throw new IamFailure('MalformedPolicyDocument', error.message, error);
  }
}

export function checkName(name: string): string {
  if (/^[\w+=,.@-]{1,128}$/.test(name)) return name;
  throw new IamFailure('ValidationError', 'Names are 1 to 128 letters, digits or +=,.@-_.');
}

export function pathOf(query: Query): string {
  const path = query.find('Path') ?? '/';
  if (/^\/([\w+=,.@/-]{0,500}\/)?$/.test(path)) return path;
  throw new IamFailure('ValidationError', 'A path begins and ends with a slash.');
}

export function checkManaged(arn: string): string {
  if (managedPolicy(arn) !== undefined) return arn;
  throw new IamFailure('NoSuchEntity', `Policy ${arn} does not exist or is not attachable.`);
}

export function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}
