/** What happens to volumes that are there: deletion, growth, going back, another type, another image. */
import Type from 'typebox';
import { declareWorkflow, type Workflow } from '#cloud/operations';
import { roomOf } from '#cloud/state';
import type { Tx, VolumeCore } from '../core.ts';
import { releaseKey } from '../key-holders.ts';
import { finish } from '../operations.ts';
import { hold, volumeAmounts } from '../quotas.ts';
import { findRow } from '../rows.ts';
import type { VolumeTables } from '../tables.ts';
import { makeVolume, termsOf, theRow } from './create-volume.ts';
import { missingIsDone } from './missing.ts';

const oneVolume = { volumeId: Type.String() };
const minuteMs = 60_000;

export function volumeWorkflows(core: VolumeCore): readonly Workflow[] {
  return [
    deleteWorkflow(core),
    extendWorkflow(core),
    revertWorkflow(core),
    retypeWorkflow(core),
    reimageWorkflow(core),
  ];
}

function deleteWorkflow(core: VolumeCore): Workflow {
  return declareWorkflow({
    name: 'volume.delete',
    input: Type.Object(oneVolume),
    // Data that is gone cannot be brought back.
    pointOfNoReturn: 'remove',
    steps: [
      {
        name: 'remove',
        timeoutMs: 10 * minuteMs,
        retriesMax: 10,
        run: async ({ input: { volumeId } }) => {
          await removeData(core, volumeId);
          const row = await findRow(core.db, 'volume', volumeId);
          await releaseKey(core, row?.encryption_key_id, { kind: 'volumes', id: volumeId });
          return { commit: (transaction) => removeRows(core, roomOf(transaction), volumeId) };
        },
      },
    ],
    ended: (transaction, operation, { volumeId }) =>
      finish(core, roomOf<VolumeTables>(transaction), 'volume', volumeId, operation),
  });
}

/** Snapshots and the pins of backups go first, then the volume. Backups themselves stay where they were shipped to. */
export async function removeData(core: VolumeCore, volumeId: string): Promise<void> {
  const pins = await core.db
    .selectFrom('volume_backup')
    .select('pin_id as id')
    .where('volume_id', '=', volumeId)
    .where('pin_id', '<>', '')
    .execute();
  const snapshots = await core.db
    .selectFrom('volume_snapshot')
    .select('id')
    .where('volume_id', '=', volumeId)
    .execute();
  for (const { id } of [...snapshots, ...pins])
    await missingIsDone(() => core.engine.deleteSnapshot(volumeId, id));
  await missingIsDone(() => core.engine.delete(volumeId, { force: true }));
}

/** Everything that is known of a volume, and what it counted. */
export async function removeRows(
  core: VolumeCore,
  transaction: Tx,
  volumeId: string,
): Promise<void> {
  const snapshots = await transaction
    .deleteFrom('volume_snapshot')
    .where('volume_id', '=', volumeId)
    .returning('id')
    .execute();
  for (const { id } of snapshots) await core.quotas.release(transaction, id);
  for (const table of ['volume_attachment', 'volume_transfer'] as const)
    await transaction.deleteFrom(table).where('volume_id', '=', volumeId).execute();
  await forgetPins(transaction, volumeId);
  await transaction.deleteFrom('volume').where('id', '=', volumeId).execute();
  await core.quotas.release(transaction, volumeId);
}

/** Backups of a volume whose data went can still be restored, but no incremental one can build on them. */
export async function forgetPins(transaction: Tx, volumeId: string): Promise<void> {
  await transaction
    .updateTable('volume_backup')
    .set({ pin_id: '' })
    .where('volume_id', '=', volumeId)
    .execute();
}

function extendWorkflow(core: VolumeCore): Workflow {
  return declareWorkflow({
    name: 'volume.extend',
    input: Type.Object({ ...oneVolume, fromGib: Type.Integer(), toGib: Type.Integer() }),
    steps: [
      {
        name: 'extend',
        timeoutMs: minuteMs,
        retriesMax: 5,
        run: async ({ input: { volumeId, toGib } }) => {
          await core.engine.extend(volumeId, toGib * 2 ** 30);
          await core.grown(volumeId, toGib);
          return {
            commit: async (transaction) => {
              await roomOf<VolumeTables>(transaction)
                .updateTable('volume')
                .set({ size_gib: toGib, updated_at_us: core.clock.nowUs() })
                .where('id', '=', volumeId)
                .execute();
            },
          };
        },
      },
    ],
    ended: async (untyped, operation, { volumeId, fromGib }) => {
      const transaction = roomOf<VolumeTables>(untyped);
      await finish(core, transaction, 'volume', volumeId, operation);
      if (operation.state === 'succeeded') return;
      const row = await theRow(core, volumeId);
      const amounts = volumeAmounts(await typeNameOf(core, row.type_id), fromGib);
      await hold(core, transaction, row.project_id, volumeId, amounts);
    },
  });
}

