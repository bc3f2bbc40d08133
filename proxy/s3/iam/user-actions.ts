/** IAM: users of a project and their access keys. */

import { ownerId } from '../owner-id.ts';
import { element, optionalElement, wrap } from '../xml/write.ts';
import { checkName, pathOf, timeText } from './checks.ts';
import { IamFailure } from './iam-failure.ts';
import { listEntities } from './list-entities.ts';
import { guarded, policyActions } from './policy-actions.ts';
import type { Action, Query } from './query-api.ts';
import type { User } from './store.ts';

const keysMax = 2;

function arnOf({ caller }: Query, { path, name }: User): string {
  return `arn:aws:iam::${ownerId(caller.account)}:user${path}${name}`;
}

function renderUser(query: Query, user: User): string {
  return (
    element('Path', user.path) +
    element('UserName', user.name) +
    element('UserId', user.id) +
    element('Arn', arnOf(query, user)) +
    element('CreateDate', timeText(user.createdMs))
  );
}

function renderKey(user: string, key: User['keys'][number], secret?: string): string {
  return (
    element('UserName', user) +
    element('AccessKeyId', key.id) +
    element('Status', key.active ? 'Active' : 'Inactive') +
    optionalElement('SecretAccessKey', secret) +
    element('CreateDate', timeText(key.createdMs))
  );
}

async function changeUser(
  query: Query,
  name: string,
  change: (present: User) => User,
): Promise<void> {
  await query.accounts.store.changeUser(query.caller.account, name, (present) => {
    if (present === undefined)
      throw new IamFailure('NoSuchEntity', `The user with name ${name} cannot be found.`);
    return change(present);
  });
}

const getUser = (query: Query, name: string) =>
  query.accounts.store.getUser(query.caller.account, name);

const own: Readonly<Record<string, Action>> = {
  CreateUser: async (query) => {
    const { accounts, caller, nowMs } = query;
    const name = checkName(query.get('UserName'));
    const user: User = {
      ...{ name, id: accounts.newId('AIDA'), path: pathOf(query), createdMs: nowMs },
      ...{ policies: {}, attached: [], keys: [] },
    };
    await accounts.store.changeUser(caller.account, name, (present) => {
      if (present === undefined) return user;
      throw new IamFailure('EntityAlreadyExists', `User with name ${name} already exists.`);
    });
    return wrap('User', renderUser(query, user));
  },
  GetUser: async (query) => {
    const name = query.find('UserName') ?? query.caller.identity.userName;
    return wrap('User', renderUser(query, await getUser(query, name)));
  },
  ListUsers: (query) =>
    listEntities(query, {
      name: 'Users',
      list: (page) => query.accounts.store.listUsers(query.caller.account, page),
      render: (user) => renderUser(query, user),
    }),
  DeleteUser: async (query) => {
    const name = query.get('UserName');
    await getUser(query, name);
    await query.accounts.store.changeUser(query.caller.account, name, (present) => {
      const holds =
        (present?.keys.length ?? 0) +
        Object.keys(present?.policies ?? {}).length +
        (present?.attached.length ?? 0);
      if (holds === 0) return undefined;
      throw new IamFailure(
        'DeleteConflict',
        'Cannot delete entity, must delete policies and access keys first.',
      );
    });
    return '';
  },
  CreateAccessKey: async (query) => {
    const { accounts, caller, nowMs } = query;
    const name = query.get('UserName');
    await getUser(query, name);
    const { id, secret } = await accounts.createKey(caller.account, name);
    const key = { id, createdMs: nowMs, active: true };
    await changeUser(query, name, (present) => {
      if (present.keys.length >= keysMax)
        throw new IamFailure(
          'LimitExceeded',
          `Cannot exceed quota for AccessKeysPerUser: ${keysMax}`,
        );
      return { ...present, keys: [...present.keys, key] };
    });
    return wrap('AccessKey', renderKey(name, key, secret));
  },
  ListAccessKeys: async (query) => {
    const name = query.find('UserName') ?? query.caller.identity.userName;
    const { keys } = await getUser(query, name);
    const members = keys.map((key) => wrap('member', renderKey(name, key)));
    return wrap('AccessKeyMetadata', members.join('')) + element('IsTruncated', false);
  },
  UpdateAccessKey: async (query) => {
    const [name, id, status] = [
      query.get('UserName'),
      query.get('AccessKeyId'),
      query.get('Status'),
    ];
    await changeUser(query, name, (present) => {
      if (!present.keys.some((key) => key.id === id)) throw noSuchKey(id);
      const keys = present.keys.map((key) =>
        key.id === id ? { ...key, active: status === 'Active' } : key,
      );
      return { ...present, keys };
    });
    return '';
  },
  DeleteAccessKey: async (query) => {
    const [name, id] = [query.get('UserName'), query.get('AccessKeyId')];
    await changeUser(query, name, (present) => {
      if (!present.keys.some((key) => key.id === id)) throw noSuchKey(id);
      return { ...present, keys: present.keys.filter((key) => key.id !== id) };
    });
    await query.accounts.store.putKey(id, undefined);
    return '';
  },
};

function noSuchKey(id: string): IamFailure {
  return new IamFailure('NoSuchEntity', `The Access Key with id ${id} cannot be found.`);
}

export const userActions: Readonly<Record<string, Action>> = {
  ...guarded(own),
  ...policyActions<User>({ word: 'User', get: getUser, change: changeUser }),
};
