/** The same server on a new root disk; and rescue, which starts it from another disk with its own beside it. */
import { Failure } from '#common';
import { disksOf } from '../../rows.ts';
import type { DiskRow } from '../../tables.ts';
import type { Change } from '../change-server.ts';
import { dropDisk, makeDisk, removeGuest, startGuest } from '../parts.ts';

export const rebuildChanges: Readonly<Record<string, Change>> = {
  rebuild: {
    run: async (core, step) => {
      const { server, signal } = step;
      const before = (await disksOf(core.db, server.id)).find(({ kind }) => kind === 'root');
      if (before === undefined)
        throw new Failure('conflict', 'no-root-disk', 'The server boots from a volume');
      await removeGuest(core, server);
      const newVolume = String(step.input.newVolumeId);
      if (before.volume_id !== newVolume) {
        const after: DiskRow = {
          ...before,
          volume_id: newVolume,
          source_id: String(step.input.sourceId),
        };
        await makeDisk(core, server, after);
        await core.db
          .updateTable('compute_disk')
          .set({ volume_id: after.volume_id, source_id: after.source_id })
          .where('id', '=', before.id)
          .execute();
      }
      // The id of the old one came with the operation, so that it goes even if the row was written before.
      const oldVolume = String(step.input.oldVolumeId);
      await dropDisk(core, { ...before, volume_id: oldVolume }, { force: true });
      const row = { ...(step.input.row as object), power: 'running' as const };
      await step.write(row);
      await startGuest(core, { ...server, ...row }, signal);
      return { row: { mode: 'normal', power: 'running', launched_at_us: core.clock.nowUs() } };
    },
  },
  rescue: {
    run: async (core, { server, input, signal, write }) => {
      const rescue: DiskRow = {
        id: String(input.diskId),
        server_id: server.id,
        kind: 'rescue',
        volume_id: String(input.volumeId),
        device: 'vda',
        boot_index: 0,
        size_gib: Number(input.sizeGib),
        source_id: String(input.sourceId),
        delete_on_termination: 1,
        tag: null,
        connected: 0,
        created_at_us: 0,
      };
      await makeDisk(core, server, rescue);
      await core.db
        .insertInto('compute_disk')
        .values(rescue)
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      const before = server.mode === 'rescued' ? server.before_json : beforeOf(server);
      await write({ mode: 'rescued', before_json: before });
      const { hypervisor } = core.host(server.host);
      await hypervisor.stop(server.id, { graceMs: core.settings.stopGraceMs });
      await startGuest(core, { ...server, mode: 'rescued' }, signal);
      return { row: { mode: 'rescued', power: 'running' } };
    },
  },
  unrescue: {
    run: async (core, { server, signal, write }) => {
      const { hypervisor } = core.host(server.host);
      if (server.mode === 'rescued')
        await hypervisor.stop(server.id, { graceMs: core.settings.stopGraceMs });
      for (const disk of await disksOf(core.db, server.id)) {
        if (disk.kind !== 'rescue') continue;
        await dropDisk(core, disk, { force: true });
        await core.db.deleteFrom('compute_disk').where('id', '=', disk.id).execute();
      }
      await write({ mode: 'normal' });
      await startGuest(core, { ...server, mode: 'normal' }, signal);
      return { row: { mode: 'normal', power: 'running', before_json: '{}' } };
    },
  },
};

const beforeOf = (server: { readonly power: string }) => JSON.stringify({ power: server.power });
