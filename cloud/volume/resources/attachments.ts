/** The attachments API, as compute services use it since 3.27. */
import Type from 'typebox';
import type { Route } from '../../api/index.ts';
import { connect, connectionInfo, disconnect, reserve, setStage } from '../attachments.ts';
import { callerOf, flagOf, parameter, type Request, scoped, type VolumeCaller } from '../caller.ts';
import type { VolumeCore } from '../core.ts';
import { volumeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import { readPage } from '../listing.ts';
import { targetOf, visibleRow } from '../rows.ts';
import type { AttachmentRow } from '../tables.ts';
import { pageReply, type View } from '../views.ts';
import { factsOf } from '../volume-facts.ts';

const versions = { from: '3.27' };
/** A connector says who connects and from where; its other words are kept as they came. */
export const connector = Type.Object(
  {
    host: Type.Optional(Type.String({ maxLength: 255 })),
    mountpoint: fields.optional(Type.String({ maxLength: 255 })),
    mode: fields.optional(Type.Union([Type.Literal('rw'), Type.Literal('ro')])),
  },
  { maxProperties: 64 },
);
const createBody = Type.Object(
  {
    attachment: Type.Object(
      {
        volume_uuid: fields.uuid,
        instance_uuid: fields.optional(fields.uuid),
        connector: fields.optional(connector),
        mode: fields.optional(Type.Union([Type.Literal('rw'), Type.Literal('ro')])),
      },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);

export function attachmentRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  const { db } = core;
  const target = targetOf(db, 'volume_attachment', 'attachment_id');
  const theAttachment = (request: Request) =>
    visibleRow(db, request, 'volume_attachment', parameter(request, 'attachment_id'));
  const detail = async (request: Request, row: AttachmentRow): Promise<View> => ({
    ...attachmentSummary(row),
    attached_at: row.attached_at_us === null ? '' : fields.timeOf(row.attached_at_us),
    detached_at: '',
    attach_mode: row.mode,
    // It lets its reader write to the volume: whoever may only look does not get it.
    connection_info: request.may('volume:attachment_update', { project_id: row.project_id })
      ? await connectionInfo(core, row)
      : {},
  });
  return [
    ...scoped({
      method: 'GET',
      path: '/attachments',
      policy: 'volume:attachment_get_all',
      versions,
      handle: async (request) =>
        pageReply(request, 'attachments', await listAttachments(core, request), attachmentSummary),
    }),
    ...scoped({
      method: 'GET',
      path: '/attachments/detail',
      policy: 'volume:attachment_get_all',
      versions,
      handle: async (request) => {
        const page = await listAttachments(core, request);
        const views = new Map<string, View>();
        for (const row of page.rows) views.set(row.id, await detail(request, row));
        return pageReply(request, 'attachments', page, (row) => views.get(row.id) ?? {});
      },
    }),
    ...scoped({
      method: 'GET',
      path: '/attachments/:attachment_id',
      policy: 'volume:attachment_get',
      versions,
      target,
      handle: async (request) => ({
        body: { attachment: await detail(request, await theAttachment(request)) },
      }),
    }),
    ...scoped({
      method: 'POST',
      path: '/attachments',
      policy: 'volume:attachment_create',
      versions,
      body: createBody,
      handle: async (request) => {
        const wanted = request.body.attachment;
        const mode =
          (request.version.minor >= 54 ? wanted.mode : undefined) ?? wanted.connector?.mode;
        const row = await core.change(async (transaction) => {
          const volume = await visibleRow(transaction, request, 'volume', wanted.volume_uuid);
          if (volume.multiattach === 1 && volume.bootable === 1) refuseSharedBoot(request, volume);
          return await reserve(core, transaction, volume, {
            serverId: wanted.instance_uuid ?? null,
            mode: mode ?? 'rw',
          });
        });
        const after = wanted.connector
          ? await connect(core, row, connectorOf(wanted.connector))
          : row;
        return { body: { attachment: await detail(request, after) } };
      },
    }),
    ...scoped({
      method: 'PUT',
      path: '/attachments/:attachment_id',
      policy: 'volume:attachment_update',
      versions,
      target,
      body: Type.Object(
        { attachment: Type.Object({ connector }, { additionalProperties: false }) },
        { additionalProperties: false },
      ),
      handle: async (request) => {
        const row = await theAttachment(request);
        const wanted = request.body.attachment.connector;
        if (row.connected === 1 && row.host !== null && wanted.host !== row.host)
          throw volumeFailure('refused', {
            why: `Invalid attachment: ${row.id} is connected to host ${row.host} already.`,
          });
        const after = await connect(core, row, connectorOf(wanted));
        return { body: { attachment: await detail(request, after) } };
      },
    }),
    ...scoped({
      method: 'POST',
      path: '/attachments/:attachment_id/action',
      policy: 'volume:attachment_complete',
      versions: { from: '3.44' },
      target,
      body: Type.Object(
        { 'os-complete': fields.nullable(Type.Unknown()) },
        { additionalProperties: false },
      ),
      handle: async (request) => {
        const row = await theAttachment(request);
        if (row.connected === 0)
          throw volumeFailure('refused', {
            why: `Invalid attachment: ${row.id} has no connection yet.`,
          });
        await setStage(core, row, 'attached', { attached_at_us: core.clock.nowUs() });
        return { status: 204 };
      },
    }),
    ...scoped({
      method: 'DELETE',
      path: '/attachments/:attachment_id',
      policy: 'volume:attachment_delete',
      versions,
      target,
      handle: async (request) => {
        const row = await theAttachment(request);
        await disconnect(core, row);
        const volume = await visibleRow(db, request, 'volume', row.volume_id);
        const { attachments } = await factsOf(db, volume);
        return { body: { attachments: attachments.map(attachmentSummary) } };
      },
    }),
  ];
}

export function connectorOf(wanted: {
  readonly host?: string;
  readonly mountpoint?: string | null;
  readonly mode?: 'rw' | 'ro' | null;
}) {
  return { ...wanted, mountpoint: wanted.mountpoint ?? undefined };
}

function refuseSharedBoot(request: Request, volume: { readonly project_id: string }): void {
  const action = 'volume:multiattach_bootable_volume';
  if (!request.may(action, { project_id: volume.project_id }))
    throw volumeFailure('forbidden-action', { action });
}

/** Old stages under the names that clients know. */
const stageWords: Readonly<Record<string, string>> = {
  reserved: 'reserved',
  attaching: 'attaching',
  attached: 'attached',
  detaching: 'detaching',
};

function attachmentSummary(row: AttachmentRow): View {
  return {
    id: row.id,
    status: stageWords[row.stage] ?? row.stage,
    instance: row.server_id,
    volume_id: row.volume_id,
  };
}

function listAttachments(core: VolumeCore, request: Request) {
  const { query } = request;
  const status = query.get('status') ?? query.get('attach_status');
  const all = callerOf(request).isAdmin && flagOf(query.get('all_tenants'), 'all_tenants');
  return readPage(
    core.db,
    request,
    {
      table: 'volume_attachment',
      filters: {
        volume_id: 'volume_id',
        instance_id: 'server_id',
        id: 'id',
        ...(all ? { project_id: 'project_id' } : {}),
      },
      sortKeys: { id: 'id', created_at: 'created_at_us', volume_id: 'volume_id' },
      defaultSort: 'created_at',
      pageMax: core.settings.pageMax,
      owned: true,
    },
    { keep: async (batch) => batch.filter((row) => status === null || row.stage === status) },
  );
}
