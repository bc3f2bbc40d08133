/** What a policy's ARN stands for: one that every account has, or one of the project's own. */
import { ownerId } from '../owner-id.ts';
import { IamFailure } from './iam-failure.ts';
import { managedPolicy } from './managed-policies.ts';
import type { IamStore, Policy } from './store.ts';

export function policyArn(account: string, { path, name }: Pick<Policy, 'path' | 'name'>): string {
  return `arn:aws:iam::${ownerId(account)}:policy${path}${name}`;
}

export function nameOfArn(arn: string): string {
  return arn.slice(arn.lastIndexOf('/') + 1);
}

/** The project's own policy of that ARN. */
export async function findOwnPolicy(
  store: IamStore,
  account: string,
  arn: string,
): Promise<Policy | undefined> {
  if (!arn.startsWith(`arn:aws:iam::${ownerId(account)}:policy/`)) return undefined;
  const policy = await store.policies.find(account, nameOfArn(arn));
  return policy !== undefined && policyArn(account, policy) === arn ? policy : undefined;
}

export function textInUse({ versions, used }: Policy): string {
  return versions.find(({ number }) => number === used)?.text ?? '';
}

/** The text that counts; undefined when there is no such policy. */
export async function findPolicyText(
  store: IamStore,
  account: string,
  arn: string,
): Promise<string | undefined> {
  const everybodys = managedPolicy(arn);
  if (everybodys !== undefined) return everybodys;
  const own = await findOwnPolicy(store, account, arn);
  return own && textInUse(own);
}

export function noSuchPolicy(arn: string): IamFailure {
  return new IamFailure('NoSuchEntity', `Policy ${arn} does not exist or is not attachable.`);
}