function revertWorkflow(core: VolumeCore): Workflow {
  return declareWorkflow({
    name: 'volume.revert',
    input: Type.Object({ ...oneVolume, snapshotId: Type.String() }),
    steps: [
      {
        name: 'revert',
        timeoutMs: minuteMs,
        retriesMax: 5,
        run: async ({ input: { volumeId, snapshotId } }) => {
          await core.engine.revert(volumeId, { snapshot: snapshotId });
          return undefined;
        },
      },
    ],
    ended: (transaction, operation, { volumeId }) =>
      finish(core, roomOf<VolumeTables>(transaction), 'volume', volumeId, operation),
  });
}

function retypeWorkflow(core: VolumeCore): Workflow {
  return declareWorkflow({
    name: 'volume.retype',
    input: Type.Object({
      ...oneVolume,
      fromTypeId: Type.String(),
      toTypeId: Type.String(),
      multiattach: Type.Boolean(),
    }),
    steps: [
      {
        name: 'limits',
        timeoutMs: minuteMs,
        retriesMax: 5,
        run: async ({ input: { volumeId, toTypeId, multiattach } }) => {
          await core.engine.change(volumeId, await termsOf(core, toTypeId));
          return {
            commit: async (transaction) => {
              await roomOf<VolumeTables>(transaction)
                .updateTable('volume')
                .set({ type_id: toTypeId, multiattach: multiattach ? 1 : 0 })
                .where('id', '=', volumeId)
                .execute();
            },
          };
        },
        undo: async ({ input: { volumeId, fromTypeId } }) => {
          await core.engine.change(volumeId, await termsOf(core, fromTypeId));
          return undefined;
        },
      },
    ],
    ended: async (untyped, operation, { volumeId, fromTypeId, toTypeId }) => {
      const transaction = roomOf<VolumeTables>(untyped);
      await finish(core, transaction, 'volume', volumeId, operation);
      const typeId = operation.state === 'succeeded' ? toTypeId : fromTypeId;
      const row = await theRow(core, volumeId);
      await core.quotas.release(transaction, volumeId);
      const amounts = volumeAmounts(await typeNameOf(core, typeId), row.size_gib);
      await hold(core, transaction, row.project_id, volumeId, amounts);
    },
  });
}

/** The old content goes; the same volume is made of the image anew. */
function reimageWorkflow(core: VolumeCore): Workflow {
  return declareWorkflow({
    name: 'volume.reimage',
    input: Type.Object({
      ...oneVolume,
      imageId: Type.String(),
      imageMetadata: Type.Record(Type.String(), Type.String()),
    }),
    pointOfNoReturn: 'empty',
    steps: [
      {
        name: 'empty',
        timeoutMs: minuteMs,
        retriesMax: 5,
        run: async ({ input: { volumeId } }) => {
          await removeData(core, volumeId);
          return { commit: (transaction) => forgetPins(roomOf(transaction), volumeId) };
        },
      },
      {
        name: 'fill',
        timeoutMs: minuteMs,
        retriesMax: 5,
        run: async ({ input: { volumeId, imageId, imageMetadata }, signal, progress }) => {
          const row = await theRow(core, volumeId);
          const source = { kind: 'image', imageId } as const;
          const made = await makeVolume(core, row, source, { signal, progress });
          if (!made) return { againAfterMs: 500 };
          return {
            commit: async (transaction) => {
              await roomOf<VolumeTables>(transaction)
                .updateTable('volume')
                .set({ image_metadata_json: JSON.stringify(imageMetadata), bootable: 1 })
                .where('id', '=', volumeId)
                .execute();
            },
          };
        },
      },
    ],
    ended: (transaction, operation, { volumeId }) =>
      finish(core, roomOf<VolumeTables>(transaction), 'volume', volumeId, operation),
  });
}

export async function typeNameOf(core: VolumeCore, typeId: string): Promise<string> {
  const row = await core.db
    .selectFrom('volume_type')
    .select('name')
    .where('id', '=', typeId)
    .executeTakeFirstOrThrow();
  return row.name;
}
