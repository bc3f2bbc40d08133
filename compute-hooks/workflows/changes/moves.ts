/**
 * Another size, another host. Disks are volumes that every host reaches, so a move copies nothing: the guest ends here and starts there.
 * What a resize changes on the root disk can be taken back: it is preceded by a snapshot.
 */

import type { ComputeCore, Tx } from '../../core.ts';
import { type FlavorFacts, quotaAmounts } from '../../flavor-facts.ts';
import { settleMove } from '../../moves.ts';
import { hold } from '../../quotas.ts';
import { disksOf } from '../../rows.ts';
import { claim } from '../../scheduler.ts';
import type { DiskRow, ServerRow } from '../../tables.ts';
import type { Change } from '../change-server.ts';
import { missingIsDone } from '../missing.ts';
import { gib, removeGuest, startGuest } from '../parts.ts';

export interface Before {
  readonly flavor: FlavorFacts;
  readonly host: string;
  readonly power: string;
  readonly snapshot: string;
  readonly sizeGib: number;
}

const parseBefore = (server: ServerRow): Before => JSON.parse(server.before_json) as Before;

const rootOf = async (core: ComputeCore, serverId: string): Promise<DiskRow | undefined> =>
  (await disksOf(core.db, serverId)).find(({ kind }) => kind === 'root');

export const moveChanges: Readonly<Record<string, Change>> = {
  resize: {
    run: async (core, { server, input, operation, signal, write }) => {
      const flavor = input.flavor as FlavorFacts;
      const host = String(input.host);
      const before = input.before as Before;
      const old = core.host(before.host);
      await old.hypervisor.stop(server.id, { graceMs: core.settings.stopGraceMs });
      if (host !== before.host) await removeGuest(core, { ...server, host: before.host });
      const root = await rootOf(core, server.id);
      if (root !== undefined) {
        await core.engine.snapshot(root.volume_id, { id: before.snapshot, name: operation.id });
        const grown = Math.max(root.size_gib, flavor.diskGib);
        await core.engine.extend(root.volume_id, grown * gib);
        await setSize(core, root.id, grown);
      }
      const row = {
        flavor_id: flavor.id,
        flavor_json: JSON.stringify(flavor),
        host,
        before_json: JSON.stringify(before),
      };
      await write(row);
      if (before.power !== 'stopped') await startGuest(core, { ...server, ...row }, signal);
      return {
        row: { mode: 'resized', power: before.power === 'stopped' ? 'stopped' : 'running' },
      };
    },
    failed: async (core, transaction, { serverId, input }) => {
      const before = input.before as Before;
      await returnTo(core, transaction, serverId, before);
    },
    undo: async (core, { server, input, signal, write }) => {
      await goBack(core, server, input.before as Before, { signal, write });
    },
  },
  'confirm-resize': {
    run: async (core, { server }) => {
      const { snapshot } = parseBefore(server);
      const root = await rootOf(core, server.id);
      if (root !== undefined)
        await missingIsDone(() => core.engine.deleteSnapshot(root.volume_id, snapshot));
      return {
        row: { mode: 'normal', before_json: '{}' },
        commit: (transaction) => settleMove(core, transaction, server.id, 'confirmed'),
      };
    },
  },
  'revert-resize': {
    run: async (core, { server, signal, write }) => {
      if (server.mode !== 'resized') return undefined;
      const before = parseBefore(server);
      await goBack(core, server, before, { signal, write });
      return {
        row: {
          mode: 'normal',
          before_json: '{}',
          power: before.power === 'stopped' ? 'stopped' : 'running',
        },
        commit: async (transaction) => {
          await returnTo(core, transaction, server.id, before);
          await settleMove(core, transaction, server.id, 'reverted');
        },
      };
    },
  },
  /** After its host was lost: whoever may still run there can write nothing from now on. */
  evacuate: {
    run: async (core, { server, input, signal, write }) => {
      for (const disk of await disksOf(core.db, server.id)) {
        if (disk.kind === 'volume') await core.volumes?.release(disk.id, { force: true });
        else await core.engine.detach(disk.volume_id, disk.id, { force: true });
        if (disk.kind === 'volume')
          await core.volumes?.reserve({
            attachmentId: disk.id,
            volumeId: disk.volume_id,
            projectId: server.project_id,
            serverId: server.id,
          });
      }
      const host = String(input.host);
      await write({ host });
      if (server.power === 'stopped') return { row: { host } };
      await startGuest(core, { ...server, host }, signal);
      return { row: { host, power: 'running' } };
    },
  },
};

async function setSize(core: ComputeCore, diskId: string, size_gib: number): Promise<void> {
  await core.db.updateTable('compute_disk').set({ size_gib }).where('id', '=', diskId).execute();
}

/** The guest as it was before its resize, on its old host; what was written since is lost, as upstream's copy would be. */
async function goBack(
  core: ComputeCore,
  server: ServerRow,
  before: Before,
  step: {
    readonly signal: AbortSignal;
    readonly write: (values: Partial<ServerRow>) => Promise<void>;
  },
): Promise<void> {
  await removeGuest(core, server);
  const root = await rootOf(core, server.id);
  if (root !== undefined) {
    await missingIsDone(() => core.engine.detach(root.volume_id, root.id, { force: true }));
    await missingIsDone(() => core.engine.revert(root.volume_id, { snapshot: before.snapshot }));
    await missingIsDone(() => core.engine.deleteSnapshot(root.volume_id, before.snapshot));
    await setSize(core, root.id, before.sizeGib);
  }
  const row = {
    flavor_id: before.flavor.id,
    flavor_json: JSON.stringify(before.flavor),
    host: before.host,
  };
  await step.write(row);
  if (before.power !== 'stopped')
    await startGuest(core, { ...server, ...row, mode: 'normal' }, step.signal);
}

/** Claims and quotas as they were. */
async function returnTo(
  core: ComputeCore,
  transaction: Tx,
  serverId: string,
  before: Before,
): Promise<void> {
  const row = await transaction
    .selectFrom('compute_server')
    .select(['project_id', 'user_id'])
    .where('id', '=', serverId)
    .executeTakeFirst();
  const host = await transaction
    .selectFrom('compute_host')
    .select('id')
    .where('name', '=', before.host)
    .executeTakeFirst();
  if (row === undefined || host === undefined) return;
  await claim(transaction, host.id, {
    serverId,
    projectId: row.project_id,
    userId: row.user_id,
    flavor: before.flavor,
  });
  const who = { scope: row.project_id, holder: serverId };
  await hold(core, transaction, who, quotaAmounts(before.flavor));
}
