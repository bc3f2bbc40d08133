/** Images of servers, once and in turns. */
import Type from 'typebox';
import { messageOf } from '#common';
import { callerOf, type Request } from '../../caller.ts';
import type { ComputeCore } from '../../core.ts';
import { computeFailure } from '../../failures.ts';
import * as fields from '../../fields.ts';
import { disksOf } from '../../rows.ts';
import { ask } from '../../service-calls.ts';
import type { ServerRow } from '../../tables.ts';
import { type Action, beginChange, checked } from './action.ts';

const backupBody = fields.object({
  name: fields.name,
  backup_type: fields.name,
  rotation: fields.count(0),
  metadata: Type.Optional(fields.metadata),
});
const imageBody = fields.object({ name: fields.name, metadata: Type.Optional(fields.metadata) });

interface Wanted {
  readonly name: string;
  readonly action: string;
  readonly kind: 'server.image' | 'server.backup';
  readonly properties: Readonly<Record<string, string>>;
}

async function beginImage(
  core: ComputeCore,
  request: Request,
  row: ServerRow,
  wanted: Wanted,
): Promise<{ readonly imageId: string; readonly operationId: string }> {
  const disks = await disksOf(core.db, row.id);
  if (!disks.some(({ boot_index }) => boot_index === 0))
    throw computeFailure('refused', { why: 'The server has no disk that it boots from.' });
  const imageId = await core.images.create(
    {
      name: wanted.name.trim(),
      containerFormat: 'bare',
      diskFormat: 'raw',
      visibility: 'private',
      protected: false,
      properties: {
        ...fields.parseMap(row.image_json),
        instance_uuid: row.id,
        user_id: row.user_id,
        image_type: 'snapshot',
        ...(row.image_id === null ? {} : { base_image_ref: row.image_id }),
        ...wanted.properties,
      },
    },
    callerOf(request).token,
  );
  try {
    const operationId = await beginChange(core, request, row, {
      action: wanted.action,
      kind: wanted.kind,
      change: 'image',
      states: ['active', 'stopped', 'paused', 'suspended'],
      input: { imageId, name: wanted.name },
    });
    return { imageId, operationId };
  } catch (error) {
    await core.images.abandon(imageId);
    throw error;
  }
}

const imageLocation = (request: Request, id: string) => ({
  Location: `${request.baseUrl.replace(/\/compute$/, '/image')}/v2/images/${id}`,
});

interface Backup {
  readonly id: string;
}

/** As many backups of a kind as were asked for stay, the newest; as whoever asked. */
async function rotate(
  core: ComputeCore,
  request: Request,
  row: ServerRow,
  { kind, keep }: { readonly kind: string; readonly keep: number },
): Promise<void> {
  const query = new URLSearchParams({
    ...{ image_type: 'backup', backup_type: kind, instance_uuid: row.id },
    ...{ sort: 'created_at:desc', limit: '1000', status: 'active' },
  });
  const { images } = (await ask(core, request, {
    ...{ service: 'image', method: 'GET', path: `/v2/images?${query}` },
  })) as { readonly images: readonly Backup[] };
  for (const { id } of images.slice(keep))
    await ask(core, request, { service: 'image', method: 'DELETE', path: `/v2/images/${id}` });
}

export const imageActions: Readonly<Record<string, Action>> = {
  createImage: {
    policy: 'os_compute_api:servers:create_image',
    check: checked(imageBody),
    run: async (
      core,
      request,
      row,
      argument: { name: string; metadata?: Record<string, string> },
    ) => {
      const { name, metadata = {} } = argument;
      const { imageId: id } = await beginImage(core, request, row, {
        ...{ name, properties: metadata, action: 'createImage', kind: 'server.image' },
      });
      const headers = imageLocation(request, id);
      return request.minor >= 45
        ? { status: 202, headers: {}, body: { image_id: id } }
        : { status: 202, headers };
    },
  },
  createBackup: {
    policy: 'os_compute_api:os-create-backup',
    check: checked(backupBody),
    run: async (core, request, row, wanted: Type.Static<typeof backupBody>) => {
      const { name, backup_type: kind, metadata = {} } = wanted;
      const keep = Number(wanted.rotation);
      if (!(await disksOf(core.db, row.id)).some(({ kind: disk }) => disk === 'root'))
        throw computeFailure('refused', {
          why: 'It is not supported to backup volume-backed instance.',
        });
      const { imageId, operationId } = await beginImage(core, request, row, {
        ...{ name, action: 'createBackup', kind: 'server.backup' },
        properties: { ...metadata, image_type: 'backup', backup_type: kind },
      });
      // Older ones go when the new one is whole. Should this program end before, the next backup sees to it.
      core.operations
        .outcome(operationId)
        .then(() => rotate(core, request, row, { kind, keep }))
        .catch((error: unknown) =>
          core.log.warn({ err: error, server: row.id }, `rotating backups: ${messageOf(error)}`),
        );
      const headers = keep === 0 ? {} : imageLocation(request, imageId);
      return request.minor >= 45
        ? { status: 202, headers: {}, body: { image_id: imageId } }
        : { status: 202, headers };
    },
  },
};
