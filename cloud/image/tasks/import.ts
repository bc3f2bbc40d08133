/**
 * The operation `image.import`: staged bytes, bytes from the web or those of an object become an image's data.
 *
 * Its one step may be repeated: a download that was cut off is begun anew and what it had stored is dropped; that the image
 * refers to its content is one transaction, after which there is nothing more to do.
 */
import Type, { type Static } from 'typebox';
import { declareWorkflow, type Operation, type Workflow } from '#cloud/operations';
import { roomOf } from '#cloud/state';
import { openContent, releaseContent } from '../content/contents.ts';
import { decompressed, startsPacked } from '../content/decompress.ts';
import { checkDeclared, takeIn } from '../content/intake.ts';
import {
  activate,
  beginTransfer,
  carry,
  refer,
  renewal,
  settleTransfer,
} from '../content/transfers.ts';
import { type Download, download } from '../content/web-download.ts';
import type { ImageCore, Tx } from '../core.ts';
import { imageFailure } from '../failures.ts';
import type { ContentFormat } from '../formats/inspection.ts';
import { reserve, roomFor } from '../images/quotas.ts';
import { findImage, type ImageRecord } from '../images/records.ts';
import type { ImageTables } from '../tables.ts';
import { fromObject } from './from-object.ts';
import { declaredBy, type ImportProgress, unpacks } from './import-progress.ts';
import { plainFailure } from './reasons.ts';
import { endTask } from './task-rows.ts';

const Input = Type.Object({
  taskId: Type.String(),
  imageId: Type.String(),
  method: Type.String(),
  uri: Type.Optional(Type.String()),
  object: Type.Optional(
    Type.Object({
      account: Type.String(),
      container: Type.String(),
      object: Type.String(),
      etag: Type.String(),
      sizeBytes: Type.Integer(),
      isManifest: Type.Optional(Type.Boolean()),
    }),
  ),
  sha512: Type.Optional(Type.String()),
});
type Input = Static<typeof Input>;

/** A day: what a download may take at the most is its own setting. */
const timeoutMs = 86_400_000;

export function importWorkflow(core: ImageCore): Workflow {
  return declareWorkflow({
    name: 'image.import',
    input: Input,
    steps: [
      {
        name: 'data',
        timeoutMs,
        retriesMax: 3,
        run: ({ input, signal, progress }) =>
          plainFailure(async () => {
            const succeeded = (tx: Tx) => succeed(core, tx, input);
            await importData(core, input, { signal, progress, succeeded });
            return undefined;
          }),
      },
    ],
    ended: async (transaction, operation, input) => {
      const tx = roomOf<ImageTables>(transaction);
      if (operation.state === 'succeeded') await succeed(core, tx, input);
      else await failImport(core, tx, input, reasonOf(operation));
    },
  });
}

async function importData(core: ImageCore, input: Input, progress: ImportProgress): Promise<void> {
  const image = await findImage(core, input.imageId, { projectId: undefined });
  if (image === undefined)
    throw imageFailure('gone', { why: 'The image was deleted before its import.' });
  // Done already, by a process that was killed before it could say so.
  if (image.content_id !== null) return;
  const { object: source, sha512 } = input;
  if (source !== undefined) await fromObject(core, image, { source, sha512, ...progress });
  else if (input.method === 'web-download') await fromWeb(core, image, input.uri ?? '', progress);
  else await fromStaged(core, image, progress);
}

async function fromStaged(
  core: ImageCore,
  image: ImageRecord,
  progress: ImportProgress,
): Promise<void> {
  const stagedId = image.staged_id;
  if (stagedId === null)
    throw imageFailure('conflict', { why: 'There is no staged data to import.' });
  if (unpacks(core, image)) {
    const stored = await openContent(core, stagedId);
    if (await startsPacked(stored)) {
      const body = stored.read(0, stored.sizeBytes);
      await receive(core, image, { body, lengthBytes: undefined }, progress);
      return;
    }
  }
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
  await core.change(async (tx) => {
    await refer(core, tx, image.id, stagedId);
    await progress.succeeded(tx);
  });
}

async function fromWeb(
  core: ImageCore,
  image: ImageRecord,
  uri: string,
  progress: ImportProgress,
): Promise<void> {
  await receive(core, image, () => download(core.settings, uri, progress.signal), progress);
}

type Incoming = Pick<Download, 'body' | 'lengthBytes'> & Partial<Pick<Download, 'close'>>;

/** Bytes become the image's data as they come, unpacked where that is wished. */
async function receive(
  core: ImageCore,
  image: ImageRecord,
  from: Incoming | (() => Promise<Incoming>),
  { progress, succeeded }: ImportProgress,
): Promise<void> {
  const transfer = await beginTransfer(core, image, 'uploading', { again: true });
  await carry(core, transfer, async () => {
    const incoming = typeof from === 'function' ? await from() : from;
    const renew = renewal(core, transfer);
    try {
      const unpack = unpacks(core, image);
      const { lengthBytes } = incoming;
      const taken = await takeIn(core, {
        contentId: transfer.contentId,
        body: unpack ? decompressed(incoming.body) : incoming.body,
        ...(lengthBytes === undefined || unpack ? {} : { lengthBytes }),
        declared: declaredBy(image),
        onProgress: async (bytes) => {
          progress(bytes, unpack ? 0 : (lengthBytes ?? 0), 'bytes');
          await renew();
        },
        bytesMax: await roomFor(core, image.owner, 'size_total'),
      });
      await core.change(async (tx) => {
        await settleTransfer(core, tx, transfer);
        await activate(core, tx, { imageId: image.id, contentId: transfer.contentId, taken });
        await succeeded(tx);
      });
    } finally {
      await incoming.close?.();
    }
  });
}

const reasonOf = ({ state, error }: Operation): string =>
  state === 'cancelled' ? 'The import was cancelled.' : (error?.message ?? 'The import failed.');

async function succeed(core: ImageCore, tx: Tx, input: Input): Promise<void> {
  await endTask(core, tx, input.taskId, {
    status: 'success',
    result: { image_id: input.imageId },
  });
}

/** The image is queued again and says why; what was staged for it goes. */
async function failImport(core: ImageCore, tx: Tx, input: Input, why: string): Promise<void> {
  const reason = why.slice(0, 1_000);
  await endTask(core, tx, input.taskId, { status: 'failure', message: reason });
  const image = await tx
    .selectFrom('image_image')
    .select(['id', 'owner', 'staged_id'])
    .where('id', '=', input.imageId)
    .where('state', '=', 'queued')
    .executeTakeFirst();
  if (image === undefined) return;
  await tx
    .updateTable('image_image')
    .set({ reason, staged_id: null, size: null, updated_at_us: core.nowUs() })
    .where('id', '=', image.id)
    .execute();
  await reserve(core, tx, image, { stage_total: 0 });
  if (image.staged_id !== null) await releaseContent(tx, image.staged_id);
}
