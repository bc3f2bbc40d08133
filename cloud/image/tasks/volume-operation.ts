/** The operation `image.volume`: makes the volume of a content, once, whoever uploaded it. */
import Type from 'typebox';
import { declareWorkflow, type Workflow } from '#cloud/operations';
import { roomOf } from '#cloud/state';
import type { Converter } from '../content/qemu-img.ts';
import type { ImageCore, Tx } from '../core.ts';
import type { ContentRow, ImageTables } from '../tables.ts';
import { plainFailure } from './reasons.ts';
import { type MadeVolume, makeVolume } from './volume.ts';

const Input = Type.Object({ contentId: Type.String() });

/** Called when an image begins to refer to a content: it will have a volume, unless it has or cannot have one. */
export async function wantVolume(core: ImageCore, tx: Tx, content: ContentRow): Promise<void> {
  const able = core.volumes !== undefined && core.settings.volumes;
  const hasDisk = content.format !== 'ovf' && (content.size ?? 0) > 0;
  if (!able || !hasDisk || content.volume_state === 'wanted' || content.volume_state === 'made')
    return;
  await tx
    .updateTable('image_content')
    .set({ volume_state: 'wanted', volume_reason: '' })
    .where('id', '=', content.id)
    .execute();
  await core.operations.start(
    {
      workflow: 'image.volume',
      input: { contentId: content.id },
      resource: { type: 'image-content', id: content.id },
    },
    tx,
  );
}

export function volumeWorkflow(core: ImageCore, converter: Converter): Workflow {
  return declareWorkflow({
    name: 'image.volume',
    input: Input,
    steps: [
      {
        name: 'convert',
        timeoutMs: 2 * core.settings.convertTimeoutMs,
        retriesMax: 3,
        run: ({ input, signal }) =>
          plainFailure(async () => {
            const made = await makeVolume(core, converter, input.contentId, signal);
            if (made === undefined) return undefined;
            return {
              commit: (transaction) =>
                recordVolume(roomOf<ImageTables>(transaction), input.contentId, made),
            };
          }),
        undo: async ({ input }) => {
          await core.volumes?.delete(input.contentId);
          return undefined;
        },
      },
      {
        name: 'release',
        timeoutMs: 300_000,
        retriesMax: 100,
        run: async ({ input }) => {
          await releaseObject(core, input.contentId);
          return undefined;
        },
      },
    ],
    // The volume may be the only place of the bytes now.
    pointOfNoReturn: 'release',
    ended: async (transaction, { state, error }, { contentId }) => {
      const tx = roomOf<ImageTables>(transaction);
      if (state === 'succeeded') return await forgetWish(tx, contentId);
      await tx
        .updateTable('image_content')
        .set({
          volume_state: 'failed',
          volume_reason: (error?.message ?? 'It was cancelled.').slice(0, 1_000),
        })
        .where('id', '=', contentId)
        .execute();
    },
  });
}

async function recordVolume(tx: Tx, contentId: string, made: MadeVolume): Promise<void> {
  await tx
    .updateTable('image_content')
    .set({
      volume_state: 'made',
      volume_id: made.volumeId,
      ...(made.holdsBytes ? { source: JSON.stringify({ kind: 'volume' }) } : {}),
    })
    .where('id', '=', contentId)
    .execute();
}

/** The content went while its turn came: there is no volume, and none is wanted. */
async function forgetWish(tx: Tx, contentId: string): Promise<void> {
  await tx
    .updateTable('image_content')
    .set({ volume_state: 'none' })
    .where('id', '=', contentId)
    .where('volume_state', '=', 'wanted')
    .execute();
}

/** Bytes that the volume holds as they are need no object beside it: a raw image is kept once, and its zeros not at all. */
async function releaseObject(core: ImageCore, contentId: string): Promise<void> {
  const row = await core.db
    .selectFrom('image_content')
    .select('source')
    .where('id', '=', contentId)
    .executeTakeFirst();
  if (row !== undefined && row.source !== null) await core.store.delete(contentId);
}
