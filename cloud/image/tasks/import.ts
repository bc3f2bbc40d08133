/**
 * Imports: staged bytes, or bytes from the web, become an image's data.
 *
 * Each step may be repeated: a download that was cut off is begun anew and what it had stored is dropped; referring to the stored
 * content and ending the task are one transaction.
 */

import { releaseContent } from '../content/contents.ts';
import { checkDeclared, takeIn } from '../content/intake.ts';
import {
  activate,
  beginTransfer,
  carry,
  refer,
  renewal,
  roomFor,
  settleTransfer,
} from '../content/transfers.ts';
import { download } from '../content/web-download.ts';
import type { ImageCore, Tx } from '../core.ts';
import { imageFailure } from '../failures.ts';
import type { ContentFormat } from '../formats/inspection.ts';
import { findImage, type ImageRecord } from '../images/records.ts';
import type { TaskRow } from '../tables.ts';
import { parseInput } from './methods.ts';
import type { TaskWork } from './runner.ts';

export function importWork(core: ImageCore): TaskWork {
  return async ({ task, signal }) => {
    const image = await findImage(core, task.image_id ?? '', { projectId: undefined });
    if (image === undefined)
      throw imageFailure('gone', { why: 'The image was deleted before its import.' });
    const { method, uri } = parseInput(task.input);
    if (image.content_id === null) {
      if (method === 'web-download') await fromWeb(core, image, uri ?? '', signal);
      else await fromStaged(core, image);
    }
    return async () => ({ image_id: image.id });
  };
}

async function fromStaged(core: ImageCore, image: ImageRecord): Promise<void> {
  const stagedId = image.staged_id;
  if (stagedId === null)
    throw imageFailure('conflict', { why: 'There is no staged data to import.' });
  const content = await core.db
    .selectFrom('image_content')
    .select(['format', 'virtual_size'])
    .where('id', '=', stagedId)
    .executeTakeFirstOrThrow();
  checkDeclared(core, declaredBy(image), {
    // Written by our own inspector.
    format: (content.format ?? 'raw') as ContentFormat,
    virtualBytes: content.virtual_size ?? 0,
  });
  await core.change((tx) => refer(core, tx, image.id, stagedId));
}

const declaredBy = (image: ImageRecord) => ({
  diskFormat: image.disk_format ?? 'raw',
  containerFormat: image.container_format ?? 'bare',
});

async function fromWeb(
  core: ImageCore,
  image: ImageRecord,
  uri: string,
  signal: AbortSignal,
): Promise<void> {
  const transfer = await beginTransfer(core, image, 'uploading');
  await carry(core, transfer, async () => {
    const response = await download(core.settings, uri, signal);
    try {
      const taken = await takeIn(core, {
        contentId: transfer.contentId,
        body: response.body,
        ...(response.lengthBytes === undefined ? {} : { lengthBytes: response.lengthBytes }),
        declared: declaredBy(image),
        onProgress: renewal(core, transfer),
        bytesMax: await roomFor(core, image, 'image_size_total'),
      });
      await core.change(async (tx) => {
        await settleTransfer(tx, transfer);
        await activate(core, tx, { imageId: image.id, contentId: transfer.contentId, taken });
      });
    } finally {
      await response.close();
    }
  });
}

/** The image of a failed import is queued again and says why; what was staged for it goes. */
export async function failedImage(
  core: ImageCore,
  tx: Tx,
  task: TaskRow,
  reason: string,
): Promise<void> {
  if (task.type === 'volume') {
    const { contentId } = JSON.parse(task.input) as { contentId: string };
    await tx
      .updateTable('image_content')
      .set({ volume_state: 'failed', volume_reason: reason.slice(0, 1_000) })
      .where('id', '=', contentId)
      .execute();
    return;
  }
  const image = await tx
    .selectFrom('image_image')
    .select(['id', 'staged_id'])
    .where('id', '=', task.image_id ?? '')
    .where('state', '=', 'queued')
    .executeTakeFirst();
  if (image === undefined) return;
  await tx
    .updateTable('image_image')
    .set({
      reason: reason.slice(0, 1_000),
      staged_id: null,
      size: null,
      updated_at_us: core.nowUs(),
    })
    .where('id', '=', image.id)
    .execute();
  if (image.staged_id !== null) await releaseContent(tx, image.staged_id);
}
