/** A volume's content as it is at one instant becomes an image, by reference. */
import Type from 'typebox';
import { declareWorkflow, type Workflow } from '#cloud/operations';
import { roomOf } from '#cloud/state';
import type { VolumeCore } from '../core.ts';
import { holdKey } from '../key-holders.ts';
import { finish } from '../operations.ts';
import { findRow } from '../rows.ts';
import type { VolumeTables } from '../tables.ts';
import { shipTimeoutMs } from './create-volume.ts';
import { missingIsDone } from './missing.ts';

export function uploadImageWorkflow(core: VolumeCore): Workflow {
  return declareWorkflow({
    name: 'volume.upload',
    input: Type.Object({ volumeId: Type.String(), imageId: Type.String() }),
    steps: [
      {
        name: 'snapshot',
        timeoutMs: 60_000,
        retriesMax: 5,
        run: async ({ input: { volumeId }, operation }) => {
          await core.engine.snapshot(volumeId, { id: operation.id });
          return undefined;
        },
        undo: async ({ input: { volumeId }, operation }) => {
          await missingIsDone(() => core.engine.deleteSnapshot(volumeId, operation.id));
          return undefined;
        },
      },
      {
        name: 'image',
        timeoutMs: shipTimeoutMs,
        retriesMax: 5,
        run: async ({ input: { volumeId, imageId }, operation }) => {
          // The image is sealed with the volume's key, and is not heard of again: the key stays with it.
          const row = await findRow(core.db, 'volume', volumeId);
          await holdKey(core, row?.encryption_key_id, { kind: 'images', id: imageId });
          await core.images.fill(imageId, { volume: volumeId, snapshot: operation.id });
          return undefined;
        },
        undo: async ({ input: { imageId } }) => {
          await core.images.abandon(imageId);
          return undefined;
        },
      },
      {
        name: 'release',
        timeoutMs: 60_000,
        retriesMax: 10,
        run: async ({ input: { volumeId }, operation }) => {
          await missingIsDone(() => core.engine.deleteSnapshot(volumeId, operation.id));
          return undefined;
        },
      },
    ],
    ended: (transaction, operation, { volumeId }) =>
      finish(core, roomOf<VolumeTables>(transaction), 'volume', volumeId, operation),
  });
}
