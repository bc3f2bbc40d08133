/** The network service, and the external network `public` that a new cloud begins with. */
import * as os from 'node:os';
import type { Identity } from '#cloud/identity';
import { createNetworks, firstFreeRange, type Networks } from '#cloud/network';
import { systemClock, type Undo } from '#common';
import type { DataFolder } from '../data-folder.ts';
import type { RoleContext } from './context.ts';
import type { Controller } from './controller.ts';

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
  const admin = await parts.identity.projectId('admin');
  if (settings.externalNetwork && admin !== undefined)
    await networks.ensurePublic(
      admin,
      firstFreeRange(settings.externalRange, addressesOfMachine()),
    );
  return networks;
}

function addressesOfMachine(): string[] {
  return Object.values(os.networkInterfaces()).flatMap((addresses) =>
    (addresses ?? []).flatMap(({ cidr }) => (cidr === null ? [] : [cidr])),
  );
}
