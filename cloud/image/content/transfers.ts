/**
 * Transfers: somebody sends an image's bytes to this process. The row is made before the first byte and goes with the last one; a
 * transfer whose lease ran out has ended, whoever finds it.
 *
 *  begin: a transfer row and a `filling` content → bytes → settle: the content is `stored` (or one with the same bytes is taken), the
 *  image refers to it, the transfer row goes; all in one transaction. Whatever fails before it: the content is dropped and
 *  the image is what it was.
 */
import type { ImageCore, Tx } from '../core.ts';
import { conflict, imageFailure } from '../failures.ts';
import { reserve, roomFor } from '../images/quotas.ts';
import type { ImageRecord } from '../images/records.ts';
import type { ImageRow, TransferRow } from '../tables.ts';
import { wantVolume } from '../tasks/volume-operation.ts';
import { insertFilling, releaseContent, settleContent } from './contents.ts';
import { type TakenContent, takeIn } from './intake.ts';

export interface Transfer {
  readonly imageId: string;
  readonly contentId: string;
  readonly kind: TransferRow['kind'];
}

/**
 * `again`: the caller is an operation, of which there is one at a time, and none but itself can have begun a transfer of this image: what
 * an earlier attempt left ends at once, though the process that made it may have been killed a moment ago.
 */
export async function beginTransfer(
  core: ImageCore,
  image: ImageRecord,
  kind: TransferRow['kind'],
  { again = false }: { readonly again?: boolean } = {},
): Promise<Transfer> {
  return await core.change(async (tx) => {
    await endTransfers(core, tx, { imageId: image.id, alive: again });
    if (!again) await refuseImporting(tx, image, kind);
    await reserve(core, tx, image, { count_uploading: 1 });
    const contentId = await insertFilling(core, tx);
    const { numInsertedOrUpdatedRows } = await tx
      .insertInto('image_transfer')
      .values({
        image_id: image.id,
        kind,
        content_id: contentId,
        holder: core.holder,
        lease_until_us: leaseEnd(core),
      })
      .onConflict((clash) => clash.doNothing())
      .executeTakeFirst();
    if (numInsertedOrUpdatedRows === 0n)
      throw conflict(`Image status transition from ${image.status} to ${kind} is not allowed`);
    return { imageId: image.id, contentId, kind };
  });
}

/** Asked for again in the transaction: an import that began since has the image to itself. */
async function refuseImporting(tx: Tx, image: ImageRecord, kind: string): Promise<void> {
  const task = await tx
    .selectFrom('image_task')
    .select('id')
    .where('image_id', '=', image.id)
    .where('status', 'in', ['pending', 'processing'])
    .executeTakeFirst();
  if (task !== undefined)
    throw conflict(`Image status transition from importing to ${kind} is not allowed`);
}

const leaseEnd = (core: ImageCore) => core.nowUs() + core.settings.transferLeaseMs * 1000;

/** Keeps the lease alive while bytes come, at a third of its length. */
export function renewal(core: ImageCore, transfer: Transfer): () => Promise<void> {
  let nextMs = core.clock.monotonicMs() + core.settings.transferLeaseMs / 3;
  return async () => {
    if (core.clock.monotonicMs() < nextMs) return;
    nextMs = core.clock.monotonicMs() + core.settings.transferLeaseMs / 3;
    const { numUpdatedRows } = await core.db
      .updateTable('image_transfer')
      .set({ lease_until_us: leaseEnd(core) })
      .where('content_id', '=', transfer.contentId)
      .executeTakeFirst();
    if (numUpdatedRows === 0n) throw goneMeanwhile(transfer.imageId);
  };
}

export interface Received {
  readonly body: AsyncIterable<Uint8Array>;
  readonly lengthBytes?: number;
}

/** Takes the bytes of a transfer in and makes the image `active` with them. */
export async function receiveData(
  core: ImageCore,
  image: ImageRecord,
  received: Received,
): Promise<void> {
  const transfer = await beginTransfer(core, image, 'saving');
  await carry(core, transfer, async () => {
    const taken = await takeIn(core, {
      ...received,
      contentId: transfer.contentId,
      declared: {
        diskFormat: image.disk_format ?? 'raw',
        containerFormat: image.container_format ?? 'bare',
      },
      onProgress: renewal(core, transfer),
      bytesMax: await roomFor(core, image.owner, 'size_total'),
    });
    await core.change(async (tx) => {
      await settleTransfer(core, tx, transfer);
      await activate(core, tx, { imageId: image.id, contentId: transfer.contentId, taken });
    });
  });
}

/** Takes the bytes in beside the image, for a later import. */
export async function stageData(
  core: ImageCore,
  image: ImageRecord,
  received: Received,
): Promise<void> {
  const transfer = await beginTransfer(core, image, 'uploading');
  await carry(core, transfer, async () => {
    const taken = await takeIn(core, {
      ...received,
      contentId: transfer.contentId,
      onProgress: renewal(core, transfer),
      bytesMax: await roomFor(core, image.owner, 'stage_total'),
    });
    await core.change(async (tx) => {
      await settleTransfer(core, tx, transfer);
      const contentId = await settle(tx, transfer.contentId, taken);
      await tx
        .updateTable('image_image')
        .set({ staged_id: contentId, size: taken.size, updated_at_us: core.nowUs(), reason: '' })
        .where('id', '=', image.id)
        .execute();
      await reserve(core, tx, image, { stage_total: taken.size });
    });
  });
}

/** Runs what fills a transfer; when that fails, nothing of it stays. */
export async function carry(
  core: ImageCore,
  transfer: Transfer,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    await core.change((tx) => abandon(core, tx, transfer));
    await deleteUnknown(core, transfer.contentId);
    throw error;
  }
}

