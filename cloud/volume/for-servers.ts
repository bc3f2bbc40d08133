/** Volumes as servers use them: reserved, reached, in use, given back. Every call may be repeated with the same attachment id. */
import { isFailure } from '#common';
import { connect, disconnect, reserve, setStage } from './attachments.ts';
import type { Db, Tx, VolumeCore } from './core.ts';
import { notFound, volumeFailure } from './failures.ts';
import { parseMap } from './fields.ts';
import { take } from './operations.ts';
import { findRow } from './rows.ts';
import type { AttachmentRow, VolumeRow } from './tables.ts';
import { factsOf } from './volume-facts.ts';
import { missingIsDone } from './workflows/missing.ts';

export interface VolumeForServer {
  readonly id: string;
  readonly sizeGib: number;
  readonly bootable: boolean;
  readonly status: string;
  readonly multiattach: boolean;
  readonly imageProperties: Readonly<Record<string, string>>;
}

export interface VolumesForServers {
  find(volumeId: string, projectId: string): Promise<VolumeForServer>;
  reserve(request: {
    readonly attachmentId: string;
    readonly volumeId: string;
    readonly projectId: string;
    readonly serverId: string;
  }): Promise<void>;
  connect(
    attachmentId: string,
    connector: { readonly host: string; readonly mountpoint: string },
  ): Promise<{ readonly exportName: string; readonly readOnly: boolean }>;
  complete(attachmentId: string): Promise<void>;
  release(attachmentId: string, options?: { readonly force?: boolean }): Promise<void>;
  delete(volumeId: string): Promise<void>;
}

export function volumesForServers(core: VolumeCore): VolumesForServers {
  return {
    find: async (id, projectId) => viewOf(core, await volumeOf(core.db, id, projectId)),
    reserve: async ({ attachmentId, volumeId, projectId, serverId }) => {
      if ((await findRow(core.db, 'volume_attachment', attachmentId)) !== undefined) return;
      await core.change(async (transaction) => {
        const volume = await volumeOf(transaction, volumeId, projectId);
        await reserve(core, transaction, volume, { id: attachmentId, serverId, mode: 'rw' });
      });
    },
    connect: async (attachmentId, connector) => {
      const row = await connect(core, await attachmentOf(core, attachmentId), connector);
      const { exportName } = await core.engine.credentials(row.volume_id, row.id);
      return { exportName, readOnly: row.mode === 'ro' };
    },
    complete: async (attachmentId) => {
      const row = await attachmentOf(core, attachmentId);
      if (row.stage === 'attached') return;
      await setStage(core, row, 'attached', { attached_at_us: core.clock.nowUs() });
    },
    release: async (attachmentId, options) => {
      const row = await findRow(core.db, 'volume_attachment', attachmentId);
      if (row !== undefined) await disconnect(core, row, options);
    },
    delete: (volumeId) => missingIsDone(() => beginDelete(core, volumeId)),
  };
}

async function volumeOf(db: Db | Tx, id: string, projectId: string): Promise<VolumeRow> {
  const row = await findRow(db, 'volume', id);
  if (row === undefined || row.project_id !== projectId) throw notFound('Volume', id);
  return row;
}

async function attachmentOf(core: VolumeCore, id: string): Promise<AttachmentRow> {
  const row = await findRow(core.db, 'volume_attachment', id);
  if (row === undefined) throw notFound('Volume attachment', id);
  return row;
}

async function viewOf(core: VolumeCore, row: VolumeRow): Promise<VolumeForServer> {
  const { status } = await factsOf(core.db, row);
  return {
    id: row.id,
    sizeGib: row.size_gib,
    bootable: row.bootable === 1,
    status,
    multiattach: row.multiattach === 1,
    imageProperties: parseMap(row.image_metadata_json),
  };
}

/** What a server was asked to take away with itself. A volume that somebody else works on, or that has snapshots, is left. */
async function beginDelete(core: VolumeCore, volumeId: string): Promise<void> {
  try {
    await core.change(async (transaction) => {
      const row = await findRow(transaction, 'volume', volumeId);
      if (row === undefined) return;
      const { attachments } = await factsOf(transaction, row);
      const snapshot = await transaction
        .selectFrom('volume_snapshot')
        .select('id')
        .where('volume_id', '=', volumeId)
        .executeTakeFirst();
      if (attachments.length > 0 || snapshot !== undefined)
        throw volumeFailure('invalid-volume', { why: `Volume ${volumeId} is in use.` });
      const operation = await core.operations.start(
        {
          workflow: 'volume.delete',
          input: { volumeId },
          projectId: row.project_id,
          resource: { type: 'volume', id: volumeId },
        },
        transaction,
      );
      await take(transaction, 'volume', volumeId, operation.id, 'volume.delete');
    });
  } catch (error) {
    if (!isFailure(error, 'invalid')) throw error;
    core.log.warn({ volume: volumeId }, `left behind by its server: ${error.message}`);
  }
}
