/** Floating IPs: addresses of an external network that lead to a guest behind a router. */
import type { Asker } from '../caller.ts';
import type { Db, NetworkCore, Tx } from '../core.ts';
import { badRequest, fail } from '../failures.ts';
import { atStart, type Input, open, required, shown, standard } from '../model/attributes.ts';
import type { FloatingIp, Port } from '../model/documents.ts';
import { dnsDomain, dnsName, ip, name, orNull, uuid } from '../model/readers.ts';
import type { Change, Resource, View } from '../model/resource.ts';
import { plainView } from '../model/views.ts';
import { forwardingSummary } from './port-forwardings.ts';
import { makePort } from './ports/making.ts';
import { removePort } from './ports/removing.ts';
import { statusOf } from './ports/views.ts';
import { checkQos } from './qos-choice.ts';
import { visibleNetwork } from './subnets.ts';

const attributes = {
  ...standard(name),
  name: { ...shown(), hidden: true, filter: false },
  floating_network_id: required(uuid),
  floating_ip_address: atStart(orNull(ip), null),
  subnet_id: { ...atStart(orNull(uuid), null), hidden: true, filter: false },
  router_id: shown(),
  port_id: open(orNull(uuid), null),
  fixed_ip_address: open(orNull(ip), null),
  status: shown(),
  port_details: shown({ filter: false }),
  port_forwardings: shown({ filter: false }),
  qos_policy_id: open(orNull(uuid), null),
  qos_network_policy_id: shown({ filter: false }),
  dns_name: open(dnsName, ''),
  dns_domain: open(dnsDomain, ''),
};

export function floatingIps(core: NetworkCore): Resource<'floatingip'> {
  return {
    kind: 'floatingip',
    member: 'floatingip',
    collection: 'floatingips',
    path: '/v2.0/floatingips',
    rule: 'floatingip',
    attributes,
    indexed: {
      port_id: 'port_id',
      router_id: 'router_id',
      floating_network_id: 'floating_network_id',
      floating_ip_address: 'floating_ip_address',
    },
    views: (db, documents) => floatingViews(core, db, documents),
    create: (tx, values, change) => createFloating(core, tx, values, change),
    update: (tx, before, values, change) => updateFloating(core, tx, before, values, change),
    remove: (tx, floating) => removeFloating(core, tx, floating),
  };
}

async function floatingViews(
  core: NetworkCore,
  db: Db,
  documents: readonly FloatingIp[],
): Promise<View[]> {
  const ports = new Map(
    (await core.list(db, 'port', { ids: documents.flatMap((one) => one.port_id ?? []) })).map(
      (one) => [one.id, one],
    ),
  );
  const forwardings = await core.list(db, 'port_forwarding', {
    by: { floatingip_id: documents.map(({ id }) => id) },
  });
  return documents.map((floating) => {
    const port = ports.get(floating.port_id ?? '');
    const own = forwardings.filter((one) => one.floatingip_id === floating.id);
    return {
      ...plainView(attributes, floating),
      status: floatingStatus(core, floating, own.length > 0),
      port_details: port === undefined ? null : detailsOf(core, port),
      port_forwardings: own.map(forwardingSummary),
      qos_network_policy_id: null,
    };
  });
}

function floatingStatus(core: NetworkCore, floating: FloatingIp, isForwarded: boolean): string {
  if (core.observed.refusalOf('floatingip', floating.id) !== undefined) return 'ERROR';
  return floating.port_id !== null || isForwarded ? 'ACTIVE' : 'DOWN';
}

function detailsOf(core: NetworkCore, port: Port): View {
  const { name: title, network_id, mac_address, admin_state_up, device_id, device_owner } = port;
  return {
    name: title,
    network_id,
    mac_address,
    admin_state_up,
    status: statusOf(core, port),
    device_id,
    device_owner,
  };
}

async function createFloating(
  core: NetworkCore,
  tx: Tx,
  values: Input,
  { asker }: Change,
): Promise<FloatingIp> {
  const {
    subnet_id: subnetId,
    floating_ip_address: address,
    port_id: portId,
    fixed_ip_address: fixed,
    ...given
  } = values as Partial<FloatingIp> & Input & { subnet_id: string | null };
  const network = await visibleNetwork(core, tx, String(given.floating_network_id), asker);
  if (!network['router:external'])
    throw fail(
      'bad-request',
      `Bad floatingip request: Network ${network.id} is not a valid external network.`,
    );
  await checkQos(core, tx, given.qos_policy_id ?? null, asker);
  const id = core.newId();
  const subnets = await core.list(tx, 'subnet', { by: { network_id: network.id } });
  const four = subnets.filter((one) => one.ip_version === 4);
  if (four.length === 0)
    throw fail(
      'bad-request',
      `Bad floatingip request: Network ${network.id} does not contain any IPv4 subnet.`,
    );
  const asked = {
    ...(subnetId == null ? {} : { subnet_id: subnetId }),
    ...(address == null ? {} : { ip_address: address }),
  };
  const external = await makePort(core, tx, network, {
    project_id: '',
    device_id: id,
    device_owner: 'network:floatingip',
    fixed_ips: Object.keys(asked).length === 0 ? undefined : [asked],
  }).catch((error: unknown) => {
    throw exhaustedOf(error, network.id);
  });
  const first = external.fixed_ips.find((one) => !one.ip_address.includes(':'));
  if (first === undefined)
    throw fail(
      'external-ip-address-exhausted',
      `Unable to find any IP address on external network ${network.id}.`,
    );
  const floating = await core.insert(tx, 'floatingip', {
    ...(given as unknown as FloatingIp),
    id,
    floating_ip_address: first.ip_address,
    externalPortId: external.id,
    port_id: null,
    fixed_ip_address: null,
    router_id: null,
  });
  await core.count(tx, 'floatingip', floating);
  if (portId == null) {
    if (fixed != null)
      throw badRequest(
        'Bad floatingip request: fixed_ip_address cannot be specified without a port_id.',
      );
    return floating;
  }
  return await associate(core, tx, floating, { portId, fixed: fixed ?? undefined }, asker);
}

