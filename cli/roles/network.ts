/** The network service, and the external network `public` that a new cloud begins with. */
import * as os from 'node:os';
import type { Identity } from '#cloud/identity';
import { createNetworks, datapath, firstFreeRange, type Networks } from '#cloud/network';
import { systemClock, systemNet, type Undo } from '#common';
import type { DataFolder } from '../data-folder.ts';
import type { RoleContext } from './context.ts';
import type { Controller } from './controller.ts';
import { meterNetworks } from './network-calls.ts';
import { prepareNetworkHost } from './network-host.ts';

export interface NetworkParts
  extends Pick<Controller, 'state' | 'quotas' | 'events' | 'authenticate'> {
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

/** One host, this machine, with daemons in the data folder. */
async function connect(
  networks: Networks,
  { folder }: NetworkParts,
  context: RoleContext,
): Promise<void> {
  const tag = context.clusterId.replaceAll('-', '').slice(0, 6);
  const root = folder.path('run', 'net');
  await networks.connect({
    net: systemNet,
    folder: root,
    hosts: [
      {
        folder: `${root}/h`,
        hostname: os.hostname(),
        tag,
        external: await networks.publicLeg(),
        ...(datapath() === 'netdev' ? { namespace: `pn-${tag}`, ownNamespace: true } : {}),
      },
    ],
    prepare: () => prepareNetworkHost(root),
  });
}

function addressesOfMachine(): string[] {
  return Object.values(os.networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).flatMap(({ cidr }) => (cidr === null ? [] : [cidr])),
  );
}
