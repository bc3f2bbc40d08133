/** Images of servers, once and in turns. */
import Type from 'typebox';
import { callerOf, type Request } from '../../caller.ts';
import type { ComputeCore } from '../../core.ts';
import { computeFailure } from '../../failures.ts';
import * as fields from '../../fields.ts';
import { disksOf } from '../../rows.ts';
import type { ServerRow } from '../../tables.ts';
import { type Action, beginChange, checked } from './action.ts';

const imageBody = fields.object({ name: fields.name, metadata: Type.Optional(fields.metadata) });

async function beginImage(
  core: ComputeCore,
  request: Request,
  row: ServerRow,
  wanted: { readonly name: string; readonly properties: Readonly<Record<string, string>> },
): Promise<string> {
  const disks = await disksOf(core.db, row.id);
  if (!disks.some(({ kind }) => kind === 'root'))
    throw computeFailure('not-implemented', { what: 'Imaging a server that boots from a volume' });
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
    await beginChange(core, request, row, {
      action: 'createImage',
      kind: 'server.image',
      change: 'image',
      states: ['active', 'stopped', 'paused', 'suspended'],
      input: { imageId, name: wanted.name },
    });
  } catch (error) {
    await core.images.abandon(imageId);
    throw error;
  }
  return imageId;
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
      const id = await beginImage(core, request, row, { name, properties: metadata });
      const headers = {
        Location: `${request.baseUrl.replace(/\/compute$/, '/image')}/v2/images/${id}`,
      };
      return request.minor >= 45
        ? { status: 202, headers: {}, body: { image_id: id } }
        : { status: 202, headers };
    },
  },
  createBackup: {
    policy: 'os_compute_api:os-create-backup',
    run: async () => {
      throw computeFailure('not-implemented', { what: 'Rotating backups of servers' });
    },
  },
};