function exhaustedOf(error: unknown, networkId: string): unknown {
  const code: unknown =
    typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
  if (code !== 'ip-address-generation-failure') return error;
  return fail(
    'external-ip-address-exhausted',
    `Unable to find any IP address on external network ${networkId}.`,
    {},
    error,
  );
}

async function updateFloating(
  core: NetworkCore,
  tx: Tx,
  before: FloatingIp,
  values: Input,
  { asker, explicit }: Change,
): Promise<FloatingIp> {
  const { port_id: portId, fixed_ip_address: fixed, ...given } = values as Partial<FloatingIp>;
  if (given.qos_policy_id !== undefined) await checkQos(core, tx, given.qos_policy_id, asker);
  const changed = await core.update(tx, 'floatingip', before, given);
  if (!explicit.has('port_id') && !explicit.has('fixed_ip_address')) return changed;
  if (portId === null || (portId === undefined && before.port_id === null))
    return await core.update(tx, 'floatingip', changed, {
      port_id: null,
      fixed_ip_address: null,
      router_id: null,
    });
  return await associate(
    core,
    tx,
    changed,
    { portId: portId ?? before.port_id ?? '', fixed: fixed ?? undefined },
    asker,
  );
}

interface Wanted {
  readonly portId: string;
  readonly fixed: string | undefined;
}

async function associate(
  core: NetworkCore,
  tx: Tx,
  floating: FloatingIp,
  wanted: Wanted,
  asker: Asker,
): Promise<FloatingIp> {
  const port = await core.find(tx, 'port', wanted.portId);
  const foreign = port !== undefined && !asker.isAdmin && port.project_id !== asker.projectId;
  if (port === undefined || foreign)
    throw fail('port-not-found', `Port ${wanted.portId} could not be found.`);
  if (!asker.isAdmin && port.project_id !== floating.project_id)
    throw fail(
      'bad-request',
      `Bad floatingip request: Port ${port.id} is associated with a different tenant than Floating IP ${floating.id} and therefore cannot be bound.`,
    );
  const forwardings = await core.list(tx, 'port_forwarding', {
    by: { floatingip_id: floating.id },
  });
  if (forwardings.length > 0)
    throw fail(
      'fip-in-use-by-port-forwarding',
      `Floating IP ${floating.id} in use by Port Forwarding resources.`,
    );
  const fours = port.fixed_ips.filter((one) => !one.ip_address.includes(':'));
  const fixed =
    wanted.fixed === undefined ? fours[0] : fours.find((one) => one.ip_address === wanted.fixed);
  if (fixed === undefined)
    throw fail(
      'bad-request',
      wanted.fixed === undefined
        ? `Bad floatingip request: Cannot add floating IP to port ${port.id} that has no fixed IPv4 addresses.`
        : `Bad floatingip request: Port ${port.id} does not have fixed ip ${wanted.fixed}.`,
    );
  if (wanted.fixed === undefined && fours.length > 1)
    throw fail(
      'bad-request',
      `Bad floatingip request: Port ${port.id} has multiple fixed IPv4 addresses. Must provide a specific IPv4 address when assigning a floating IP.`,
    );
  for (const other of await core.list(tx, 'floatingip', { by: { port_id: port.id } }))
    if (
      other.id !== floating.id &&
      other.fixed_ip_address === fixed.ip_address &&
      other.floating_network_id === floating.floating_network_id
    )
      throw fail(
        'floating-ip-port-already-associated',
        `Cannot associate floating IP ${floating.floating_ip_address} (${floating.id}) with port ${port.id} using fixed IP ${fixed.ip_address}, as that fixed IP already has a floating IP on external network ${floating.floating_network_id}.`,
      );
  const routerId = await routerFor(core, tx, floating, fixed.subnet_id, port.id);
  return await core.update(tx, 'floatingip', floating, {
    port_id: port.id,
    fixed_ip_address: fixed.ip_address,
    router_id: routerId,
  });
}

/** The router that has a leg in the subnet and its gateway in the floating network; the one at the subnet's gateway first. */
export async function routerFor(
  core: NetworkCore,
  tx: Tx,
  floating: FloatingIp,
  subnetId: string,
  portId: string,
): Promise<string> {
  const subnet = await core.get(tx, 'subnet', subnetId);
  const legs = (
    await core.list(tx, 'port', {
      by: { subnet_id: subnetId, device_owner: 'network:router_interface' },
    })
  ).sort((one) => (one.fixed_ips.some((fixed) => fixed.ip_address === subnet.gateway_ip) ? -1 : 1));
  for (const leg of legs) {
    const router = await core.find(tx, 'router', leg.device_id);
    if (router?.external_gateway_info?.network_id === floating.floating_network_id)
      return router.id;
  }
  throw fail(
    'external-gateway-for-floating-ip-not-found',
    `External network ${floating.floating_network_id} is not reachable from subnet ${subnetId}.  Therefore, cannot associate Port ${portId} with a Floating IP.`,
  );
}

export async function removeFloating(
  core: NetworkCore,
  tx: Tx,
  floating: FloatingIp,
): Promise<void> {
  for (const forwarding of await core.list(tx, 'port_forwarding', {
    by: { floatingip_id: floating.id },
  }))
    await core.remove(tx, forwarding);
  const port = await core.find(tx, 'port', floating.externalPortId);
  if (port !== undefined) await removePort(core, tx, port);
  await core.remove(tx, floating);
}
