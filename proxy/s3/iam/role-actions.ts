/** IAM: roles that users of this and other projects take on for a while. */
import { ownerId } from '../owner-id.ts';
import { element, wrap } from '../xml/write.ts';
import { checkName, checkPolicy, pathOf, timeText } from './checks.ts';
import { IamFailure } from './iam-failure.ts';
import { listEntities } from './list-entities.ts';
import { guarded, policyActions } from './policy-actions.ts';
import type { Action, Query } from './query-api.ts';
import type { Role } from './store.ts';
import { renderTags, tagsOfForm } from './tag-actions.ts';

function renderRole({ caller }: Query, role: Role): string {
  return (
    element('Path', role.path) +
    element('RoleName', role.name) +
    element('RoleId', role.id) +
    element('Arn', `arn:aws:iam::${ownerId(caller.account)}:role${role.path}${role.name}`) +
    element('CreateDate', timeText(role.createdMs)) +
    element('AssumeRolePolicyDocument', encodeURIComponent(role.trust)) +
    element('Description', role.description) +
    element('MaxSessionDuration', role.maxSessionS) +
    (role.tags === undefined ? '' : renderTags(role.tags))
  );
}

const changeRole = (query: Query, name: string, change: (present: Role) => Role) =>
  query.accounts.store.roles.change(query.caller.account, name, change);

const getRole = ({ accounts, caller }: Query, name: string) =>
  accounts.store.roles.get(caller.account, name);

function maxSessionOf(query: Query): number | undefined {
  const text = query.find('MaxSessionDuration');
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (seconds >= 3_600 && seconds <= 43_200) return seconds;
  throw new IamFailure('ValidationError', 'MaxSessionDuration must be between 3600 and 43200.');
}

const own: Readonly<Record<string, Action>> = {
  CreateRole: async (query) => {
    const { accounts, caller, nowMs } = query;
    const name = checkName(query.get('RoleName'));
    const trust = query.get('AssumeRolePolicyDocument');
    checkPolicy(trust, { trust: true });
    const maxSessionS = maxSessionOf(query) ?? 3_600;
    const role: Role = {
      ...{
        name,
        id: accounts.newId('AROA'),
        path: pathOf(query),
        createdMs: nowMs,
        trust,
        maxSessionS,
      },
      ...{ policies: {}, attached: [], description: query.find('Description') ?? '' },
      tags: tagsOfForm(query),
    };
    await accounts.store.roles.create(caller.account, name, role);
    return wrap('Role', renderRole(query, role));
  },
  GetRole: async (query) =>
    wrap('Role', renderRole(query, await getRole(query, query.get('RoleName')))),
  ListRoles: (query) =>
    listEntities(query, {
      name: 'Roles',
      list: (page) => query.accounts.store.roles.list(query.caller.account, page),
      render: (role) => renderRole(query, role),
    }),
  UpdateAssumeRolePolicy: async (query) => {
    const trust = query.get('PolicyDocument');
    checkPolicy(trust, { trust: true });
    await changeRole(query, query.get('RoleName'), (present) => ({ ...present, trust }));
    return '';
  },
  UpdateRole: async (query) => {
    const maxSessionS = maxSessionOf(query);
    const description = query.find('Description');
    await changeRole(query, query.get('RoleName'), (present) => ({
      ...present,
      ...(maxSessionS === undefined ? {} : { maxSessionS }),
      ...(description === undefined ? {} : { description }),
    }));
    return '';
  },
  DeleteRole: async (query) => {
    const { accounts, caller } = query;
    await accounts.store.roles.remove(caller.account, query.get('RoleName'), (present) => {
      if (Object.keys(present.policies).length + present.attached.length === 0) return;
      throw new IamFailure('DeleteConflict', 'Cannot delete entity, must delete policies first.');
    });
    return '';
  },
};

export const roleActions: Readonly<Record<string, Action>> = {
  ...guarded(own),
  ...policyActions<Role>({
    word: 'Role',
    nameOf: (query) => query.get('RoleName'),
    get: getRole,
    change: changeRole,
  }),
};
