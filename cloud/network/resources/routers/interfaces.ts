/** A router's legs in subnets: added and removed by subnet (then it holds the gateway's address) or by port. */
import { cidrOf, contains, overlaps, parseIp } from '../../addresses/ip.ts';
import type { Asker } from '../../caller.ts';
import type { NetworkCore, Tx } from '../../core.ts';
import { badRequest, fail } from '../../failures.ts';
import type { Input } from '../../model/attributes.ts';
import type { Port, Router, Subnet } from '../../model/documents.ts';
import { notFound } from '../../model/not-found.ts';
import { makePort } from '../ports/making.ts';
import { removePort } from '../ports/removing.ts';
import { visibleNetwork } from '../subnets.ts';

export const interfaceOwner = 'network:router_interface';

export interface InterfaceAnswer {
  readonly port: Port;
  readonly subnetIds: readonly string[];
}

export async function addInterface(
  core: NetworkCore,
  tx: Tx,
  router: Router,
  body: Input,
  asker: Asker,
): Promise<InterfaceAnswer> {
  const { port_id: portId, subnet_id: subnetId } = body;
  if (portId !== undefined && subnetId !== undefined)
    throw bad('Cannot specify both subnet-id and port-id');
  if (typeof portId === 'string') return await addByPort(core, tx, router, portId, asker);
  if (typeof subnetId === 'string') return await addBySubnet(core, tx, router, subnetId, asker);
  throw bad('Either subnet_id or port_id must be specified');
}

const bad = (why: string) => fail('bad-request', `Bad router request: ${why}.`);

async function addBySubnet(
  core: NetworkCore,
  tx: Tx,
  router: Router,
  subnetId: string,
  asker: Asker,
): Promise<InterfaceAnswer> {
  const subnet = await core.find(tx, 'subnet', subnetId);
  if (subnet === undefined) throw notFound('subnet', subnetId);
  const network = await visibleNetwork(core, tx, subnet.network_id, asker).catch(() => {
    throw notFound('subnet', subnetId);
  });
  if (subnet.gateway_ip === null) throw bad('Subnet for router interface must have a gateway IP');
  await checkOverlap(core, tx, router, subnet);
  const port = await makePort(core, tx, network, {
    project_id: router.project_id,
    device_id: router.id,
    device_owner: interfaceOwner,
    fixed_ips: [{ subnet_id: subnet.id, ip_address: subnet.gateway_ip }],
  });
  return { port, subnetIds: [subnet.id] };
}

async function addByPort(
  core: NetworkCore,
  tx: Tx,
  router: Router,
  portId: string,
  asker: Asker,
): Promise<InterfaceAnswer> {
  const port = await core.find(tx, 'port', portId);
  if (port === undefined || (!asker.isAdmin && port.project_id !== asker.projectId))
    throw notFound('port', portId);
  if (port.device_id !== '')
    throw fail(
      'port-in-use',
      `Unable to complete operation on port ${port.id} for network ${port.network_id}. Port already has an attached device ${port.device_id}.`,
    );
  if (port.fixed_ips.length === 0) throw bad('Router port must have at least one fixed IP');
  const subnets = await core.list(tx, 'subnet', {
    ids: port.fixed_ips.map((fixed) => fixed.subnet_id),
  });
  if (subnets.filter((one) => one.ip_version === 4).length > 1)
    throw bad('Cannot have multiple IPv4 subnets on router port');
  for (const subnet of subnets) await checkOverlap(core, tx, router, subnet);
  const taken = await core.update(tx, 'port', port, {
    device_id: router.id,
    device_owner: interfaceOwner,
  });
  return { port: taken, subnetIds: subnets.map(({ id }) => id) };
}

/** No two legs of a router may mean the same addresses. */
export async function checkOverlap(
  core: NetworkCore,
  tx: Tx,
  router: Router,
  subnet: Subnet,
): Promise<void> {
  const ports = await core.list(tx, 'port', { by: { device_id: router.id } });
  const ids = ports.flatMap((port) => port.fixed_ips.map((fixed) => fixed.subnet_id));
  if (ids.includes(subnet.id)) throw bad(`Router already has a port on subnet ${subnet.id}`);
  for (const other of await core.list(tx, 'subnet', { ids }))
    if (overlaps(cidrOf(other.cidr), cidrOf(subnet.cidr)))
      throw bad(
        `Cidr ${subnet.cidr} of subnet ${subnet.id} overlaps with cidr ${other.cidr} of subnet ${other.id}`,
      );
}

export async function removeInterface(
  core: NetworkCore,
  tx: Tx,
  router: Router,
  body: Input,
): Promise<InterfaceAnswer> {
  const { port_id: portId, subnet_id: subnetId } = body;
  if (typeof portId !== 'string' && typeof subnetId !== 'string')
    throw badRequest('Either subnet_id or port_id must be specified');
  const ports = await core.list(tx, 'port', { by: { device_id: router.id } });
  const legs = ports.filter((port) => port.device_owner === interfaceOwner);
  const leg = legs.find((port) =>
    typeof portId === 'string'
      ? port.id === portId
      : port.fixed_ips.some((fixed) => fixed.subnet_id === subnetId),
  );
  if (leg === undefined)
    throw typeof portId === 'string'
      ? fail(
          'router-interface-not-found',
          `Router ${router.id} does not have an interface with id ${portId.slice(0, 64)}`,
        )
      : fail(
          'router-interface-not-found-for-subnet',
          `Router ${router.id} has no interface on subnet ${String(subnetId).slice(0, 64)}`,
        );
  if (
    typeof portId === 'string' &&
    typeof subnetId === 'string' &&
    !leg.fixed_ips.some((fixed) => fixed.subnet_id === subnetId)
  )
    throw fail(
      'subnet-mismatch-for-port',
      `Subnet on port ${portId} does not match the requested subnet ${subnetId}.`,
    );
  await checkUnused(core, tx, router, leg);
  await removePort(core, tx, leg);
  return { port: leg, subnetIds: leg.fixed_ips.map((fixed) => fixed.subnet_id) };
}

/** Floating addresses of guests behind this leg, and routes through it, need it. */
async function checkUnused(core: NetworkCore, tx: Tx, router: Router, leg: Port): Promise<void> {
  const subnets = await core.list(tx, 'subnet', {
    ids: leg.fixed_ips.map((fixed) => fixed.subnet_id),
  });
  for (const floating of await core.list(tx, 'floatingip', { by: { router_id: router.id } })) {
    const port = await core.find(tx, 'port', floating.port_id ?? '');
    const behind = subnets.find((subnet) =>
      port?.fixed_ips.some(
        (fixed) => fixed.subnet_id === subnet.id && fixed.ip_address === floating.fixed_ip_address,
      ),
    );
    if (behind !== undefined)
      throw fail(
        'router-interface-in-use-by-floating-ip',
        `Router interface for subnet ${behind.id} on router ${router.id} cannot be deleted, as it is required by one or more floating IPs.`,
      );
  }
  for (const { nexthop } of router.routes) {
    const hop = parseIp(nexthop);
    const behind = subnets.find(
      (subnet) => hop !== undefined && contains(cidrOf(subnet.cidr), hop),
    );
    if (behind !== undefined)
      throw fail(
        'router-interface-in-use-by-route',
        `Router interface for subnet ${behind.id} on router ${router.id} cannot be deleted, as it is required by one or more routes.`,
      );
  }
}
