/** Inline and attached policies, the same for users, groups and roles. */
import { element, wrap } from '../xml/write.ts';
import { checkMayManage, checkName, checkPolicy } from './checks.ts';
import { IamFailure } from './iam-failure.ts';
import { findPolicyText, nameOfArn, noSuchPolicy } from './policy-arns.ts';
import type { Action, Query } from './query-api.ts';

interface HasPolicies {
  readonly policies: Readonly<Record<string, string>>;
  readonly attached: readonly string[];
}

export interface PolicyHolder<T extends HasPolicies> {
  readonly word: 'User' | 'Group' | 'Role';
  readonly nameOf: (query: Query) => string;
  readonly get: (query: Query, name: string) => Promise<T>;
  readonly change: (query: Query, name: string, change: (present: T) => T) => Promise<void>;
}

const policiesMax = 20;
const attachedMax = 20;

export function policyActions<T extends HasPolicies>(
  holder: PolicyHolder<T>,
): Readonly<Record<string, Action>> {
  const { word, nameOf } = holder;
  const found = async (query: Query): Promise<string> => {
    const { policies } = await holder.get(query, nameOf(query));
    const text = policies[query.get('PolicyName')];
    if (text === undefined) throw new IamFailure('NoSuchEntity', 'The policy cannot be found.');
    return text;
  };
  const attach = async (
    query: Query,
    next: (arns: readonly string[], arn: string) => readonly string[],
  ) => {
    const arn = query.get('PolicyArn');
    await holder.change(query, nameOf(query), (present) => ({
      ...present,
      attached: next(present.attached, arn),
    }));
    return '';
  };
  const actions: Readonly<Record<string, Action>> = {
    [`Put${word}Policy`]: async (query) => {
      const [policy, text] = [checkName(query.get('PolicyName')), query.get('PolicyDocument')];
      checkPolicy(text);
      await holder.change(query, nameOf(query), (present) => {
        const policies = { ...present.policies, [policy]: text };
        if (Object.keys(policies).length > policiesMax)
          throw new IamFailure('LimitExceeded', `At most ${policiesMax} inline policies.`);
        return { ...present, policies };
      });
      return '';
    },
    [`Get${word}Policy`]: async (query) => {
      const text = await found(query);
      return (
        element(`${word}Name`, nameOf(query)) +
        element('PolicyName', query.get('PolicyName')) +
        element('PolicyDocument', encodeURIComponent(text))
      );
    },
    [`List${word}Policies`]: async (query) => {
      const { policies } = await holder.get(query, nameOf(query));
      const names = Object.keys(policies)
        .sort()
        .map((name) => element('member', name));
      return wrap('PolicyNames', names.join('')) + element('IsTruncated', false);
    },
    [`Delete${word}Policy`]: async (query) => {
      await found(query);
      await holder.change(query, nameOf(query), (present) => {
        const { [query.get('PolicyName')]: _, ...policies } = present.policies;
        return { ...present, policies };
      });
      return '';
    },
    [`Attach${word}Policy`]: async (query) => {
      const { accounts, caller } = query;
      const wanted = query.get('PolicyArn');
      const text = await findPolicyText(accounts.store, caller.account, wanted);
      if (text === undefined) throw noSuchPolicy(wanted);
      return attach(query, (arns, arn) => {
        const next = [...arns.filter((each) => each !== arn), arn];
        if (next.length > attachedMax)
          throw new IamFailure('LimitExceeded', `At most ${attachedMax} attached policies.`);
        return next;
      });
    },
    [`Detach${word}Policy`]: (query) =>
      attach(query, (arns, arn) => {
        if (!arns.includes(arn))
          throw new IamFailure('NoSuchEntity', `Policy ${arn} was not found.`);
        return arns.filter((each) => each !== arn);
      }),
    [`ListAttached${word}Policies`]: async (query) => {
      const { attached } = await holder.get(query, nameOf(query));
      const members = attached.map((arn) =>
        wrap('member', element('PolicyName', nameOfArn(arn)) + element('PolicyArn', arn)),
      );
      return wrap('AttachedPolicies', members.join('')) + element('IsTruncated', false);
    },
  };
  return guarded(actions);
}

/** Every action asks first whether the caller may. */
export function guarded(
  actions: Readonly<Record<string, Action>>,
): Readonly<Record<string, Action>> {
  return Object.fromEntries(
    Object.entries(actions).map(([name, action]): [string, Action] => [
      name,
      async (query) => {
        await checkMayManage(query, name);
        const inner = await action(query);
        if (!/^(Get|List)/.test(name)) query.accounts.forget();
        return inner;
      },
    ]),
  );
}
