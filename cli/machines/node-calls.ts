/** The control calls behind `pileus node …`, and the machine that comes with a token. */
import type { TLSSocket } from 'node:tls';
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { Failure, type Random, systemClock } from '#common';
import type { Replicator } from '#replicator';
import { Asking, issueCertificate } from '#wire';
import { parseArguments } from '../control/arguments.ts';
import type { ControlHandler } from '../control/protocol.ts';
import type { DataFolder } from '../data-folder.ts';
import { fingerprintOf } from '../hosts/registry.ts';
import { deviceName } from '../roles/devices.ts';
import { authorityOf } from '../roles/nbd-certificates.ts';
import { version, worksWith } from '../version.ts';
import type { ClusterNode } from './cluster-map.ts';
import { JoinTokens } from './join-tokens.ts';
import type { Links } from './links.ts';
import type { Membership } from './membership.ts';
import { newDevice, withDevices } from './ring-calls.ts';
import type { RingChange } from './ring-change.ts';

export interface NodeCallsParts {
  readonly folder: DataFolder;
  readonly clusterId: string;
  readonly random: Random;
  readonly membership: Membership;
  readonly links: Links;
  readonly change: RingChange;
  readonly replicator: Pick<Replicator, 'status'>;
  /** Where nodes come in, as they reach it. */
  readonly address: { readonly host: string; readonly port: number };
}

export interface NodeLine {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly devices: readonly string[];
  readonly joined: boolean;
  readonly since: string | null;
  readonly version: string | null;
  readonly epoch: number | null;
  readonly refused: string | null;
}

const Name = Type.Object({ name: Type.String({ pattern: '^[a-z0-9-]{1,63}$' }) });
const Added = Type.Object({
  ...Name.properties,
  zone: Type.Integer({ minimum: 0, maximum: 65_535 }),
});

/** What a machine says that joins. */
const Joining = Type.Object({
  secret: Type.String({ maxLength: 100 }),
  version: Type.String({ maxLength: 63 }),
  host: Type.String({ minLength: 1, maxLength: 255 }),
  port: Type.Integer({ minimum: 1, maximum: 65_535 }),
  devices: Type.Integer({ minimum: 1, maximum: 64 }),
});

export function nodeCalls(parts: NodeCallsParts): Readonly<Record<string, ControlHandler>> {
  const { folder, membership, links, random, clusterId, address } = parts;
  const tokens = new JoinTokens(folder, { clock: systemClock, random });
  const nodeCalled = (name: string): ClusterNode => {
    const node = membership.map.nodes.find((one) => one.name === name);
    if (node !== undefined) return node;
    throw new Failure('missing', 'no-such-node', `There is no node ${name}`);
  };
  return {
    'node-add': async (args) => {
      const { name, zone } = parseArguments(Added, args);
      if (membership.map.nodes.some((one) => one.name === name))
        throw new Failure('conflict', 'node-exists', `There is a node ${name} already`);
      const authority = fingerprintOf((await authorityOf(folder, random, clusterId)).certificate);
      return { token: tokens.make({ name, zone }, { ...address, authority }) };
    },
    'node-list': async () => membership.map.nodes.map((node) => lineOf(node, parts)),
    'node-remove': async (args) => {
      const node = nodeCalled(parseArguments(Name, args).name);
      const { devices } = membership.map.ring;
      const held = node.devices.filter((id) => devices[id] !== undefined);
      if (held.length > 0 || parts.change.isRunning)
        throw new Failure(
          'conflict',
          'node-has-devices',
          `Take its devices out first: ${held.map(deviceName).join(', ')}`,
        );
      await membership.change(
        (map) => ({ ...map, nodes: map.nodes.filter(({ name }) => name !== node.name) }),
        new AbortController().signal,
      );
      links.dismiss(node.name);
      return {};
    },
    'node-may-stop': async (args) => {
      await mayStop(nodeCalled(parseArguments(Name, args).name), parts);
      return {};
    },
  };
}

function lineOf({ name, host, port, devices }: ClusterNode, { links }: NodeCallsParts): NodeLine {
  const link = links.find(name);
  return {
    ...{ name, host, port, devices: devices.map(deviceName) },
    joined: link !== undefined,
    since: link === undefined ? null : new Date(link.sinceUs / 1000).toISOString(),
    version: link?.version ?? null,
    epoch: link?.epoch ?? null,
    refused: links.whyRefused(name) ?? null,
  };
}

/** A majority of every partition is well without it. */
async function mayStop(
  node: ClusterNode,
  { membership, replicator }: NodeCallsParts,
): Promise<void> {
  const busy = (why: string) =>
    new Failure('busy', 'node-needed', `${node.name} is needed: ${why}`);
  const { lagMs } = replicator.status();
  const unwell = new Set(node.devices);
  for (const [id, device] of membership.devices) {
    const status = await device.status().catch(() => undefined);
    if (status === undefined || status.refilling === true) unwell.add(id);
  }
  const { view } = membership;
  let short = 0;
  for (let partition = 0; partition < view.partitionCount; partition++) {
    const owners = view.primaries(partition);
    const left = owners.filter(({ id }) => !unwell.has(id)).length;
    if (left < Math.floor(owners.length / 2) + 1) short += 1;
  }
  if (short > 0) throw busy(`${short} partitions would have no majority without it`);
  if (lagMs === undefined) throw busy('the copies have not been compared yet');
}

/** The machine's end serves `joining` and `welcome`; the token is used up before anything is given for it. */
export async function admit(socket: TLSSocket, parts: NodeCallsParts): Promise<void> {
  const { folder, random, clusterId, membership, change } = parts;
  const asking = new Asking(socket, { clock: systemClock });
  const joining = await asking.call('joining', {});
  if (!Value.Check(Joining, joining))
    throw new Failure('invalid', 'bad-hello', 'A machine does not say what it must');
  const { host, port } = joining;
  const refuse = async (why: string): Promise<never> => {
    await asking.call('refused', { why });
    throw new Failure('denied', 'not-admitted', why);
  };
  if (!worksWith(version, joining.version))
    return refuse(`Version ${joining.version} does not work with the controller's ${version}`);
  if (change.isRunning) return refuse('The ring is being changed: try again when that is done');
  const tokens = new JoinTokens(folder, { clock: systemClock, random });
  const invited = tokens.use(joining.secret);
  if (invited === undefined) return refuse('This token was used already, or is too old');
  const { name, zone } = invited;
  const authority = await authorityOf(folder, random, clusterId);
  const issued = await issueCertificate({
    authority,
    random,
    clock: systemClock,
    name,
    hosts: [host],
  });
  const first = membership.map.ring.devices.length;
  const devices = Array.from({ length: joining.devices }, (_, at) => first + at);
  await asking.call('welcome', {
    ...{ clusterId, name, devices, authority: authority.certificate },
    ...{ certificate: issued.certificate, key: issued.key },
  });
  const fingerprint = fingerprintOf(issued.certificate);
  const node: ClusterNode = { name, host, port, devices, fingerprint };
  const inRing = devices.map((id) =>
    newDevice({ id, region: 1, zone, ip: host, port, device: deviceName(id), weight: 0, meta: '' }),
  );
  await membership.change(
    (map) => ({ ...map, nodes: [...map.nodes, node], ring: withDevices(map.ring, inRing) }),
    new AbortController().signal,
  );
  asking.close();
}