/** Another process took this one for dead and deleted what there was: bytes that were stored after that are ours to delete. */
async function deleteUnknown(core: ImageCore, contentId: string): Promise<void> {
  const row = await core.db
    .selectFrom('image_content')
    .select('id')
    .where('id', '=', contentId)
    .executeTakeFirst();
  if (row === undefined) await core.store.delete(contentId);
}

export async function abandon(
  core: ImageCore,
  tx: Tx,
  transfer: Pick<Transfer, 'contentId'>,
): Promise<void> {
  await removeTransfer(core, tx, transfer);
  await tx
    .updateTable('image_content')
    .set({ state: 'dropping' })
    .where('id', '=', transfer.contentId)
    .where('state', '=', 'filling')
    .execute();
}

/** The transfer is whole; fails when the image was deleted, or another process took it for dead, meanwhile. */
export async function settleTransfer(core: ImageCore, tx: Tx, transfer: Transfer): Promise<void> {
  if (!(await removeTransfer(core, tx, transfer))) throw goneMeanwhile(transfer.imageId);
}

async function removeTransfer(
  core: ImageCore,
  tx: Tx,
  { contentId }: Pick<Transfer, 'contentId'>,
): Promise<boolean> {
  const row = await tx
    .deleteFrom('image_transfer')
    .where('content_id', '=', contentId)
    .returning('image_id')
    .executeTakeFirst();
  if (row === undefined) return false;
  const { owner } = await tx
    .selectFrom('image_image')
    .select('owner')
    .where('id', '=', row.image_id)
    .executeTakeFirstOrThrow();
  await reserve(core, tx, { id: row.image_id, owner }, { count_uploading: 0 });
  return true;
}

function goneMeanwhile(id: string) {
  return imageFailure('gone', {
    why: `Image ${id} could not be found after upload. The image may have been deleted during the upload, cleaning up the chunks uploaded.`,
  });
}

export async function settle(tx: Tx, contentId: string, taken: TakenContent): Promise<string> {
  const { format, virtualBytes } = taken.inspection;
  const { size, md5, sha512 } = taken;
  return await settleContent(tx, {
    ...{ id: contentId, size, md5, sha512, format },
    virtualSize: virtualBytes,
  });
}

/** Gives the image its data: from here on it is `active`. */
export async function activate(
  core: ImageCore,
  tx: Tx,
  given: {
    readonly imageId: string;
    readonly contentId: string;
    readonly taken: TakenContent;
    readonly volume?: VolumeWish;
  },
): Promise<void> {
  const contentId = await settle(tx, given.contentId, given.taken);
  await refer(core, tx, given.imageId, contentId, given.volume);
}

/** When a volume is made of the content: at once, so that servers start without waiting for it, or when one is asked for. */
export type VolumeWish = 'now' | 'later';

/** Lets the image refer to a stored content. */
export async function refer(
  core: ImageCore,
  tx: Tx,
  imageId: string,
  contentId: string,
  volume: VolumeWish = 'now',
): Promise<void> {
  const content = await tx
    .updateTable('image_content')
    .set({ state: 'stored' })
    .where('id', '=', contentId)
    .where('state', '=', 'stored')
    .returningAll()
    .executeTakeFirstOrThrow();
  const image = await tx
    .selectFrom('image_image')
    .select(['owner', 'size', 'staged_id'])
    .where('id', '=', imageId)
    .executeTakeFirst();
  if (image === undefined) throw goneMeanwhile(imageId);
  const held = { size_total: content.size ?? 0, stage_total: 0 };
  await reserve(core, tx, { id: imageId, owner: image.owner }, held);
  const columns: Partial<ImageRow> = {
    state: 'active',
    reason: '',
    size: content.size,
    virtual_size: content.virtual_size,
    checksum: content.md5,
    os_hash_value: content.sha512,
    content_id: contentId,
    staged_id: null,
    updated_at_us: core.nowUs(),
  };
  await tx.updateTable('image_image').set(columns).where('id', '=', imageId).execute();
  if (volume === 'now') await wantVolume(core, tx, content);
  await core.tell(tx, 'upload', { id: imageId, owner: image.owner });
  if (image.staged_id !== null && image.staged_id !== contentId)
    await releaseContent(tx, image.staged_id);
}

/** Ends transfers whose lease ran out, those this process held before it was started anew, and `alive` ones of an image. */
export async function endTransfers(
  core: ImageCore,
  tx: Tx,
  which: { readonly imageId?: string; readonly heldBefore?: boolean; readonly alive?: boolean },
): Promise<number> {
  let ended = tx.selectFrom('image_transfer').select('content_id as contentId');
  if (which.heldBefore === true) ended = ended.where('holder', '=', core.holder);
  else if (which.alive !== true) ended = ended.where('lease_until_us', '<=', core.nowUs());
  if (which.imageId !== undefined) ended = ended.where('image_id', '=', which.imageId);
  const rows = await ended.limit(1_000).execute();
  for (const row of rows) await abandon(core, tx, row);
  return rows.length;
}

/** Contents that are being filled by nobody: their transfer went with its image. */
export async function dropUnfilled(tx: Tx): Promise<void> {
  await tx
    .updateTable('image_content')
    .set({ state: 'dropping' })
    .where('state', '=', 'filling')
    .where((where) =>
      where.not(
        where.exists(
          where
            .selectFrom('image_transfer')
            .select('image_id')
            .whereRef('image_transfer.content_id', '=', 'image_content.id'),
        ),
      ),
    )
    .execute();
}
