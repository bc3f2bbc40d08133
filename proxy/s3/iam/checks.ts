/** What the actions of IAM check before they do anything. */

import { isOwner } from '../../swift/access.ts';
import { evaluatePolicy } from '../access/evaluate-policy.ts';
import { parsePolicy } from '../access/policy-document.ts';
import { principalOf } from '../access/request-context.ts';
import { S3Failure } from '../s3-failure.ts';
import { IamFailure } from './iam-failure.ts';
import { managedPolicy } from './managed-policies.ts';
import type { Query } from './query-api.ts';

/** Users and roles are managed by whoever owns the project's account, or whose policies allow it. */
export function checkMayManage({ caller }: Query, action: string): void {
  const { identity, account } = caller;
  const question = {
    principal: principalOf(caller),
    action: `iam:${action}`,
    resource: `arn:aws:iam::${identity.projectId}:*`,
    context: () => undefined,
  };
  const allows = (text: string) => evaluatePolicy(parsePolicy(text, {}), question);
  const within = identity.sessionPolicy === undefined || allows(identity.sessionPolicy) === 'allow';
  const verdicts = identity.policies?.map(allows);
  const may =
    verdicts === undefined
      ? isOwner({ identity, referer: undefined }, account)
      : verdicts.includes('allow') && !verdicts.includes('deny');
  if (may && within) return;
  throw new IamFailure(
    'AccessDenied',
    `${question.principal.arns[0]} is not authorized to perform: iam:${action}`,
  );
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
