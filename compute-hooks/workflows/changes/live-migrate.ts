/**
 * A guest moves to another host while it runs. Its disks stay where they are: both hosts reach them by NBD, each by secrets of its own.
 *
 *  1. There: ports are plugged in beside those here, disks offered to a second holder, and a twin is begun that stands still.
 *  2. The memory is copied while the guest runs, then the guest stops, flushes, and the last of its memory follows.
 *  3. The row says that it is there now. From here on there is no way back.
 *  4. Here: the guest is ended, and the secrets of this host are worth nothing: its connections are cut by the gateway, whatever became of
 *     its hypervisor. Invariant: nothing can write from here when the twin begins.
 *  5. There: the guest goes on, its ports follow.
 *
 * Broken off before 3, everything there is taken away and the guest goes on here; after it, what is left is done. Who begins again finds
 * a guest that has left whole, or its memory never arrived: then that of the guest here is the only one, and it goes on.
 */
import { messageOf } from '#common';
import type { ComputeCore } from '../../core.ts';
import type { GuestSpec } from '../../drivers/driver.ts';
import { parseFlavor } from '../../flavor-facts.ts';
import { movedSpec, unplugPortsAt } from '../../guest-spec.ts';
import { disksOf, portsOf } from '../../rows.ts';
import { claim, release } from '../../scheduler.ts';
import type { ServerRow } from '../../tables.ts';
import type { Change, ChangeStep } from '../change-server.ts';
import { missingIsDone } from '../missing.ts';

const consoleBytesMax = 1024 * 1024;

export const liveChanges: Readonly<Record<string, Change>> = {
  'live-migrate': {
    run: async (core, step) => {
      const { server, input, operation, signal } = step;
      const [from, to] = [String(input.from), String(input.host)];
      if (server.host !== to) {
        if (!(await core.host(from).hypervisor.hasGone(server.id))) await copy(core, step);
        await core.host(to).hypervisor.received(server.id, signal);
        signal.throwIfAborted();
        await step.write({ host: to });
      }
      await handOver(core, { ...server, host: to }, from);
      core.moving.delete(operation.id);
      return {
        row: { host: to },
        commit: (transaction) => release(transaction, operation.id),
      };
    },
    undo: async (core, { server, input, write, operation }) => {
      core.moving.delete(operation.id);
      const [from, to] = [String(input.from), String(input.host)];
      if (server.host === to) return finishThere(core, server, { from, write });
      await core.host(to).hypervisor.remove(server.id);
      await settle(core, server, 'present');
      await unplugPortsAt(core, server, to);
      for (const port of await portsOf(core.db, server.id))
        await core.ports?.bindNext(port.port_id, undefined);
      const { hypervisor } = core.host(server.host);
      if ((await hypervisor.power(server.id)) === 'off') await write({ power: 'stopped' });
      else if (server.power === 'running') await hypervisor.resume(server.id);
    },
    failed: async (_core, transaction, { serverId, input, operation }) => {
      const server = await transaction
        .selectFrom('compute_server')
        .selectAll()
        .where('id', '=', serverId)
        .executeTakeFirst();
      await release(transaction, operation.id);
      if (server === undefined || server.host === String(input.host)) return;
      const host = await transaction
        .selectFrom('compute_host')
        .select('id')
        .where('name', '=', server.host ?? '')
        .executeTakeFirst();
      const { project_id: projectId, user_id: userId } = server;
      if (host !== undefined)
        await claim(transaction, host.id, {
          ...{ serverId, projectId, userId },
          flavor: parseFlavor(server.flavor_json),
        });
    },
  },
};

async function copy(core: ComputeCore, step: ChangeStep): Promise<void> {
  const { server, input, signal, operation } = step;
  const source = core.host(server.host).hypervisor;
  const target = core.host(String(input.host));
  const spec: GuestSpec = {
    ...(await movedSpec(core, server, target)),
    places: await source.places(server.id),
  };
  const console = await source.consoleLog(server.id, consoleBytesMax);
  const stream = await target.hypervisor.receive(spec, { console });
  await source.send(server.id, stream, {
    signal,
    progress: (now) => {
      core.moving.set(operation.id, now);
      step.progress(now.doneBytes, now.totalBytes, 'bytes');
    },
  });
}

/** After the row has said so there is no way back, be the guest there lost or not. */
async function finishThere(
  core: ComputeCore,
  server: ServerRow,
  { from, write }: Pick<ChangeStep, 'write'> & { readonly from: string },
): Promise<void> {
  const isLost = (await core.host(server.host).hypervisor.power(server.id)) === 'off';
  if (isLost) await write({ power: 'stopped' });
  await handOver(core, isLost ? { ...server, power: 'stopped' } : server, from);
}

async function handOver(core: ComputeCore, server: ServerRow, from: string): Promise<void> {
  // The host may be out of reach by now. What is left of the guest there stands still, and the gateway cuts it off.
  await leaving(core, server, from, () => core.host(from).hypervisor.remove(server.id));
  await settle(core, server, 'next');
  for (const disk of await disksOf(core.db, server.id))
    if (disk.kind === 'volume' && server.host !== null)
      await core.volumes?.connect(disk.id, {
        host: server.host,
        mountpoint: `/dev/${disk.device}`,
      });
  const { hypervisor } = core.host(server.host);
  if (server.power === 'running') await hypervisor.resume(server.id);
  for (const port of await portsOf(core.db, server.id))
    await core.ports?.bind(port.port_id, server.host ?? '');
  await leaving(core, server, from, () => unplugPortsAt(core, server, from));
}

async function leaving(
  core: ComputeCore,
  server: ServerRow,
  from: string,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    core.log.warn({ server: server.id, host: from }, `left behind: ${messageOf(error)}`);
  }
}

async function settle(
  core: ComputeCore,
  server: ServerRow,
  keep: 'next' | 'present',
): Promise<void> {
  for (const disk of await disksOf(core.db, server.id))
    await missingIsDone(() => core.engine.settleAttachment(disk.volume_id, disk.id, keep));
}
