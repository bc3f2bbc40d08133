/** Port forwardings: single ports of a floating IP, each to a guest of its own. */
import type { Db, NetworkCore, Tx } from '../core.ts';
import { badRequest, fail } from '../failures.ts';
import { decided, type Input, required, shown, standard } from '../model/attributes.ts';
import type { FloatingIp, PortForwarding } from '../model/documents.ts';
import { ip, name, oneOf, text, uuid, whole } from '../model/readers.ts';
import type { Change, Params, Resource, View } from '../model/resource.ts';
import { plainView } from '../model/views.ts';
import { routerFor } from './floating-ips.ts';

const range = text(11);
const portNumber = whole(1, 65_535);
const lower = (value: unknown) => (typeof value === 'string' ? value.toLowerCase() : value);

const attributes = {
  ...standard(name),
  name: { ...shown(), hidden: true, filter: false },
  tags: { ...shown(), hidden: true, filter: false },
  protocol: required(oneOf(['tcp', 'udp'], lower), { put: true }),
  external_port: decided(portNumber, { put: true }),
  internal_port: decided(portNumber, { put: true, filter: false }),
  external_port_range: decided(range, { put: true }),
  internal_port_range: decided(range, { put: true }),
  internal_ip_address: decided(ip, { put: true }),
  internal_port_id: required(uuid, { put: true }),
};

const numberOf = (text: string) =>
  /^\d+:\d+$/.test(text) && text.split(':')[0] !== text.split(':')[1]
    ? null
    : Number(text.split(':')[0]);

function forwardingView(one: PortForwarding): View {
  return {
    ...plainView(attributes, one),
    external_port: numberOf(one.external_port_range),
    internal_port: numberOf(one.internal_port_range),
  };
}

/** What a floating IP tells of its forwardings. */
export function forwardingSummary(one: PortForwarding): View {
  const { protocol, internal_ip_address, external_port_range, internal_port_range } = one;
  return {
    protocol,
    internal_ip_address,
    external_port: numberOf(external_port_range),
    internal_port: numberOf(internal_port_range),
    external_port_range,
    internal_port_range,
  };
}

export function portForwardings(core: NetworkCore): Resource<'port_forwarding'> {
  return {
    kind: 'port_forwarding',
    member: 'port_forwarding',
    collection: 'port_forwardings',
    path: '/v2.0/floatingips/:floatingip_id/port_forwardings',
    rule: 'floatingip_port_forwarding',
    attributes,
    indexed: { internal_port_id: 'port_id' },
    within: (params) => ({ by: { floatingip_id: params.floatingip_id ?? '' } }),
    views: async (_, documents) => documents.map(forwardingView),
    targets: (db, documents) => parentTargets(core, db, documents),
    create: (tx, values, change, params) => createForwarding(core, tx, values, change, params),
    update: (tx, before, values) => updateForwarding(core, tx, before, values),
    remove: async (tx, one) => {
      await core.remove(tx, one);
      const left = await core.list(tx, 'port_forwarding', {
        by: { floatingip_id: one.floatingip_id },
      });
      const floating = await core.find(tx, 'floatingip', one.floatingip_id);
      if (left.length === 0 && floating !== undefined)
        await core.update(tx, 'floatingip', floating, { router_id: null });
    },
  };
}

async function parentTargets(
  core: NetworkCore,
  db: Db,
  documents: readonly Partial<PortForwarding>[],
): Promise<View[]> {
  const ids = [...new Set(documents.map((one) => String(one.floatingip_id)))];
  const found = new Map((await core.list(db, 'floatingip', { ids })).map((one) => [one.id, one]));
  return documents.map((one) => ({
    'ext_parent:project_id': found.get(String(one.floatingip_id))?.project_id,
  }));
}

async function createForwarding(
  core: NetworkCore,
  tx: Tx,
  values: Input,
  { asker }: Change,
  params: Params,
): Promise<PortForwarding> {
  const floating = await core.find(tx, 'floatingip', params.floatingip_id ?? '');
  if (floating === undefined || (!asker.isAdmin && floating.project_id !== asker.projectId))
    throw fail('floating-ip-not-found', `Floating IP ${params.floatingip_id} could not be found`);
  if (floating.port_id !== null)
    throw fail(
      'floating-ip-in-use',
      `Floating IP ${floating.id} is associated with port ${floating.port_id} and cannot be used for port forwarding.`,
    );
  const wanted = await settle(core, tx, floating, values, undefined);
  const made = await core.insert(tx, 'port_forwarding', {
    ...wanted,
    id: core.newId(),
    project_id: floating.project_id,
    description: String(values.description ?? ''),
  });
  return made;
}

