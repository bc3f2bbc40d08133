/**
 * Contents: bytes in the object store that images refer to.
 *
 * Invariant: the bytes of a content are deleted only in the state `dropping`, which it enters in a transaction that has
 * locked its row and then seen that no image and no transfer refers to it; from there it never comes back.
 */
import type { ImageCore, Tx } from '../core.ts';
import type { ContentRow } from '../tables.ts';
import type { StoredContent } from './interfaces.ts';

/** The bytes of a content, wherever they are: an object of the store, or a volume that was made an image. */
export async function openContent(core: ImageCore, contentId: string): Promise<StoredContent> {
  const row = await core.db
    .selectFrom('image_content')
    .select('source')
    .where('id', '=', contentId)
    .executeTakeFirst();
  if (row?.source === null || row === undefined || core.volumes === undefined)
    return await core.store.open(contentId);
  return await core.volumes.open(contentId);
}

/** Called after a reference was taken away: drops the content if that was the last one. */
export async function releaseContent(tx: Tx, contentId: string): Promise<void> {
  // Locks the row first; who wants to refer to it locks it as well.
  const { numUpdatedRows } = await tx
    .updateTable('image_content')
    .set({ state: 'stored' })
    .where('id', '=', contentId)
    .where('state', '=', 'stored')
    .executeTakeFirst();
  if (numUpdatedRows === 0n) return;
  const user = await tx
    .selectFrom('image_image')
    .select('id')
    .where((where) =>
      where.or([where('content_id', '=', contentId), where('staged_id', '=', contentId)]),
    )
    .limit(1)
    .executeTakeFirst();
  if (user !== undefined) return;
  await tx
    .updateTable('image_content')
    .set({ state: 'dropping' })
    .where('id', '=', contentId)
    .execute();
}

/** A content that takes the place of another with the same bytes: the one stored first stays. */
export async function settleContent(
  tx: Tx,
  filled: {
    readonly id: string;
    readonly size: number;
    readonly md5: string;
    readonly sha512: string;
    readonly format: string;
    readonly virtualSize: number;
  },
): Promise<string> {
  const same = await tx
    .updateTable('image_content')
    .set({ state: 'stored' })
    .where('sha512', '=', filled.sha512)
    .where('size', '=', filled.size)
    .where('state', '=', 'stored')
    .returning('id')
    .executeTakeFirst();
  if (same !== undefined) {
    await tx
      .updateTable('image_content')
      .set({ state: 'dropping' })
      .where('id', '=', filled.id)
      .execute();
    return same.id;
  }
  await tx
    .updateTable('image_content')
    .set({
      state: 'stored',
      size: filled.size,
      md5: filled.md5,
      sha512: filled.sha512,
      format: filled.format,
      virtual_size: filled.virtualSize,
    })
    .where('id', '=', filled.id)
    .execute();
  return filled.id;
}

export async function insertFilling(core: ImageCore, tx: Tx): Promise<string> {
  const id = core.newId();
  await tx
    .insertInto('image_content')
    .values({
      id,
      state: 'filling',
      size: null,
      md5: null,
      sha512: null,
      format: null,
      virtual_size: null,
      volume_state: 'none',
      volume_id: null,
      volume_reason: '',
      source: null,
      created_at_us: core.nowUs(),
    })
    .execute();
  return id;
}

/** Deletes the bytes of dropped contents, then their rows. */
export async function deleteDropped(core: ImageCore): Promise<number> {
  const rows = await core.db
    .selectFrom('image_content')
    .select(['id', 'volume_state'])
    .where('state', '=', 'dropping')
    // While one is being made its operation has to end first, or the volume would outlive its content.
    .where('volume_state', '<>', 'wanted')
    .limit(100)
    .execute();
  for (const row of rows) {
    try {
      await deleteOne(core, row);
    } catch (error) {
      // The next sweep tries again; the others do not have to wait for this one.
      core.log.warn({ err: error, contentId: row.id }, 'cannot delete the bytes of an image yet');
    }
  }
  return rows.length;
}

async function deleteOne(
  core: ImageCore,
  { id, volume_state }: Pick<ContentRow, 'id' | 'volume_state'>,
): Promise<void> {
  if (volume_state !== 'none') await core.volumes?.delete(id);
  await core.store.delete(id);
  await core.db
    .deleteFrom('image_content')
    .where('id', '=', id)
    .where('state', '=', 'dropping')
    .execute();
}
