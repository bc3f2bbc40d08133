/** Ports: where something is connected to a network. */
import type { NetworkCore, Tx } from '../../core.ts';
import { fail } from '../../failures.ts';
import type { Input } from '../../model/attributes.ts';
import type { AddressPair, DhcpOption, Network, Port } from '../../model/documents.ts';
import type { Change, Resource, View } from '../../model/resource.ts';
import { mayUse } from '../../model/sharing.ts';
import { unclaim } from '../../model/store.ts';
import { ensureDefaultGroup } from '../default-group.ts';
import { checkQos } from '../qos-choice.ts';
import { networkTargets, visibleNetwork } from '../subnets.ts';
import { changeAddresses } from './addressing.ts';
import { portAttributes } from './attributes.ts';
import { makePort, takeMac } from './making.ts';
import { removePort } from './removing.ts';
import { portViews } from './views.ts';

export function ports(core: NetworkCore): Resource<'port'> {
  return {
    kind: 'port',
    member: 'port',
    collection: 'ports',
    path: '/v2.0/ports',
    rule: 'port',
    attributes: portAttributes,
    indexed: {
      network_id: 'network_id',
      device_id: 'device_id',
      device_owner: 'device_owner',
      name: 'name',
      mac_address: 'mac_address',
      'binding:host_id': 'binding:host_id',
      security_groups: 'security_group',
    },
    views: (db, documents) => portViews(core, db, documents),
    targets: async (db, documents, asker) => {
      const targets = await networkTargets(core, db, documents, asker);
      return targets.map((target, at) => ({
        ...target,
        network_device: documents[at]?.device_owner?.startsWith('network:') === true,
      }));
    },
    alsoVisible: async (db, { projectId }) => {
      if (projectId === undefined) return [];
      const own = await core.list(db, 'network', { projectId });
      return [{ by: { network_id: own.map(({ id }) => id) } }];
    },
    filters: {
      fixed_ips: byFixedIp,
      security_groups: (view, value) => holds(view.security_groups, value),
    },
    create: (tx, values, change) => createPort(core, tx, values, change),
    update: (tx, before, values, change) => updatePort(core, tx, before, values, change),
    remove: (tx, port) => deletePort(core, tx, port),
  };
}

const holds = (list: unknown, value: string) => Array.isArray(list) && list.includes(value);

/** `fixed_ips=ip_address=10.0.0.5`, `subnet_id=…`, `ip_address_substr=…` */
function byFixedIp(view: View, value: string): boolean {
  const [, member = '', wanted = ''] =
    /^(ip_address|subnet_id|ip_address_substr)=(.*)$/.exec(value) ?? [];
  const fixed = Array.isArray(view.fixed_ips) ? view.fixed_ips : [];
  return fixed.some((one: Record<string, string>) =>
    member === 'ip_address_substr' ? one.ip_address?.includes(wanted) : one[member] === wanted,
  );
}

async function createPort(core: NetworkCore, tx: Tx, values: Input, change: Change): Promise<Port> {
  const given = values as Partial<Port> & Input;
  const network = await visibleNetwork(core, tx, String(given.network_id), change.asker);
  const projectId = String(given.project_id);
  const networkDevice = String(given.device_owner).startsWith('network:');
  const security =
    given.port_security_enabled ?? (networkDevice ? false : network.port_security_enabled);
  const byDefault = given.security_groups === undefined && security && !networkDevice;
  const defaultGroup = await ensureDefaultGroup(core, tx, projectId);
  const groups =
    byDefault && defaultGroup !== undefined ? [defaultGroup] : [...(given.security_groups ?? [])];
  await checkGroups(core, tx, groups, change);
  checkSecurity(security, groups, given.allowed_address_pairs ?? []);
  await checkQos(core, tx, given.qos_policy_id ?? null, change.asker);
  const { mac_address, fixed_ips, device_id, device_owner, network_id, ...rest } = given;
  void network_id;
  return await makePort(core, tx, network, {
    project_id: projectId,
    mac_address,
    fixed_ips,
    device_id: device_id ?? '',
    device_owner: device_owner ?? '',
    rest: {
      ...rest,
      'binding:host_id': given['binding:host_id'] ?? '',
      extra_dhcp_opts: (given.extra_dhcp_opts ?? []).filter((one) => one.opt_value != null),
      port_security_enabled: security,
      security_groups: groups,
    },
  });
}

async function checkGroups(
  core: NetworkCore,
  tx: Tx,
  ids: readonly string[],
  { asker }: Change,
): Promise<void> {
  const found = new Map(
    (await core.list(tx, 'security_group', { ids })).map((one) => [one.id, one]),
  );
  for (const id of ids) {
    const group = found.get(id);
    if (group === undefined || !(await mayUse(core, tx, group, 'security_group', asker)))
      throw fail('security-group-not-found', `Security group ${id} does not exist`);
  }
}

function checkSecurity(
  security: boolean,
  groups: readonly string[],
  pairs: readonly AddressPair[],
): void {
  if (!security && groups.length > 0)
    throw fail(
      'port-security-port-has-security-group',
      'Port has security group associated. Cannot disable port security or IP address until security group is removed.',
    );
  if (!security && pairs.length > 0)
    throw fail(
      'address-pair-and-port-security-required',
      'Port Security must be enabled in order to have allowed address pairs on a port.',
    );
}

