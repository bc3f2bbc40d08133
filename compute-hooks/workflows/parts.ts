/** The pieces that workflows are made of: a server's disks and ports, made or taken away. Each may be repeated. */
import { Failure } from '#common';
import type { ComputeCore } from '../core.ts';
import { guestSpec, unplugPorts } from '../guest-spec.ts';
import { disksOf, findServer, portsOf } from '../rows.ts';
import type { DiskRow, ServerRow } from '../tables.ts';
import { missingIsDone } from './missing.ts';

export const gib = 2 ** 30;

export async function getServer(core: ComputeCore, id: string): Promise<ServerRow> {
  const row = await findServer(core.db, id);
  if (row !== undefined) return row;
  throw new Failure('missing', 'server-row-missing', 'The server is not known any more', {
    facts: { id },
  });
}

export async function makeDisks(
  core: ComputeCore,
  server: ServerRow,
  signal: AbortSignal,
): Promise<void> {
  for (const disk of await disksOf(core.db, server.id)) {
    if (disk.kind === 'volume') await untilFilled(core, server, disk, signal);
    await makeDisk(core, server, disk);
  }
}

const filling = new Set(['creating', 'downloading']);
const askAgainMs = 200;

/** A volume that is made for its server is there when its content is. */
async function untilFilled(
  core: ComputeCore,
  server: ServerRow,
  disk: DiskRow,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const volume = await core.volumes?.find(disk.volume_id, server.project_id);
    if (volume === undefined || !filling.has(volume.status)) return;
    if (signal.aborted)
      throw new Failure('busy', 'volume-slow', 'A volume of the server was not made in time');
    await core.clock.sleep(askAgainMs);
  }
}

export async function makeDisk(core: ComputeCore, server: ServerRow, disk: DiskRow): Promise<void> {
  if (disk.kind === 'volume') {
    await core.volumes?.reserve({
      attachmentId: disk.id,
      volumeId: disk.volume_id,
      projectId: server.project_id,
      serverId: server.id,
    });
    return;
  }
  await core.engine.create({
    id: disk.volume_id,
    name: `${server.name} ${disk.device}`,
    project: server.project_id,
    sizeBytes: disk.size_gib * gib,
    ...(disk.source_id === null ? {} : { from: { volume: disk.source_id } }),
  });
}

/** Nothing reaches the disk any more; one that the server alone has is gone. */
export async function dropDisk(
  core: ComputeCore,
  disk: DiskRow,
  options: { readonly force?: boolean } = {},
): Promise<void> {
  if (disk.kind === 'volume') {
    await missingIsDone(async () => core.volumes?.release(disk.id, options));
    if (disk.delete_on_termination === 1)
      await missingIsDone(async () => core.volumes?.delete(disk.volume_id));
    return;
  }
  await missingIsDone(() => core.engine.detach(disk.volume_id, disk.id, options));
  await missingIsDone(() => core.engine.delete(disk.volume_id, { force: true, cascade: true }));
}

/** Ends connections without taking disks away: a server that is off leaves its disks to whoever may open them next. */
export async function closeDisks(core: ComputeCore, server: ServerRow): Promise<void> {
  for (const disk of await disksOf(core.db, server.id))
    if (disk.kind !== 'volume')
      await missingIsDone(() => core.engine.detach(disk.volume_id, disk.id));
}

export async function makePorts(core: ComputeCore, server: ServerRow): Promise<void> {
  const { ports } = core;
  if (ports === undefined || server.host === null) return;
  for (const row of await portsOf(core.db, server.id)) {
    const device = {
      projectId: server.project_id,
      deviceId: server.id,
      deviceOwner: `compute:${server.zone ?? core.settings.zone}`,
      host: server.host,
      dnsName: server.hostname,
    };
    if (row.adopted === 1) await ports.adopt(row.port_id, device);
    else
      await ports.create({
        ...device,
        id: row.port_id,
        networkId: row.network_id,
        securityGroups: JSON.parse(server.groups_json) as string[],
        ...(row.fixed_ip === null ? {} : { fixedIps: [{ ipAddress: row.fixed_ip }] }),
      });
    await core.db
      .updateTable('compute_port')
      .set({ made: 1 })
      .where('port_id', '=', row.port_id)
      .execute();
  }
}

export async function releasePorts(core: ComputeCore, server: ServerRow): Promise<void> {
  for (const row of await portsOf(core.db, server.id))
    await missingIsDone(async () => core.ports?.release(row.port_id, server.id));
}

/** The guest runs, with everything it has. */
export async function startGuest(
  core: ComputeCore,
  server: ServerRow,
  signal: AbortSignal,
): Promise<void> {
  const host = core.host(server.host);
  const spec = await guestSpec(core, server);
  await host.hypervisor.start(spec, signal);
  await completeDisks(core, server);
  if (spec.ports.length > 0)
    await core.ports?.waitUp(
      spec.ports.map(({ id }) => id),
      signal,
    );
}

async function completeDisks(core: ComputeCore, server: ServerRow): Promise<void> {
  for (const disk of await disksOf(core.db, server.id))
    if (disk.kind === 'volume') await core.volumes?.complete(disk.id);
}

/** The guest is gone from its host, and its ports from the host's switch. */
export async function removeGuest(core: ComputeCore, server: ServerRow): Promise<void> {
  if (server.host === null || !core.hosts.has(server.host)) return;
  await core.host(server.host).hypervisor.remove(server.id);
  await unplugPorts(core, server);
}
