/** Disks and ports of a server that is there: plugged in while it runs, or there at its next start. */
import type { ComputeCore } from '../../core.ts';
import { guestDisk, guestPort } from '../../guest-spec.ts';
import { disksOf, portsOf } from '../../rows.ts';
import type { DiskRow, PortRow, ServerRow } from '../../tables.ts';
import type { Change, ChangeStep } from '../change-server.ts';
import { missingIsDone } from '../missing.ts';
import { dropDisk, makeDisk, makePorts } from '../parts.ts';

const isUp = async (core: ComputeCore, server: ServerRow): Promise<boolean> =>
  server.host !== null && (await core.host(server.host).hypervisor.power(server.id)) !== 'off';

async function theDisk(core: ComputeCore, step: Pick<ChangeStep, 'server' | 'input'>) {
  const disks = await disksOf(core.db, step.server.id);
  return disks.find(({ id }) => id === String(step.input.diskId));
}

async function thePort(core: ComputeCore, step: Pick<ChangeStep, 'server' | 'input'>) {
  const ports = await portsOf(core.db, step.server.id);
  return ports.find(({ port_id }) => port_id === String(step.input.portId));
}

async function plugDisk(core: ComputeCore, server: ServerRow, disk: DiskRow): Promise<void> {
  if (server.host !== null && (await isUp(core, server))) {
    const host = core.host(server.host);
    await host.hypervisor.plugDisk(server.id, await guestDisk(core, host, server, disk));
  }
  await core.volumes?.complete(disk.id);
}

async function unplugDisk(
  core: ComputeCore,
  server: ServerRow,
  disk: DiskRow,
  signal: AbortSignal,
): Promise<void> {
  if (server.host !== null && core.hosts.has(server.host))
    await core.host(server.host).hypervisor.unplugDisk(server.id, disk.id, signal);
  await dropDisk(core, { ...disk, delete_on_termination: 0 });
  await core.db.deleteFrom('compute_disk').where('id', '=', disk.id).execute();
}

async function dropPort(
  core: ComputeCore,
  server: ServerRow,
  port: PortRow,
  signal: AbortSignal,
): Promise<void> {
  if (server.host !== null && core.hosts.has(server.host)) {
    const host = core.host(server.host);
    await host.hypervisor.unplugPort(server.id, port.port_id, signal);
    if (host.network?.status().state !== 'missing') await host.network?.unplug(port.port_id);
  }
  await missingIsDone(async () => core.ports?.release(port.port_id, server.id));
  await core.db.deleteFrom('compute_port').where('port_id', '=', port.port_id).execute();
}

export const deviceChanges: Readonly<Record<string, Change>> = {
  'attach-volume': {
    run: async (core, step) => {
      const disk = await theDisk(core, step);
      if (disk === undefined) return undefined;
      await makeDisk(core, step.server, disk);
      await plugDisk(core, step.server, disk);
      return {
        commit: async (transaction) => {
          await transaction
            .updateTable('compute_disk')
            .set({ connected: 1 })
            .where('id', '=', disk.id)
            .execute();
        },
      };
    },
    undo: async (core, step) => {
      const disk = await theDisk(core, step);
      if (disk !== undefined) await unplugDisk(core, step.server, disk, step.signal);
    },
  },
  'detach-volume': {
    run: async (core, step) => {
      const disk = await theDisk(core, step);
      if (disk !== undefined) await unplugDisk(core, step.server, disk, step.signal);
      return undefined;
    },
  },
  'attach-port': {
    run: async (core, step) => {
      const { server } = step;
      await makePorts(core, server);
      const port = await thePort(core, step);
      if (port === undefined || server.host === null || !(await isUp(core, server)))
        return undefined;
      const host = core.host(server.host);
      await host.hypervisor.plugPort(server.id, await guestPort(core, host, server, port));
      return undefined;
    },
    undo: async (core, step) => {
      const port = await thePort(core, step);
      if (port !== undefined) await dropPort(core, step.server, port, step.signal);
    },
  },
  'detach-port': {
    run: async (core, step) => {
      const port = await thePort(core, step);
      if (port !== undefined) await dropPort(core, step.server, port, step.signal);
      return undefined;
    },
  },
};
