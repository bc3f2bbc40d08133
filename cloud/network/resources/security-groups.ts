/** Security groups: what may reach a port and what it may reach. */

import type { Asker } from '../caller.ts';
import type { Db, NetworkCore, Tx } from '../core.ts';
import { fail } from '../failures.ts';
import { type Input, open, shown, standard } from '../model/attributes.ts';
import type { SecurityGroup } from '../model/documents.ts';
import { flag, name } from '../model/readers.ts';
import type { Change, Resource, View } from '../model/resource.ts';
import { sharedWith } from '../model/sharing.ts';
import { plainView } from '../model/views.ts';
import { addEgress, ensureDefaultGroup, isDefaultGroup } from './default-group.ts';
import { unshare } from './rbac-grants.ts';
import { ruleView } from './security-group-rules.ts';

const attributes = {
  ...standard(name),
  stateful: open(flag, true),
  security_group_rules: shown({ filter: false, sort: false }),
  shared: shown(),
};

export function securityGroups(core: NetworkCore): Resource<'security_group'> {
  return {
    kind: 'security_group',
    member: 'security_group',
    collection: 'security_groups',
    path: '/v2.0/security-groups',
    rule: 'security_group',
    attributes,
    sharedAs: 'security_group',
    indexed: { name: 'name' },
    views: (db, documents, asker) => groupViews(core, db, documents, asker),
    beforeList: async ({ projectId }) => {
      if (projectId !== undefined)
        await core.change((tx) => ensureDefaultGroup(core, tx, projectId));
    },
    create: (tx, values) => createGroup(core, tx, values),
    update: (tx, before, values, change) => updateGroup(core, tx, before, values, change),
    remove: (tx, group, change) => removeGroup(core, tx, group, change),
  };
}

async function groupViews(
  core: NetworkCore,
  db: Db,
  documents: readonly SecurityGroup[],
  asker: Asker,
): Promise<View[]> {
  const rules = await core.list(db, 'security_group_rule', {
    by: { security_group_id: documents.map(({ id }) => id) },
  });
  const shared = await sharedWith(core, db, 'security_group', asker.projectId);
  return documents.map((group) => ({
    ...plainView(attributes, group),
    shared: shared.has(group.id),
    security_group_rules: rules.filter((rule) => rule.security_group_id === group.id).map(ruleView),
  }));
}

async function createGroup(core: NetworkCore, tx: Tx, values: Input): Promise<SecurityGroup> {
  const given = values as unknown as SecurityGroup;
  if (given.name.toLowerCase() === 'default')
    throw fail('security-group-default-already-exists', 'Default security group already exists.');
  await ensureDefaultGroup(core, tx, given.project_id);
  const group = await core.insert(tx, 'security_group', { ...given, id: core.newId() });
  await core.count(tx, 'security_group', group);
  await addEgress(core, tx, group);
  return group;
}

async function updateGroup(
  core: NetworkCore,
  tx: Tx,
  before: SecurityGroup,
  values: Input,
  { asker }: Change,
): Promise<SecurityGroup> {
  if (values.name !== undefined && values.name !== before.name) {
    if (await isDefaultGroup(core, before))
      throw fail(
        'security-group-cannot-update-default',
        'Updating default security group not allowed.',
      );
    if (String(values.name).toLowerCase() === 'default')
      throw fail('security-group-default-already-exists', 'Default security group already exists.');
  }
  const used = await core.list(tx, 'port', { by: { security_group: before.id } });
  if (values.stateful !== undefined && values.stateful !== before.stateful && used.length > 0)
    throw fail('security-group-in-use', `Security Group ${before.id} in use.`);
  void asker;
  return await core.update(tx, 'security_group', before, values);
}

async function removeGroup(
  core: NetworkCore,
  tx: Tx,
  group: SecurityGroup,
  { asker }: Change,
): Promise<void> {
  if ((await isDefaultGroup(core, group)) && !asker.isAdmin)
    throw fail(
      'security-group-cannot-remove-default',
      'Insufficient rights for removing default security group.',
    );
  const used = await core.list(tx, 'port', { by: { security_group: group.id } });
  if (used.length > 0) throw fail('security-group-in-use', `Security Group ${group.id} in use.`);
  const remote = await core.list(tx, 'security_group_rule', { by: { remote_group_id: group.id } });
  const own = await core.list(tx, 'security_group_rule', { by: { security_group_id: group.id } });
  for (const rule of [...own, ...remote]) await core.remove(tx, rule);
  await unshare(core, tx, group.id);
  await core.remove(tx, group);
}
