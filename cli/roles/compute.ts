/** The compute service, and the hypervisor of this machine. */

import * as os from 'node:os';
import { credentialsOf, type Identity } from '#cloud/identity';
import type { Images } from '#cloud/image';
import type { Networks } from '#cloud/network';
import { systemClock, systemNet, type Undo } from '#common';
import {
  type Compute,
  type ComputeHost,
  createCompute,
  FakeHypervisor,
  type Hypervisor,
  loadQemu,
  type ServerVolumes,
  type ServiceCalls,
} from '#compute-hooks';
import type { CloudStatus } from '../cloud-types.ts';
import { type DataFolder, guestsFolder } from '../data-folder.ts';
import type { RoleContext } from './context.ts';
import type { Controller } from './controller.ts';
import type { Gateway } from './gateway.ts';

export interface ComputeParts
  extends Pick<Controller, 'state' | 'operations' | 'quotas' | 'identity' | 'members'> {
  readonly folder: DataFolder;
  readonly gateway: Gateway;
  readonly images: Images;
  readonly volumes: ServerVolumes;
  readonly networks: Networks;
  readonly services: ServiceCalls;
  /** The one address, for links to consoles. */
  readonly api: string;
  readonly status: () => Promise<CloudStatus>;
}

export async function openCompute(
  parts: ComputeParts,
  context: RoleContext,
  opened: Undo,
): Promise<Compute> {
  const { state, operations, quotas, identity, gateway } = parts;
  const { settings, random } = context;
  const { networks } = parts;
  const hosts: ComputeHost[] = [];
  for (const [at, name] of hostNames(settings.compute.hosts).entries()) {
    const hypervisor = await openHypervisor(guestsFolder(parts.folder, at), context);
    opened.add(() => hypervisor.close());
    // Both rooms know a host by the same name.
    const network = networks.hosts.get(name);
    hosts.push({
      name,
      ...(network === undefined ? {} : { network }),
      hypervisor,
      nbdSocketPath: gateway.socketOf(name),
      space: spaceFrom(parts.status, settings.cloud.replicas),
    });
  }
  const compute = await createCompute({
    ...{ state, operations, quotas },
    engine: gateway.volumes,
    images: parts.images.forVolumes,
    volumes: parts.volumes,
    services: parts.services,
    // Without hosts that can be plugged into, ports would never come up.
    ...(networks.hosts.names().length === 0 ? {} : { ports: networks.servers }),
    hosts,
    settings: settings.compute,
    consoleUrl: `${parts.api}/compute-console`,
    clock: systemClock,
    random,
    log: context.log.child({ room: 'compute' }),
    authenticate: (token) => callerOf(identity, token),
  });
  opened.add(() => compute.close());
  gateway.askWhere((host, disk) => compute.isDiskAt(host, disk));
  const members = await parts.members.list();
  for (const { name } of [...hosts, ...members]) await gateway.admit(name);
  networks.metadata.serve((request, response, who) => {
    void compute.answerGuest(request, response, who);
  });
  return compute;
}

/** The machine, and what else it plays. */
export const hostNames = (count: number): string[] =>
  Array.from({ length: count }, (_, at) => os.hostname() + (at === 0 ? '' : `-${at + 1}`));

export async function openHypervisor(
  folder: string,
  context: Pick<RoleContext, 'settings' | 'log'>,
): Promise<Hypervisor> {
  const { hypervisor, accelerator, consoleLogMib } = context.settings.compute;
  if (hypervisor === 'fake') return new FakeHypervisor({ clock: systemClock });
  const { Qemu } = await loadQemu();
  return new Qemu({
    folder,
    accelerator,
    consoleBytesMax: consoleLogMib * 2 ** 20,
    net: systemNet,
    clock: systemClock,
    log: context.log.child({ room: 'qemu' }),
  });
}

async function callerOf(identity: Identity, token: string) {
  const info = await identity.validateToken(token);
  if (info === undefined) return undefined;
  return {
    token,
    userId: info.user.id,
    projectId: info.scope.kind === 'project' ? info.scope.id : undefined,
    isAdmin: info.roles.some(({ name }) => name === 'admin'),
    credentials: credentialsOf(info),
  };
}

export const spaceFrom = (status: () => Promise<CloudStatus>, replicas: number) => async () =>
  spaceOf(await status(), replicas);

/** What disks could fill: every byte is kept as often as there are replicas. */
function spaceOf({ devices }: CloudStatus, replicas: number) {
  const sum = (field: 'usedBytes' | 'freeBytes') =>
    devices.reduce((total, device) => total + device[field], 0) / replicas;
  return { totalBytes: sum('usedBytes') + sum('freeBytes'), freeBytes: sum('freeBytes') };
}