async function updatePort(
  core: NetworkCore,
  tx: Tx,
  before: Port,
  values: Input,
  change: Change,
): Promise<Port> {
  const given = values as Partial<Port>;
  const network = await core.get(tx, 'network', before.network_id);
  checkDeviceChange(before, given);
  if (given.security_groups !== undefined)
    await checkGroups(core, tx, given.security_groups, change);
  const wanted = { ...before, ...given };
  checkSecurity(wanted.port_security_enabled, wanted.security_groups, wanted.allowed_address_pairs);
  if (given.qos_policy_id !== undefined)
    await checkQos(core, tx, given.qos_policy_id, change.asker);
  const mac = await changeMac(core, tx, network, before, given.mac_address);
  const owner = { portId: before.id, mac, deviceOwner: wanted.device_owner };
  const fixed =
    given.fixed_ips === undefined
      ? before.fixed_ips
      : await changeAddresses(core, tx, network, owner, before.fixed_ips, given.fixed_ips);
  await checkFloating(
    core,
    tx,
    before,
    fixed.map((one) => one.ip_address),
  );
  return await core.update(tx, 'port', before, {
    ...given,
    mac_address: mac,
    fixed_ips: fixed,
    ...(given['binding:host_id'] === undefined
      ? {}
      : { 'binding:host_id': given['binding:host_id'] ?? '' }),
    ...(given.extra_dhcp_opts === undefined
      ? {}
      : { extra_dhcp_opts: joinOptions(before.extra_dhcp_opts, given.extra_dhcp_opts) }),
  });
}

/** Each named option is set, or taken away where its value is null; others stay. */
function joinOptions(held: readonly DhcpOption[], given: readonly DhcpOption[]): DhcpOption[] {
  const key = (one: DhcpOption) => `${one.opt_name} ${one.ip_version}`;
  const joined = new Map(held.map((one) => [key(one), one]));
  for (const one of given) {
    if (one.opt_value == null) joined.delete(key(one));
    else joined.set(key(one), one);
  }
  return [...joined.values()];
}

/** A router's port is the router's business. */
function checkDeviceChange(before: Port, given: Partial<Port>): void {
  const owned = before.device_owner.startsWith('network:router_');
  const changed =
    (given.device_owner !== undefined && given.device_owner !== before.device_owner) ||
    (given.device_id !== undefined && given.device_id !== before.device_id);
  if (owned && changed && before.device_id !== '')
    throw fail(
      'router-port-in-use',
      `Port ${before.id} belongs to a router and its device may not be changed.`,
    );
}

async function changeMac(
  core: NetworkCore,
  tx: Tx,
  network: Network,
  before: Port,
  wanted: string | undefined,
): Promise<string> {
  if (wanted === undefined || wanted === before.mac_address) return before.mac_address;
  if (before['binding:host_id'] !== '' && core.observed.isUp(before.id))
    throw fail(
      'port-in-use',
      `Unable to complete operation on port ${before.id} for network ${network.id}. Port already has an attached device ${before.device_id}.`,
    );
  const mac = await takeMac(core, tx, network, wanted, before.id);
  await unclaim(tx, `mac ${network.id}`, before.mac_address, before.id);
  return mac;
}

/** An address that a floating one leads to cannot be taken away. */
async function checkFloating(
  core: NetworkCore,
  tx: Tx,
  port: Port,
  addresses: readonly string[],
): Promise<void> {
  for (const floating of await core.list(tx, 'floatingip', { by: { port_id: port.id } }))
    if (floating.fixed_ip_address !== null && !addresses.includes(floating.fixed_ip_address))
      await core.update(tx, 'floatingip', floating, {
        port_id: null,
        fixed_ip_address: null,
        router_id: null,
      });
}

export async function deletePort(core: NetworkCore, tx: Tx, port: Port): Promise<void> {
  const { device_owner: owner, id } = port;
  const reason =
    owner.startsWith('network:router_') || owner === 'network:floatingip'
      ? `has device owner ${owner}`
      : undefined;
  const device =
    owner === 'network:floatingip'
      ? await core.find(tx, 'floatingip', port.device_id)
      : await core.find(tx, 'router', port.device_id);
  if (reason !== undefined && device !== undefined)
    throw fail(
      'server-port-in-use',
      `Port ${id} cannot be deleted directly via the port API: ${reason}.`,
    );
  if (owner === 'network:distributed')
    throw fail(
      'server-port-in-use',
      `Port ${id} cannot be deleted directly via the port API: it serves metadata to its network.`,
    );
  const trunks = await core.list(tx, 'trunk', { by: { port_id: id } });
  if (trunks[0] !== undefined)
    throw fail(
      'port-in-use-as-trunk-parent',
      `Port ${id} is currently a parent port for trunk ${trunks[0].id}.`,
    );
  const parents = await core.list(tx, 'trunk', { by: { sub_port: id } });
  if (parents[0] !== undefined)
    throw fail(
      'port-in-use-as-sub-port',
      `Port ${id} is currently a subport for trunk ${parents[0].id}.`,
    );
  await removePort(core, tx, port);
}
