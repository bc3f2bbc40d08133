/** The group `default` that every project has: everything out, and in from its own members. */
import type { NetworkCore, Tx } from '../core.ts';
import type { SecurityGroup, SecurityGroupRule } from '../model/documents.ts';
import { claim, claimant } from '../model/store.ts';

const scope = 'default security group';

export async function ensureDefaultGroup(
  core: NetworkCore,
  tx: Tx,
  projectId: string,
): Promise<string | undefined> {
  if (projectId === '') return undefined;
  const present = await claimant(tx, scope, projectId);
  if (present !== undefined) return present;
  const id = core.newId();
  await claim(tx, scope, projectId, id);
  const group = await core.insert(tx, 'security_group', {
    id,
    project_id: projectId,
    name: 'default',
    description: 'Default security group',
    stateful: true,
  });
  await core.count(tx, 'security_group', group);
  await addEgress(core, tx, group);
  for (const ethertype of ['IPv4', 'IPv6'] as const)
    await addRule(core, tx, group, { direction: 'ingress', ethertype, remote_group_id: id });
  return id;
}

/** What every new group lets out. */
export async function addEgress(core: NetworkCore, tx: Tx, group: SecurityGroup): Promise<void> {
  for (const ethertype of ['IPv4', 'IPv6'] as const)
    await addRule(core, tx, group, { direction: 'egress', ethertype, remote_group_id: null });
}

async function addRule(
  core: NetworkCore,
  tx: Tx,
  group: SecurityGroup,
  rule: Pick<SecurityGroupRule, 'direction' | 'ethertype' | 'remote_group_id'>,
): Promise<void> {
  const made = await core.insert(tx, 'security_group_rule', {
    ...rule,
    id: core.newId(),
    project_id: group.project_id,
    security_group_id: group.id,
    protocol: null,
    port_range_min: null,
    port_range_max: null,
    remote_ip_prefix: null,
    remote_address_group_id: null,
    normalized_cidr: null,
  });
  await core.count(tx, 'security_group_rule', made);
}

export const isDefaultGroup = async (core: NetworkCore, group: SecurityGroup): Promise<boolean> =>
  (await claimant(core.db, scope, group.project_id)) === group.id;
