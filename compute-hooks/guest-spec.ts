/** What a guest is started from: its server's disks made reachable, its ports plugged in, its configuration written down. */
import type { ComputeCore, ComputeHost } from './core.ts';
import type { GuestDisk, GuestPort, GuestSpec } from './drivers/driver.ts';
import { parseFlavor } from './flavor-facts.ts';
import { configDriveOf } from './metadata/documents.ts';
import type { ServerPort } from './neighbours.ts';
import { disksOf, portsOf } from './rows.ts';
import type { DiskRow, PortRow, ServerRow } from './tables.ts';

export async function guestSpec(core: ComputeCore, server: ServerRow): Promise<GuestSpec> {
  const host = core.host(server.host);
  const flavor = parseFlavor(server.flavor_json);
  const disks: GuestDisk[] = [];
  for (const row of await disksOf(core.db, server.id))
    disks.push(await guestDisk(core, host, server, row));
  const ports: GuestPort[] = [];
  for (const row of await portsOf(core.db, server.id))
    if (row.made === 1) ports.push(await guestPort(core, host, server, row));
  return {
    id: server.id,
    name: server.name,
    vcpus: flavor.vcpus,
    memoryMib: flavor.memoryMib,
    disks,
    ports,
    configDrive: server.config_drive === 1 ? await configDriveOf(core, server) : undefined,
  };
}

/** Lets this host's guest reach the disk. */
export async function guestDisk(
  core: ComputeCore,
  host: ComputeHost,
  server: ServerRow,
  row: DiskRow,
): Promise<GuestDisk> {
  const reach =
    row.kind === 'volume' && core.volumes !== undefined
      ? await core.volumes.connect(row.id, {
          host: host.name,
          mountpoint: `/dev/${row.device}`,
        })
      : await core.engine
          .attach({
            id: row.id,
            volume: row.volume_id,
            note: `server ${server.id} on ${host.name}`,
          })
          .then(({ exportName, mode }) => ({ exportName, readOnly: mode === 'ro' }));
  // A rescued server starts from its rescue disk.
  const rescued = server.mode === 'rescued' && row.kind !== 'rescue';
  return {
    id: row.id,
    device: row.device,
    bootIndex:
      rescued || row.boot_index === null || row.boot_index < 0 ? undefined : row.boot_index,
    socketPath: host.nbdSocketPath,
    exportName: reach.exportName,
    readOnly: reach.readOnly,
    serial: row.volume_id,
  };
}

export async function guestPort(
  core: ComputeCore,
  host: ComputeHost,
  server: ServerRow,
  row: PortRow,
): Promise<GuestPort> {
  if (core.ports === undefined) throw new Error('A port without a network');
  return plugIn(host, server, await core.ports.bind(row.port_id, host.name));
}

async function plugIn(host: ComputeHost, server: ServerRow, port: ServerPort): Promise<GuestPort> {
  if (host.network === undefined) throw new Error('A port without a network');
  await host.network.ensure();
  const plugged = await host.network.plug(
    { id: port.id, macAddress: port.macAddress, mtu: port.mtu, deviceId: server.id },
    host.uid === undefined ? {} : { uid: host.uid },
  );
  return {
    id: port.id,
    macAddress: port.macAddress,
    mtu: plugged.mtu,
    tap: plugged.tap,
    vnetHeader: plugged.vnetHeader,
    enter: plugged.enter,
  };
}

/** The same for a guest that is to go on elsewhere: its disks and ports there, beside those it has. */
export async function movedSpec(
  core: ComputeCore,
  server: ServerRow,
  host: ComputeHost,
): Promise<GuestSpec> {
  const flavor = parseFlavor(server.flavor_json);
  const disks: GuestDisk[] = [];
  for (const row of await disksOf(core.db, server.id)) {
    const present = await guestDisk(core, core.host(server.host), server, row);
    const { exportName } = await core.engine.offerAttachment(row.volume_id, row.id);
    disks.push({ ...present, exportName, socketPath: host.nbdSocketPath });
  }
  const ports: GuestPort[] = [];
  for (const row of await portsOf(core.db, server.id))
    if (row.made === 1) {
      await core.ports?.bindNext(row.port_id, host.name);
      ports.push(await plugIn(host, server, await portOf(core, row)));
    }
  return {
    id: server.id,
    name: server.name,
    vcpus: flavor.vcpus,
    memoryMib: flavor.memoryMib,
    disks,
    ports,
    configDrive: server.config_drive === 1 ? await configDriveOf(core, server) : undefined,
  };
}

const portOf = async (core: ComputeCore, row: PortRow): Promise<ServerPort> => {
  if (core.ports === undefined) throw new Error('A port without a network');
  return core.ports.get(row.port_id);
};

/** Takes the guest's ports out of its host's switch. */
export const unplugPorts = (core: ComputeCore, server: ServerRow): Promise<void> =>
  unplugPortsAt(core, server, server.host);

export async function unplugPortsAt(
  core: ComputeCore,
  server: ServerRow,
  hostName: string | null,
): Promise<void> {
  const { network } = core.host(hostName);
  // Where networks cannot be carried at all nothing is plugged in; what was, before, is found when they can be again.
  if (network === undefined || network.status().state === 'missing') return;
  for (const port of await portsOf(core.db, server.id)) await network.unplug(port.port_id);
}