async function updateForwarding(
  core: NetworkCore,
  tx: Tx,
  before: PortForwarding,
  values: Input,
): Promise<PortForwarding> {
  const floating = await core.get(tx, 'floatingip', before.floatingip_id);
  const wanted = await settle(core, tx, floating, values, before);
  return await core.update(tx, 'port_forwarding', before, {
    ...wanted,
    ...(values.description === undefined ? {} : { description: String(values.description) }),
  });
}

type Settled = Pick<
  PortForwarding,
  | 'floatingip_id'
  | 'protocol'
  | 'external_port_range'
  | 'internal_port_range'
  | 'internal_ip_address'
  | 'internal_port_id'
>;

async function settle(
  core: NetworkCore,
  tx: Tx,
  floating: FloatingIp,
  values: Input,
  before: PortForwarding | undefined,
): Promise<Settled> {
  const external = rangeOf('external', values, before?.external_port_range);
  const internal = rangeOf('internal', values, before?.internal_port_range);
  if (
    external.last - external.first !== internal.last - internal.first &&
    internal.first !== internal.last
  )
    throw badRequest(
      'Invalid input for port_forwarding: the internal and external port ranges differ in size.',
    );
  if (external.last - external.first > 100)
    throw badRequest('A range of port forwardings has at most 100 ports.');
  const port = await core.find(
    tx,
    'port',
    String(values.internal_port_id ?? before?.internal_port_id),
  );
  if (port === undefined || port.project_id !== floating.project_id)
    throw fail('port-not-found', `Port ${values.internal_port_id} could not be found.`);
  const address = String(
    values.internal_ip_address ??
      (values.internal_port_id === undefined ? before?.internal_ip_address : undefined) ??
      port.fixed_ips[0]?.ip_address,
  );
  const fixed = port.fixed_ips.find((one) => one.ip_address === address);
  if (fixed === undefined)
    throw badRequest(
      `Bad port_forwarding request: Port ${port.id} does not have fixed ip ${address}.`,
    );
  const routerId = await routerFor(core, tx, floating, fixed.subnet_id, port.id);
  if (floating.router_id !== null && floating.router_id !== routerId)
    throw badRequest(
      `Bad port_forwarding request: Floating IP ${floating.id} leads through router ${floating.router_id} already.`,
    );
  if (floating.router_id === null)
    await core.update(tx, 'floatingip', floating, { router_id: routerId });
  const protocol = String(values.protocol ?? before?.protocol);
  const others = await core.list(tx, 'port_forwarding', { by: { floatingip_id: floating.id } });
  const clash = others.find((one) => {
    const theirs = bounds(one.external_port_range);
    return (
      one.id !== before?.id &&
      one.protocol === protocol &&
      theirs.first <= external.last &&
      external.first <= theirs.last
    );
  });
  if (clash !== undefined)
    throw badRequest(
      `Bad port_forwarding request: A duplicate port forwarding entry with same attributes already exists, conflicting values are {'floatingip_id': '${floating.id}', 'external_port_range': '${clash.external_port_range}'}.`,
    );
  return {
    floatingip_id: floating.id,
    protocol,
    external_port_range: `${external.first}:${external.last}`,
    internal_port_range: `${internal.first}:${internal.last}`,
    internal_ip_address: address,
    internal_port_id: port.id,
  };
}

export interface PortBounds {
  readonly first: number;
  readonly last: number;
}

export function bounds(text: string): PortBounds {
  const [first = '0', last = first] = text.split(':');
  return { first: Number(first), last: Number(last) };
}

function rangeOf(
  side: 'external' | 'internal',
  values: Input,
  before: string | undefined,
): PortBounds {
  const single = values[`${side}_port`];
  const many = values[`${side}_port_range`];
  if (single !== undefined && many !== undefined)
    throw badRequest(`Only one of ${side}_port and ${side}_port_range may be given.`);
  const text = many !== undefined ? String(many) : single !== undefined ? String(single) : before;
  if (text === undefined)
    throw badRequest(`Failed to parse request. Required attribute '${side}_port' not specified`);
  const read = bounds(text);
  if (
    !/^\d{1,5}(:\d{1,5})?$/.test(text) ||
    read.first < 1 ||
    read.last > 65_535 ||
    read.first > read.last
  )
    throw badRequest(
      `Invalid input for ${side}_port_range. Reason: '${text}' is not a valid port range.`,
    );
  return read;
}
