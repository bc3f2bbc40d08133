/** IAM: groups, whose policies count for every user in them. */
import { ownerId } from '../owner-id.ts';
import { element, optionalElement, wrap } from '../xml/write.ts';
import { checkName, pathOf, timeText } from './checks.ts';
import { IamFailure } from './iam-failure.ts';
import { listEntities, pageOf } from './list-entities.ts';
import { guarded, policyActions } from './policy-actions.ts';
import type { Action, Query } from './query-api.ts';
import type { Group } from './store.ts';
import { renderUser } from './user-actions.ts';

const groupsMax = 10;

function renderGroup({ caller }: Query, group: Group): string {
  return (
    element('Path', group.path) +
    element('GroupName', group.name) +
    element('GroupId', group.id) +
    element('Arn', `arn:aws:iam::${ownerId(caller.account)}:group${group.path}${group.name}`) +
    element('CreateDate', timeText(group.createdMs))
  );
}

const getGroup = ({ accounts, caller }: Query, name: string) =>
  accounts.store.groups.get(caller.account, name);

const changeGroup = (query: Query, name: string, change: (present: Group) => Group) =>
  query.accounts.store.groups.change(query.caller.account, name, change);

/** Under a new name it is another record: its members are told, then the old one goes. */
async function rename(query: Query, name: string, next: string): Promise<void> {
  const { account } = query.caller;
  const { users, groups } = query.accounts.store;
  const isSame = name.toLowerCase() === next.toLowerCase();
  if (isSame) await changeGroup(query, name, (present) => ({ ...present, name: next }));
  else await groups.create(account, next, { ...(await getGroup(query, name)), name: next });
  for await (const user of users.all(account))
    if (user.groups?.includes(name) === true)
      await users.change(account, user.name, (present) => ({
        ...present,
        groups: (present.groups ?? []).map((each) => (each === name ? next : each)),
      }));
  if (!isSame) await groups.remove(account, name, () => undefined);
}

/** Its members are users that name it: a page of users, those of other groups left out. */
async function renderMembers(query: Query, group: string): Promise<string> {
  const { accounts, caller } = query;
  const { entries, more, next } = await accounts.store.users.list(caller.account, pageOf(query));
  const members = entries
    .filter(({ groups }) => groups?.includes(group) === true)
    .map((user) => wrap('member', renderUser(query, user)));
  return (
    wrap('Users', members.join('')) + element('IsTruncated', more) + optionalElement('Marker', next)
  );
}

async function checkEmpty({ accounts, caller }: Query, { name, policies, attached }: Group) {
  if (Object.keys(policies).length + attached.length > 0)
    throw new IamFailure('DeleteConflict', 'Cannot delete entity, must delete policies first.');
  for await (const { groups } of accounts.store.users.all(caller.account))
    if (groups?.includes(name) === true)
      throw new IamFailure(
        'DeleteConflict',
        'Cannot delete entity, must remove users from group first.',
      );
}

async function changeMembership(
  query: Query,
  next: (groups: readonly string[], group: string) => string[],
): Promise<string> {
  const { accounts, caller } = query;
  const user = query.get('UserName');
  const { name: group } = await getGroup(query, query.get('GroupName'));
  await accounts.store.users.change(caller.account, user, (present) => ({
    ...present,
    groups: next(present.groups ?? [], group),
  }));
  return '';
}

const own: Readonly<Record<string, Action>> = {
  CreateGroup: async (query) => {
    const { accounts, caller, nowMs } = query;
    const name = checkName(query.get('GroupName'));
    const group: Group = {
      ...{ name, id: accounts.newId('AGPA'), path: pathOf(query), createdMs: nowMs },
      ...{ policies: {}, attached: [] },
    };
    await accounts.store.groups.create(caller.account, name, group);
    return wrap('Group', renderGroup(query, group));
  },
  GetGroup: async (query) => {
    const group = await getGroup(query, query.get('GroupName'));
    return wrap('Group', renderGroup(query, group)) + (await renderMembers(query, group.name));
  },
  ListGroups: (query) =>
    listEntities(query, {
      name: 'Groups',
      list: (page) => query.accounts.store.groups.list(query.caller.account, page),
      render: (group) => renderGroup(query, group),
    }),
  DeleteGroup: async (query) => {
    const { accounts, caller } = query;
    const group = await getGroup(query, query.get('GroupName'));
    const { name } = group;
    await checkEmpty(query, group);
    await accounts.store.groups.remove(caller.account, name, ({ policies, attached }) => {
      if (Object.keys(policies).length + attached.length > 0)
        throw new IamFailure('DeleteConflict', 'Cannot delete entity, must delete policies first.');
    });
    return '';
  },
  UpdateGroup: async (query) => {
    const { name } = await getGroup(query, query.get('GroupName'));
    const next = query.find('NewGroupName');
    if (query.find('NewPath') !== undefined) {
      const path = pathOf(query, 'NewPath');
      await changeGroup(query, name, (present) => ({ ...present, path }));
    }
    if (next !== undefined && next !== name) await rename(query, name, checkName(next));
    return '';
  },
  AddUserToGroup: (query) =>
    changeMembership(query, (groups, group) => {
      if (groups.includes(group)) return [...groups];
      if (groups.length >= groupsMax)
        throw new IamFailure(
          'LimitExceeded',
          `Cannot exceed quota for GroupsPerUser: ${groupsMax}`,
        );
      return [...groups, group];
    }),
  RemoveUserFromGroup: (query) =>
    changeMembership(query, (groups, group) => {
      if (!groups.includes(group))
        throw new IamFailure('NoSuchEntity', `The user is not in the group ${group}.`);
      return groups.filter((each) => each !== group);
    }),
  ListGroupsForUser: async (query) => {
    const { accounts, caller } = query;
    const user = await accounts.store.users.get(caller.account, query.get('UserName'));
    let members = '';
    for (const name of user.groups ?? []) {
      const group = await accounts.store.groups.find(caller.account, name);
      if (group !== undefined) members += wrap('member', renderGroup(query, group));
    }
    return wrap('Groups', members) + element('IsTruncated', false);
  },
};

export const groupActions: Readonly<Record<string, Action>> = {
  ...guarded(own),
  ...policyActions<Group>({
    word: 'Group',
    nameOf: (query) => query.get('GroupName'),
    get: getGroup,
    change: changeGroup,
  }),
};
