/** A volume's content as an image, an image's as a volume's, and what is remembered of an image. */
import Type from 'typebox';
import { isFailure } from '#common';
import { callerOf, flagOf, type Request } from '../../caller.ts';
import type { VolumeCore } from '../../core.ts';
import type { NewImage } from '../../engine.ts';
import { notFound, volumeFailure } from '../../failures.ts';
import * as fields from '../../fields.ts';
import { begin } from '../../operations.ts';
import { visibleRow } from '../../rows.ts';
import type { VolumeRow } from '../../tables.ts';
import { factsOf } from '../../volume-facts.ts';
import { findImage, imageMetadata } from '../create-volume.ts';
import { type Action, accepted, action } from './action.ts';

const uploadBody = Type.Object({
  image_name: Type.String({ minLength: 1, maxLength: 255 }),
  force: Type.Optional(fields.flag),
  disk_format: fields.optional(fields.text),
  container_format: fields.optional(fields.text),
  visibility: Type.Optional(
    Type.Union(['community', 'public', 'private', 'shared'].map((word) => Type.Literal(word))),
  ),
  protected: Type.Optional(fields.flag),
});

export function imageActions(core: VolumeCore): readonly Action[] {
  const setMetadata = async (volume: VolumeRow, metadata: Record<string, string>) => {
    await core.db
      .updateTable('volume')
      .set({ image_metadata_json: JSON.stringify(metadata), updated_at_us: core.clock.nowUs() })
      .where('id', '=', volume.id)
      .execute();
  };
  return [
    action({
      name: 'os-volume_upload_image',
      policy: 'volume_extension:volume_actions:upload_image',
      body: uploadBody,
      run: async (request, volume, wanted) => {
        const newer = request.version.minor >= 1;
        const image: NewImage = {
          name: wanted.image_name,
          containerFormat: wanted.container_format ?? 'bare',
          diskFormat: wanted.disk_format ?? 'raw',
          visibility: (newer ? wanted.visibility : undefined) ?? 'private',
          protected: newer && flagOf(wanted.protected, 'protected'),
          properties: propertiesOf(volume),
        };
        return await upload(core, request, volume, image, flagOf(wanted.force, 'force'));
      },
    }),
    action({
      name: 'os-reimage',
      policy: 'volume:reimage',
      since: 68,
      body: Type.Object({ image_id: fields.uuid, reimage_reserved: Type.Optional(fields.flag) }),
      run: async (request, volume, wanted) => {
        const reserved = flagOf(wanted.reimage_reserved, 'reimage_reserved');
        await beginReimage(core, request, volume.id, wanted.image_id, reserved);
        return accepted;
      },
    }),
    action({
      name: 'os-set_image_metadata',
      policy: 'volume_extension:volume_image_metadata:set',
      body: Type.Object({ metadata: fields.metadata }),
      run: async (_request, volume, { metadata }) => {
        const merged = { ...fields.parseMap(volume.image_metadata_json), ...metadata };
        await setMetadata(volume, merged);
        return { body: { metadata: merged } };
      },
    }),
    action({
      name: 'os-unset_image_metadata',
      policy: 'volume_extension:volume_image_metadata:remove',
      body: Type.Object({ key: Type.String({ minLength: 1, maxLength: 255 }) }),
      run: async (_request, volume, { key }) => {
        const metadata = fields.parseMap(volume.image_metadata_json);
        if (!Object.hasOwn(metadata, key)) throw notFound('Image metadata', key);
        delete metadata[key];
        await setMetadata(volume, metadata);
        return {};
      },
    }),
    action({
      name: 'os-show_image_metadata',
      policy: 'volume_extension:volume_image_metadata:show',
      body: Type.Object({}),
      run: async (_request, volume) => ({
        body: { metadata: fields.parseMap(volume.image_metadata_json) },
      }),
    }),
  ];
}

/** What an image was called and what its bytes were is not true of the new one. */
const notInherited = new Set([
  'image_id',
  'image_name',
  'checksum',
  'container_format',
  'disk_format',
  'size',
]);

function propertiesOf(volume: VolumeRow): Record<string, string> {
  const metadata = Object.entries(fields.parseMap(volume.image_metadata_json));
  return Object.fromEntries(metadata.filter(([name]) => !notInherited.has(name)));
}

async function upload(
  core: VolumeCore,
  request: Request,
  volume: VolumeRow,
  image: NewImage,
  force: boolean,
) {
  const publicRule = 'volume_extension:volume_actions:upload_public';
  if (image.visibility === 'public' && !request.may(publicRule, { project_id: volume.project_id }))
    throw volumeFailure('forbidden-action', { action: publicRule });
  const { status, type } = await factsOf(core.db, volume);
  if (status !== 'available' && !(status === 'in-use' && force))
    throw volumeFailure('invalid-volume', {
      why: `Volume ${volume.id} status must be available${force ? ' or in-use' : ''}, but current status is: ${status}.`,
    });
  const imageId = await createImage(core, request, image);
  await core.change((transaction) =>
    begin(core, transaction, request, {
      table: 'volume',
      id: volume.id,
      kind: 'volume.upload',
      workflow: 'volume.upload',
      input: { volumeId: volume.id, imageId },
      projectId: volume.project_id,
    }),
  );
  return {
    status: 202,
    body: {
      'os-volume_upload_image': {
        id: volume.id,
        updated_at: fields.timeOf(volume.updated_at_us),
        status: 'uploading',
        display_description: volume.description,
        size: volume.size_gib,
        volume_type: type === undefined ? null : { id: type.id, name: type.name },
        image_id: imageId,
        container_format: image.containerFormat,
        disk_format: image.diskFormat,
        image_name: image.name,
        ...(request.version.minor >= 1
          ? { visibility: image.visibility, protected: image.protected }
          : {}),
      },
    },
  };
}

async function createImage(core: VolumeCore, request: Request, image: NewImage): Promise<string> {
  try {
    return await core.images.create(image, callerOf(request).token);
  } catch (error) {
    if (isFailure(error) && (error.kind === 'invalid' || error.kind === 'denied'))
      throw volumeFailure('refused', { why: error.message });
    throw error;
  }
}

async function beginReimage(
  core: VolumeCore,
  request: Request,
  volumeId: string,
  imageId: string,
  reserved: boolean,
): Promise<void> {
  const image = await findImage(core, request, imageId);
  await core.change(async (transaction) => {
    const volume = await visibleRow(transaction, request, 'volume', volumeId);
    const { status } = await factsOf(transaction, volume);
    const fits =
      status === 'available' || status === 'error' || (reserved && status === 'reserved');
    if (!fits)
      throw volumeFailure('refused-conflict', {
        why: `Volume ${volumeId} status must be available, error${reserved ? ' or reserved' : ''} to be imaged anew, but it is ${status}.`,
      });
    const snapshot = await transaction
      .selectFrom('volume_snapshot')
      .select('id')
      .where('volume_id', '=', volumeId)
      .executeTakeFirst();
    if (snapshot !== undefined)
      throw volumeFailure('invalid-volume', { why: `Volume ${volumeId} has snapshots.` });
    if (Math.max(Math.ceil(image.virtualBytes / 2 ** 30), image.minDiskGib) > volume.size_gib)
      throw volumeFailure('refused', {
        why: `Image ${imageId} does not fit into volume ${volumeId}.`,
      });
    await begin(core, transaction, request, {
      table: 'volume',
      id: volumeId,
      kind: 'volume.reimage',
      workflow: 'volume.reimage',
      input: {
        volumeId,
        imageId,
        imageMetadata: imageMetadata(image),
      },
      projectId: volume.project_id,
    });
  });
}
