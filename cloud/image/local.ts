/** Images made on this machine, by the program or its operator: the format is what the content is found to be. */

import { Failure, type FailureKind } from '#common';
import { takeIn } from './content/intake.ts';
import { activate, beginTransfer, carry, renewal, settleTransfer } from './content/transfers.ts';
import type { ImageCore } from './core.ts';
import { imageMissing } from './failures.ts';
import type { ContentFormat } from './formats/inspection.ts';
import { insertImage, writeParts } from './images/changing.ts';
import { reserve, roomFor } from './images/quotas.ts';
import { findImage, type ImageRecord, selectImages, withParts } from './images/records.ts';
import { startTask } from './tasks/task-rows.ts';

export interface NewLocalImage {
  /** The same id again finds the image that is there. */
  readonly id?: string;
  readonly name: string;
  readonly owner: string | null;
  readonly visibility: 'public' | 'shared';
  readonly properties?: ReadonlyMap<string, string>;
}

export interface LocalImage {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly size: number | undefined;
  readonly diskFormat: string | undefined;
  readonly visibility: string;
  /** Why the last attempt to give it data failed. */
  readonly reason: string | undefined;
}

export interface ImageVolume {
  readonly volumeId: string;
  readonly virtualBytes: number;
}

export interface LocalImages {
  list(): Promise<LocalImage[]>;
  find(id: string): Promise<LocalImage | undefined>;
  /** The sealed volume with what a guest would see of the image; fails while there is none, saying why. */
  volumeOf(idOrName: string): Promise<ImageVolume>;
  /** Makes the image, or goes on with the one of this id that has no data yet. */
  create(
    image: NewLocalImage,
    body: AsyncIterable<Uint8Array>,
    lengthBytes?: number,
  ): Promise<LocalImage>;
  /** Begins a download; `find` tells how it goes. */
  download(image: NewLocalImage, uri: string, diskFormat: string): Promise<LocalImage>;
}

export function localImages(core: ImageCore): LocalImages {
  return {
    list: async () => {
      const rows = await selectImages(core, core.db, undefined)
        .orderBy('image_image.created_at_us')
        .limit(core.settings.limitMax)
        .execute();
      return (await withParts(core.db, rows)).map(viewOf);
    },
    find: async (id) => {
      const image = await findImage(core, id, { projectId: undefined });
      return image === undefined ? undefined : viewOf(image);
    },
    volumeOf: (idOrName) => volumeOf(core, idOrName),
    create: (image, body, lengthBytes) => createLocal(core, image, { body, lengthBytes }),
    download: async (image, uri, diskFormat) => {
      const { id } = await ensureImage(core, image, diskFormat);
      await core.change((tx) =>
        startTask(core, tx, {
          type: 'api_image_import',
          owner: image.owner,
          imageId: id,
          userId: '',
          requestId: '',
          input: { image_id: id, import_req: { method: { name: 'web-download', uri } } },
          source: { method: 'web-download', uri },
        }),
      );
      return viewOf(await getImage(core, id));
    },
  };
}

/** For the operator's command line, which prints a failure as it is. */
const refused = (kind: FailureKind, why: string) => new Failure(kind, 'no-image-volume', why);

async function volumeOf(core: ImageCore, idOrName: string): Promise<ImageVolume> {
  const found = await core.db
    .selectFrom('image_image')
    .innerJoin('image_content', 'image_content.id', 'image_image.content_id')
    .select(['volume_state', 'volume_id', 'volume_reason', 'image_content.virtual_size'])
    .where((where) =>
      where.or([where('image_image.id', '=', idOrName), where('image_image.name', '=', idOrName)]),
    )
    .limit(2)
    .execute();
  const [image, another] = found;
  if (image === undefined) throw refused('missing', `There is no image ${idOrName} with data`);
  if (another !== undefined) throw refused('conflict', `Several images are called ${idOrName}`);
  const { volume_state: state, volume_id: volumeId, volume_reason: reason } = image;
  if (state === 'wanted')
    throw refused('busy', 'The volume of this image is being made; try again soon');
  if (volumeId === null) throw refused('conflict', `This image has no volume. ${reason}`.trim());
  return { volumeId, virtualBytes: image.virtual_size ?? 0 };
}

function viewOf(image: ImageRecord): LocalImage {
  return {
    id: image.id,
    name: image.name ?? '',
    status: image.status,
    size: image.size ?? undefined,
    diskFormat: image.disk_format ?? undefined,
    visibility: image.visibility,
    reason: image.reason === '' ? undefined : image.reason,
  };
}

async function getImage(core: ImageCore, id: string): Promise<ImageRecord> {
  const image = await findImage(core, id, { projectId: undefined });
  if (image === undefined) throw imageMissing(id);
  return image;
}

async function ensureImage(
  core: ImageCore,
  image: NewLocalImage,
  diskFormat: string | null,
): Promise<ImageRecord> {
  const id = image.id ?? core.newId();
  const present = await findImage(core, id, { projectId: undefined });
  if (present !== undefined) return present;
  const { name, owner, visibility } = image;
  const columns = { name, owner, visibility, disk_format: diskFormat, container_format: 'bare' };
  await core.change(async (tx) => {
    await reserve(core, tx, { id, owner }, { count_total: 1 });
    await insertImage(core, tx, id, columns);
    await writeParts(tx, id, { tags: [], properties: image.properties ?? new Map() });
  });
  return await getImage(core, id);
}

/** Formats whose names differ between what is found and what is declared. */
const declaredAs = (format: ContentFormat) =>
  format === 'ova' || format === 'ovf'
    ? { disk_format: 'vmdk', container_format: format }
    : { disk_format: format, container_format: 'bare' };

async function createLocal(
  core: ImageCore,
  wanted: NewLocalImage,
  received: { readonly body: AsyncIterable<Uint8Array>; readonly lengthBytes: number | undefined },
): Promise<LocalImage> {
  const image = await ensureImage(core, wanted, null);
  if (image.content_id !== null) return viewOf(image);
  const transfer = await beginTransfer(core, image, 'saving', { again: true });
  const { body, lengthBytes } = received;
  await carry(core, transfer, async () => {
    const taken = await takeIn(core, {
      contentId: transfer.contentId,
      body,
      ...(lengthBytes === undefined ? {} : { lengthBytes }),
      onProgress: renewal(core, transfer),
      bytesMax: await roomFor(core, image.owner, 'size_total'),
    });
    await core.change(async (tx) => {
      await settleTransfer(core, tx, transfer);
      await activate(core, tx, { imageId: image.id, contentId: transfer.contentId, taken });
      await tx
        .updateTable('image_image')
        .set(declaredAs(taken.inspection.format))
        .where('id', '=', image.id)
        .execute();
    });
  });
  return viewOf(await getImage(core, image.id));
}
