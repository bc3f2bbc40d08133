/** IAM: roles that users of this and other projects take on for a while. */
import { ownerId } from '../owner-id.ts';
import { element, wrap } from '../xml/write.ts';
import { checkName, checkPolicy, pathOf, timeText } from './checks.ts';
import { IamFailure } from './iam-failure.ts';
import { listEntities } from './list-entities.ts';
import { guarded, policyActions } from './policy-actions.ts';
import type { Action, Query } from './query-api.ts';
import type { Role } from './store.ts';

function renderRole({ caller }: Query, role: Role): string {
  return (
    element('Path', role.path) +
    element('RoleName', role.name) +
    element('RoleId', role.id) +
    element('Arn', `arn:aws:iam::${ownerId(caller.account)}:role${role.path}${role.name}`) +
    element('CreateDate', timeText(role.createdMs)) +
    element('AssumeRolePolicyDocument', encodeURIComponent(role.trust)) +
    element('Description', role.description) +
    element('MaxSessionDuration', role.maxSessionS)
  );
}

async function changeRole(
  query: Query,
  name: string,
  change: (present: Role) => Role,
): Promise<void> {
  await query.accounts.store.changeRole(query.caller.account, name, (present) => {
    if (present === undefined)
      throw new IamFailure('NoSuchEntity', `The role with name ${name} cannot be found.`);
    return change(present);
  });
}

const getRole = (query: Query, name: string) =>
  query.accounts.store.getRole(query.caller.account, name);

const own: Readonly<Record<string, Action>> = {
  CreateRole: async (query) => {
    const { accounts, caller, nowMs } = query;
    const name = checkName(query.get('RoleName'));
    const trust = query.get('AssumeRolePolicyDocument');
    checkPolicy(trust, { trust: true });
    const maxSessionS = Number(query.find('MaxSessionDuration') ?? 3_600);
    if (!(maxSessionS >= 3_600 && maxSessionS <= 43_200))
      throw new IamFailure('ValidationError', 'MaxSessionDuration must be between 3600 and 43200.');
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
    };
    await accounts.store.changeRole(caller.account, name, (present) => {
      if (present === undefined) return role;
      throw new IamFailure('EntityAlreadyExists', `Role with name ${name} already exists.`);
    });
    return wrap('Role', renderRole(query, role));
  },
  GetRole: async (query) =>
    wrap('Role', renderRole(query, await getRole(query, query.get('RoleName')))),
  ListRoles: (query) =>
    listEntities(query, {
      name: 'Roles',
      list: (page) => query.accounts.store.listRoles(query.caller.account, page),
      render: (role) => renderRole(query, role),
    }),
  UpdateAssumeRolePolicy: async (query) => {
    const trust = query.get('PolicyDocument');
    checkPolicy(trust, { trust: true });
    await changeRole(query, query.get('RoleName'), (present) => ({ ...present, trust }));
    return '';
  },
  DeleteRole: async (query) => {
    const name = query.get('RoleName');
    await getRole(query, name);
    await query.accounts.store.changeRole(query.caller.account, name, (present) => {
      const holds = Object.keys(present?.policies ?? {}).length + (present?.attached.length ?? 0);
      if (holds === 0) return undefined;
      throw new IamFailure('DeleteConflict', 'Cannot delete entity, must delete policies first.');
    });
    return '';
  },
};

export const roleActions: Readonly<Record<string, Action>> = {
  ...guarded(own),
  ...policyActions<Role>({ word: 'Role', get: getRole, change: changeRole }),
};
