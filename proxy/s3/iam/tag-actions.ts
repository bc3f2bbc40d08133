/** IAM: tags of users, roles and policies. */
import { element, wrap } from '../xml/write.ts';
import { IamFailure } from './iam-failure.ts';
import { guarded } from './policy-actions.ts';
import { findOwnPolicy, noSuchPolicy } from './policy-arns.ts';
import type { Action, Query } from './query-api.ts';

const tagsMax = 50;

type Tags = Readonly<Record<string, string>>;

interface Tagged {
  readonly word: string;
  readonly read: (query: Query) => Promise<Tags>;
  readonly change: (query: Query, next: (tags: Tags) => Record<string, string>) => Promise<void>;
}

/** `Tags.member.N.Key` and `.Value`. */
export function tagsOfForm(query: Query): Record<string, string> {
  const tags: Record<string, string> = {};
  for (let n = 1; n <= tagsMax + 1; n++) {
    const key = query.find(`Tags.member.${n}.Key`);
    if (key === undefined) break;
    const value = query.find(`Tags.member.${n}.Value`) ?? '';
    if (key.length > 128 || value.length > 256 || key.startsWith('aws:'))
      throw new IamFailure('InvalidInput', 'A tag has up to 128 letters of key and 256 of value.');
    tags[key] = value;
  }
  return checkCount(tags);
}

function checkCount(tags: Record<string, string>): Record<string, string> {
  if (Object.keys(tags).length > tagsMax)
    throw new IamFailure('LimitExceeded', `At most ${tagsMax} tags.`);
  return tags;
}

function tagKeys(query: Query): ReadonlySet<string> {
  const keys = new Set<string>();
  for (let n = 1; n <= tagsMax; n++) {
    const key = query.find(`TagKeys.member.${n}`);
    if (key === undefined) break;
    keys.add(key);
  }
  return keys;
}

export function renderTags(tags: Tags | undefined): string {
  const members = Object.entries(tags ?? {}).map(([key, value]) =>
    wrap('member', element('Key', key) + element('Value', value)),
  );
  return wrap('Tags', members.join(''));
}

function actionsOf({ word, read, change }: Tagged): Readonly<Record<string, Action>> {
  return {
    [`Tag${word}`]: async (query) => {
      const added = tagsOfForm(query);
      await change(query, (tags) => checkCount({ ...tags, ...added }));
      return '';
    },
    [`Untag${word}`]: async (query) => {
      const gone = tagKeys(query);
      await change(query, (tags) =>
        Object.fromEntries(Object.entries(tags).filter(([key]) => !gone.has(key))),
      );
      return '';
    },
    [`List${word}Tags`]: async (query) =>
      renderTags(await read(query)) + element('IsTruncated', false),
  };
}

const ofUsers: Tagged = {
  word: 'User',
  read: async (query) =>
    (await query.accounts.store.users.get(query.caller.account, query.get('UserName'))).tags ?? {},
  change: (query, next) =>
    query.accounts.store.users.change(query.caller.account, query.get('UserName'), (present) => ({
      ...present,
      tags: next(present.tags ?? {}),
    })),
};

const ofRoles: Tagged = {
  word: 'Role',
  read: async (query) =>
    (await query.accounts.store.roles.get(query.caller.account, query.get('RoleName'))).tags ?? {},
  change: (query, next) =>
    query.accounts.store.roles.change(query.caller.account, query.get('RoleName'), (present) => ({
      ...present,
      tags: next(present.tags ?? {}),
    })),
};

async function ownPolicy({ accounts, caller, get }: Query) {
  const arn = get('PolicyArn');
  const policy = await findOwnPolicy(accounts.store, caller.account, arn);
  if (policy === undefined) throw noSuchPolicy(arn);
  return policy;
}

const ofPolicies: Tagged = {
  word: 'Policy',
  read: async (query) => (await ownPolicy(query)).tags ?? {},
  change: async (query, next) => {
    const { name } = await ownPolicy(query);
    await query.accounts.store.policies.change(query.caller.account, name, (present) => ({
      ...present,
      tags: next(present.tags ?? {}),
    }));
  },
};

export const tagActions: Readonly<Record<string, Action>> = guarded({
  ...actionsOf(ofUsers),
  ...actionsOf(ofRoles),
  ...actionsOf(ofPolicies),
});
