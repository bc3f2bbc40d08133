/**
 * IAM: users of a project and their access keys. Where the name of a user is left out, the caller is meant. Those who call with keys of the
 * identity service's own are no users here, but can be asked for.
 */
import { userNameOf } from '../access/request-context.ts';
import { ownerId } from '../owner-id.ts';
import { element, optionalElement, wrap } from '../xml/write.ts';
import { checkName, pathOf, timeText } from './checks.ts';
import { IamFailure } from './iam-failure.ts';
import { listEntities } from './list-entities.ts';
import { guarded, policyActions } from './policy-actions.ts';
import type { Action, Query } from './query-api.ts';
import type { User } from './store.ts';
import { renderTags, tagsOfForm } from './tag-actions.ts';

const keysMax = 2;

function arnOf({ caller }: Query, { path, name }: Pick<User, 'path' | 'name'>): string {
  return `arn:aws:iam::${ownerId(caller.account)}:user${path}${name}`;
}

export function renderUser(query: Query, user: User): string {
  return (
    element('Path', user.path) +
    element('UserName', user.name) +
    element('UserId', user.id) +
    element('Arn', arnOf(query, user)) +
    element('CreateDate', timeText(user.createdMs)) +
    (user.tags === undefined ? '' : renderTags(user.tags))
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

function nameOf({ find, caller }: Query): string {
  const name = find('UserName') ?? userNameOf(caller);
  if (name !== undefined) return name;
  throw new IamFailure(
    'ValidationError',
    'Must specify userName when calling with non-User credentials',
  );
}

const changeUser = (query: Query, name: string, change: (present: User) => User) =>
  query.accounts.store.users.change(query.caller.account, name, change);

const getUser = ({ accounts, caller }: Query, name: string) =>
  accounts.store.users.get(caller.account, name);

/** Who is asked for without a name and is no user of this API's: the caller as the identity service knows it. */
function renderCaller({ caller }: Query): string {
  const { userId, userName } = caller.identity;
  return (
    element('Path', '/') +
    element('UserName', userName) +
    element('UserId', userId) +
    element('Arn', `arn:aws:iam::${ownerId(caller.account)}:user/${userName}`)
  );
}

/** Under a new name it is another record: its keys are told, then the old one goes. */
async function rename(query: Query, name: string, next: string): Promise<void> {
  const { accounts, caller } = query;
  const user = await getUser(query, name);
  // The same name in other letters is the same record.
  if (name.toLowerCase() === next.toLowerCase()) {
    await changeUser(query, name, (present) => ({ ...present, name: next }));
    for (const { id } of user.keys) await accounts.store.renameKey(id, next);
    return;
  }
  await accounts.store.users.create(caller.account, next, { ...user, name: next });
  for (const { id } of user.keys) await accounts.store.renameKey(id, next);
  await accounts.store.users.remove(caller.account, name, () => undefined);
}

const own: Readonly<Record<string, Action>> = {
  CreateUser: async (query) => {
    const { accounts, caller, nowMs } = query;
    const name = checkName(query.get('UserName'));
    const user: User = {
      ...{ name, id: accounts.newId('AIDA'), path: pathOf(query), createdMs: nowMs },
      ...{ policies: {}, attached: [], keys: [], tags: tagsOfForm(query) },
    };
    await accounts.store.users.create(caller.account, name, user);
    return wrap('User', renderUser(query, user));
  },
  GetUser: async (query) => {
    const { accounts, caller } = query;
    const name = nameOf(query);
    const isOwn = query.find('UserName') === undefined && caller.identity.policies === undefined;
    const user = isOwn
      ? await accounts.store.users.find(caller.account, name)
      : await getUser(query, name);
    return wrap('User', user === undefined ? renderCaller(query) : renderUser(query, user));
  },
  ListUsers: (query) =>
    listEntities(query, {
      name: 'Users',
      list: (page) => query.accounts.store.users.list(query.caller.account, page),
      render: (user) => renderUser(query, user),
    }),
  UpdateUser: async (query) => {
    const name = query.get('UserName');
    const [nextName, nextPath] = [query.find('NewUserName'), query.find('NewPath')];
    if (nextPath !== undefined) {
      const path = pathOf(query, 'NewPath');
      await changeUser(query, name, (present) => ({ ...present, path }));
    }
    if (nextName !== undefined && nextName !== name) await rename(query, name, checkName(nextName));
    return '';
  },
  DeleteUser: async (query) => {
    const { accounts, caller } = query;
    await accounts.store.users.remove(caller.account, query.get('UserName'), (present) => {
      const { keys, policies, attached, groups = [] } = present;
      if (keys.length + Object.keys(policies).length + attached.length + groups.length === 0)
        return;
      throw new IamFailure(
        'DeleteConflict',
        'Cannot delete entity, must delete policies, access keys and memberships first.',
      );
    });
    return '';
  },
  CreateAccessKey: async (query) => {
    const { accounts, caller, nowMs } = query;
    const { name } = await getUser(query, nameOf(query));
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
    const { name, keys } = await getUser(query, nameOf(query));
    const members = keys.map((key) => wrap('member', renderKey(name, key)));
    return wrap('AccessKeyMetadata', members.join('')) + element('IsTruncated', false);
  },
  UpdateAccessKey: async (query) => {
    const [name, id, status] = [nameOf(query), query.get('AccessKeyId'), query.get('Status')];
    if (status !== 'Active' && status !== 'Inactive')
      throw new IamFailure('ValidationError', 'Status is Active or Inactive.');
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
    const [name, id] = [nameOf(query), query.get('AccessKeyId')];
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
  ...policyActions<User>({
    word: 'User',
    nameOf: (query) => query.get('UserName'),
    get: getUser,
    change: changeUser,
  }),
};
