/**
 * Images as the volume and compute services use them: the volume that holds an image's disk, and an image whose disk is a volume's
 * snapshot. Neither copies a byte: what is made is a clone of something sealed.
 */
import { createHash } from 'node:crypto';
import { Failure } from '#common';
import type { Policy } from '../api/index.ts';
import { openContent } from './content/contents.ts';
import {
  beginTransfer,
  carry,
  refer,
  renewal,
  settle,
  settleTransfer,
  type Transfer,
} from './content/transfers.ts';
import type { ImageCore } from './core.ts';
import { imageFailure, imageMissing } from './failures.ts';
import { checkCounts, insertImage, writeParts } from './images/changing.ts';
import { reserve } from './images/quotas.ts';
import { findImage, type ImageRecord } from './images/records.ts';
import type { Authenticate } from './service.ts';
import type { ContentRow } from './tables.ts';
import { wantVolume } from './tasks/volume-operation.ts';

/** An image that a disk can be made of. */
export interface ImageWithDisk {
  readonly id: string;
  readonly name: string;
  readonly virtualBytes: number;
  readonly minDiskGib: number;
  readonly minRamMib: number;
  readonly sizeBytes: number;
  readonly checksum: string | null;
  readonly containerFormat: string;
  readonly diskFormat: string;
  readonly properties: Readonly<Record<string, string>>;
}

export interface BootableImage extends ImageWithDisk {
  /** The sealed volume that holds its bytes as a guest sees them. */
  readonly volumeId: string;
}

export interface NewVolumeImage {
  readonly name: string;
  readonly containerFormat: string;
  readonly diskFormat: string;
  readonly visibility: string;
  readonly protected: boolean;
  readonly properties: Readonly<Record<string, string>>;
}

export interface ImagesForVolumes {
  /** Fails `missing` for who may not see it, `conflict` when it has no disk. */
  look(imageId: string, token: string): Promise<ImageWithDisk>;
  /** The same with the volume of its disk; `busy` while that is being made. */
  find(imageId: string, token: string): Promise<BootableImage>;
  /** The sealed volume that holds its bytes as a guest sees them; undefined while it is being made. `conflict` when there will be none. */
  volumeOf(imageId: string): Promise<string | undefined>;
  /** A queued image of the token's project, of format raw. Returns its id. */
  create(image: NewVolumeImage, token: string): Promise<string>;
  /** Gives a queued image the content of a snapshot, by reference; may be repeated. */
  fill(
    imageId: string,
    source: { readonly volume: string; readonly snapshot: string },
  ): Promise<void>;
  /** Deletes a queued image whose content will not come; may be repeated. */
  abandon(imageId: string): Promise<void>;
}

export function imagesForVolumes(
  core: ImageCore,
  authenticate: Authenticate,
  policy: Policy,
): ImagesForVolumes {
  // A token that is held to rules may do here what it may do at the image service's own door.
  const callerOf = async (token: string, method: 'GET' | 'POST', path: string) => {
    const caller = await authenticate(token, { method, path });
    if (caller === undefined) throw imageFailure('unauthorized');
    return caller;
  };
  const visible = async (imageId: string, token: string): Promise<ImageRecord> => {
    const caller = await callerOf(token, 'GET', `/v2/images/${imageId}`);
    const { projectId } = caller;
    const image = await findImage(core, imageId, { projectId });
    const target = image && {
      project_id: image.owner,
      owner: image.owner,
      visibility: image.visibility,
      member_id: image.isMember ? projectId : undefined,
    };
    if (image === undefined || !policy.allows('get_image', caller.credentials, target ?? {}))
      throw imageMissing(imageId);
    // A disk made of it shows its bytes as a download would.
    if (!policy.allows('download_image', caller.credentials, target ?? {}))
      throw imageFailure('forbidden-action', { action: 'download_image' });
    return image;
  };
  return {
    look: async (imageId, token) => await withDisk(core, await visible(imageId, token)),
    find: async (imageId, token) => {
      const image = await visible(imageId, token);
      const { volume_id: volumeId } = await contentOf(core, image);
      if (volumeId !== null) return { ...(await withDisk(core, image)), volumeId };
      throw new Failure(
        'busy',
        'image-volume-being-made',
        `The disk of image ${imageId} is being made`,
      );
    },
    create: async (wanted, token) => {
      const { projectId, credentials } = await callerOf(token, 'POST', '/v2/images');
      const target = { project_id: projectId, owner: projectId, visibility: wanted.visibility };
      for (const rule of rulesToCreate(wanted.visibility))
        if (!policy.allows(rule, credentials, target))
          throw imageFailure('forbidden-action', { action: rule });
      return await createQueued(core, wanted, projectId);
    },
    volumeOf: async (imageId) => {
      const image = await findImage(core, imageId, { projectId: undefined });
      if (image === undefined) throw imageMissing(imageId);
      return (await contentOf(core, image)).volume_id ?? undefined;
    },
    fill: (imageId, source) => fill(core, imageId, source),
    abandon: (imageId) => abandonImage(core, imageId),
  };
}

