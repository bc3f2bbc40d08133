/** The network service, and the external network `public` that a new cloud begins with. */
import { execFile } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import { promisify } from 'node:util';
import type { Identity } from '#cloud/identity';
import { createNetworks, datapath, firstFreeRange, type Networks } from '#cloud/network';
import { Failure, systemClock, systemNet, type Undo } from '#common';
import type { DataFolder } from '../data-folder.ts';
import { tunnelAddress, uplinkOf } from '../hosts/registry.ts';
import { hostNames } from './compute.ts';
import type { RoleContext } from './context.ts';
import type { Controller } from './controller.ts';
import { meterNetworks } from './network-calls.ts';
import { prepareNetworkHost } from './network-host.ts';

export interface NetworkParts
  extends Pick<Controller, 'state' | 'quotas' | 'events' | 'authenticate' | 'members'> {
  readonly folder: DataFolder;
  readonly identity: Identity;
}

export async function openNetworks(
  parts: NetworkParts,
  context: RoleContext,
  opened: Undo,
): Promise<Networks> {
  const { state, quotas, events, authenticate } = parts;
  const settings = context.settings.network;
  const networks = await createNetworks({
    ...{ state, quotas, authenticate, settings },
    clock: systemClock,
    random: context.random,
    log: context.log.child({ room: 'network' }),
    emit: (transaction, event) => events.emit(transaction, event),
  });
  opened.add(() => networks.close());
  meterNetworks(networks, context.metrics);
  const admin = await parts.identity.projectId('admin');
  if (settings.externalNetwork && admin !== undefined)
    await networks.ensurePublic(
      admin,
      firstFreeRange(settings.externalRange, addressesOfMachine()),
    );
  if (settings.backend === 'auto') await connect(networks, parts, context);
  return networks;
}

/** This machine, with daemons in the data folder; and a second host, where the machine is to play one, by a wire. */
async function connect(
  networks: Networks,
  { folder, members }: NetworkParts,
  context: RoleContext,
): Promise<void> {
  const tag = context.clusterId.replaceAll('-', '').slice(0, 6);
  const root = folder.path('run', 'net');
  const external = await networks.publicLeg();
  const names = hostNames(context.settings.compute.hosts);
  const alone = names.length === 1;
  // Others than those that this machine plays.
  const others = (await members.list()).length > 0;
  const { tunnelRange } = context.settings.network;
  await networks.connect({
    net: systemNet,
    folder: root,
    hosts: names.map((hostname, at) => ({
      folder: `${root}/h${at === 0 ? '' : at + 1}`,
      hostname,
      tag: tagOf(tag, at),
      ...(at === 0 ? { external } : {}),
      ...(datapath() === 'netdev' || !alone || others
        ? { namespace: `pn-${tagOf(tag, at)}`, ownNamespace: true }
        : {}),
      ...(alone
        ? others
          ? { uplink: uplinkOf(tunnelAddress(tunnelRange, 1), tag) }
          : {}
        : { uplink: { device: `up${at}`, address: `10.255.255.${at + 1}`, prefixLength: 24 } }),
    })),
    prepare: async () => {
      refuseTakenRange(external, `px-${tag}`);
      await prepareNetworkHost(root);
      if (!alone) await joinHosts([tagOf(tag, 0), tagOf(tag, 1)]);
    },
  });
}

const tagOf = (tag: string, at: number): string => (at === 0 ? tag : `${tag.slice(0, 5)}${at + 1}`);

const execFileAsync = promisify(execFile);

/** A wire between the namespaces of two hosts, made when it is not there. */
async function joinHosts(tags: readonly [string, string]): Promise<void> {
  const ip = (...args: string[]) => execFileAsync('ip', args);
  const [one, two] = tags.map((tag) => `pn-${tag}`) as [string, string];
  for (const namespace of [one, two]) {
    if (fs.existsSync(`/run/netns/${namespace}`)) continue;
    await ip('netns', 'add', namespace);
    await ip('-n', namespace, 'link', 'set', 'lo', 'up');
  }
  const { stdout } = await ip('-n', one, '-br', 'link');
  if (/^up0[@ ]/m.test(stdout)) return;
  await ip('link', 'add', 'up0', 'netns', one, 'type', 'veth', 'peer', 'name', 'up1', 'netns', two);
  for (const [namespace, device] of [
    [one, 'up0'],
    [two, 'up1'],
  ] as const)
    await execFileAsync('ip', ['netns', 'exec', namespace, 'ethtool', '-K', device, 'tx', 'off']);
}

/** Two clouds with one range would answer for each other's floating addresses: the second is told, and carries no networks. */
function refuseTakenRange(leg: string | undefined, own: string): void {
  if (leg === undefined) return;
  const range = firstFreeRange(leg, []);
  if (firstFreeRange(leg, addressesOfMachine(own)) === range) return;
  throw new Failure(
    'conflict',
    'external-range-taken',
    `This machine has addresses in ${range} already, the range of this cloud's network \`public\`: another cloud's, perhaps`,
    {
      facts: {
        advice:
          'stop the other cloud, or give `public` another subnet (network.externalRange sets it at the first start)',
      },
    },
  );
}

function addressesOfMachine(except?: string): string[] {
  return Object.entries(os.networkInterfaces()).flatMap(([device, addresses]) =>
    device === except ? [] : (addresses ?? []).flatMap(({ cidr }) => (cidr === null ? [] : [cidr])),
  );
}