/** The content of an active image, whose volume is made or wanted from now on. */
async function contentOf(core: ImageCore, image: ImageRecord): Promise<ContentRow> {
  if (image.status !== 'active' || image.content_id === null)
    throw refused('image-not-active', `Image ${image.id} is ${image.status}, not active`);
  const content = await core.db
    .selectFrom('image_content')
    .selectAll()
    .where('id', '=', image.content_id)
    .executeTakeFirstOrThrow();
  if (content.volume_state === 'failed')
    throw refused(
      'image-without-disk',
      `No disk could be made of image ${image.id}: ${content.volume_reason}`,
    );
  if (content.volume_state === 'none') await core.change((tx) => wantVolume(core, tx, content));
  return content;
}

async function withDisk(core: ImageCore, image: ImageRecord): Promise<ImageWithDisk> {
  const content = await contentOf(core, image);
  return {
    id: image.id,
    name: image.name ?? '',
    virtualBytes: content.virtual_size ?? content.size ?? 0,
    minDiskGib: image.min_disk,
    minRamMib: image.min_ram,
    sizeBytes: content.size ?? 0,
    checksum: content.md5,
    containerFormat: image.container_format ?? 'bare',
    diskFormat: image.disk_format ?? 'raw',
    properties: Object.fromEntries(image.properties),
  };
}

const refused = (code: string, message: string) => new Failure('conflict', code, message);

const rulesToCreate = (visibility: string): readonly string[] => {
  const showing = { public: 'publicize_image', community: 'communitize_image' }[visibility];
  return showing === undefined ? ['add_image'] : ['add_image', showing];
};

async function createQueued(
  core: ImageCore,
  wanted: NewVolumeImage,
  owner: string | undefined,
): Promise<string> {
  if (wanted.diskFormat !== 'raw' || wanted.containerFormat !== 'bare')
    throw imageFailure('invalid', {
      why: 'An image of a volume is raw in a bare container: other formats come from converting it.',
    });
  if (owner === undefined) throw imageFailure('invalid', { why: 'An image belongs to a project.' });
  const id = core.newId();
  const parts = { tags: [], properties: new Map(Object.entries(wanted.properties)) };
  checkCounts(parts, core.settings);
  await core.change(async (tx) => {
    await reserve(core, tx, { id, owner }, { count_total: 1 });
    await insertImage(core, tx, id, {
      name: wanted.name,
      owner,
      visibility: wanted.visibility,
      protected: wanted.protected ? 1 : 0,
      disk_format: 'raw',
      container_format: 'bare',
    });
    await writeParts(tx, id, parts);
  });
  return id;
}

async function fill(
  core: ImageCore,
  imageId: string,
  source: { readonly volume: string; readonly snapshot: string },
): Promise<void> {
  const image = await findImage(core, imageId, { projectId: undefined });
  if (image === undefined) throw imageMissing(imageId);
  if (image.content_id !== null) return;
  const { volumes } = core;
  if (volumes === undefined) throw refused('no-volumes', 'Images are not kept as volumes here');
  const transfer = await beginTransfer(core, image, 'saving', { again: true });
  await carry(core, transfer, async () => {
    const volumeId = await volumes.clone(transfer.contentId, source);
    // Known before it is read: whoever drops the content deletes the clone too.
    await core.db
      .updateTable('image_content')
      .set({
        volume_state: 'made',
        volume_id: volumeId,
        source: JSON.stringify({ kind: 'volume' }),
      })
      .where('id', '=', transfer.contentId)
      .execute();
    const taken = await digest(core, transfer);
    await core.change(async (tx) => {
      await settleTransfer(core, tx, transfer);
      await refer(core, tx, imageId, await settle(tx, transfer.contentId, taken));
    });
  });
}

/** What the image's bytes are: read once, kept nowhere. */
async function digest(core: ImageCore, transfer: Transfer) {
  const stored = await openContent(core, transfer.contentId);
  const md5 = createHash('md5');
  const sha512 = createHash('sha512');
  const alive = renewal(core, transfer);
  for await (const bytes of stored.read(0, stored.sizeBytes)) {
    md5.update(bytes);
    sha512.update(bytes);
    await alive();
    // What was never written is read without waiting for anything: others must have their turn all the same.
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return {
    size: stored.sizeBytes,
    md5: md5.digest('hex'),
    sha512: sha512.digest('hex'),
    inspection: { format: 'raw', virtualBytes: stored.sizeBytes } as const,
  };
}

async function abandonImage(core: ImageCore, imageId: string): Promise<void> {
  await core.change(async (tx) => {
    const image = await tx
      .selectFrom('image_image')
      .select(['id', 'owner'])
      .where('id', '=', imageId)
      .where('content_id', 'is', null)
      .executeTakeFirst();
    if (image === undefined) return;
    await core.quotas.release(tx, imageId);
    await tx.deleteFrom('image_image').where('id', '=', imageId).execute();
  });
}
