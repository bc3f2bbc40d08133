/** Volumes of servers. */
import Type from 'typebox';
import type { Route } from '#cloud/api';
import { type ComputeCaller, compute, flagOf, parameter, type Request } from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { computeFailure, refused } from '../failures.ts';
import * as fields from '../fields.ts';
import { disksOf, serverTarget, theServer } from '../rows.ts';
import type { DiskRow, ServerRow } from '../tables.ts';
import { beginChange } from './actions/action.ts';
import { findVolume, letters } from './server-disks.ts';
import type { View } from './server-views.ts';
import { refuseLocked } from './servers.ts';

const attachBody = fields.object({
  volumeAttachment: fields.object({
    volumeId: fields.uuid,
    device: fields.optional(Type.String({ maxLength: 255 })),
    tag: Type.Optional(Type.String({ minLength: 1, maxLength: 60 })),
    delete_on_termination: Type.Optional(Type.Boolean()),
  }),
});
const states = ['active', 'stopped', 'paused', 'suspended', 'resized', 'soft-delete'];

export function volumeAttachmentRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const target = serverTarget(core);
  const path = '/servers/:server_id/os-volume_attachments';
  const policy = (name: string) => `os_compute_api:os-volumes-attachments:${name}`;
  return [
    compute({
      method: 'GET',
      path,
      policy: policy('index'),
      target,
      handle: async (request) => {
        const row = await theServer(core, request);
        const disks = await volumesOf(core, row);
        return { body: { volumeAttachments: disks.map((disk) => viewOf(request, row, disk)) } };
      },
    }),
    compute({
      method: 'POST',
      path,
      policy: policy('create'),
      target,
      body: attachBody,
      handle: async (request) => {
        const row = await theServer(core, request);
        refuseLocked(request, row);
        const disk = await attach(core, request, row, request.body.volumeAttachment);
        return { body: { volumeAttachment: viewOf(request, row, disk) } };
      },
    }),
    compute({
      method: 'GET',
      path: `${path}/:volume_id`,
      policy: policy('show'),
      target,
      handle: async (request) => {
        const row = await theServer(core, request);
        return {
          body: { volumeAttachment: viewOf(request, row, await theDisk(core, request, row)) },
        };
      },
    }),
    compute({
      method: 'PUT',
      path: `${path}/:volume_id`,
      policy: policy('update'),
      target,
      body: fields.object({
        volumeAttachment: Type.Object({
          volumeId: fields.uuid,
          delete_on_termination: Type.Optional(Type.Boolean()),
        }),
      }),
      handle: async (request) => {
        const row = await theServer(core, request);
        const disk = await theDisk(core, request, row);
        const { volumeId, delete_on_termination: keep } = request.body.volumeAttachment;
        if (volumeId !== disk.volume_id)
          throw computeFailure('not-implemented', { what: 'Swapping volumes' });
        if (request.minor < 85 || keep === undefined)
          throw refused('The same volume can only be given another delete_on_termination (2.85).');
        await core.db
          .updateTable('compute_disk')
          .set({ delete_on_termination: keep ? 1 : 0 })
          .where('id', '=', disk.id)
          .execute();
        return { status: 202 };
      },
    }),
    compute({
      method: 'DELETE',
      path: `${path}/:volume_id`,
      policy: policy('delete'),
      target,
      handle: async (request) => {
        const row = await theServer(core, request);
        refuseLocked(request, row);
        const disk = await theDisk(core, request, row);
        if (disk.boot_index === 0)
          throw computeFailure('forbidden', { why: "Can't detach a root device volume" });
        await beginChange(core, request, row, {
          action: 'detach_volume',
          kind: 'server.detach-volume',
          change: 'detach-volume',
          states: [...states, 'shelved_offloaded', 'error'],
          input: { diskId: disk.id },
        });
        return { status: 202 };
      },
    }),
  ];
}

async function volumesOf(core: ComputeCore, row: ServerRow): Promise<DiskRow[]> {
  return (await disksOf(core.db, row.id)).filter(({ kind }) => kind === 'volume');
}

async function theDisk(core: ComputeCore, request: Request, row: ServerRow): Promise<DiskRow> {
  const id = parameter(request, 'volume_id');
  const found = (await volumesOf(core, row)).find((disk) => disk.volume_id === id);
  if (found !== undefined) return found;
  throw computeFailure('missing', {
    why: `Instance ${row.id} is not attached to volume ${id}.`,
  });
}

async function attach(
  core: ComputeCore,
  request: Request,
  row: ServerRow,
  wanted: {
    volumeId: string;
    device?: string | null;
    tag?: string;
    delete_on_termination?: boolean;
  },
): Promise<DiskRow> {
  if (wanted.tag !== undefined && request.minor < 49) throw refused('tag needs version 2.49');
  const volume = await findVolume(core, row.project_id, wanted.volumeId);
  const shared = volume.multiattach && volume.status === 'in-use' && request.minor >= 60;
  if (volume.status !== 'available' && !shared)
    throw refused(
      `Invalid volume: Volume ${volume.id} status must be available or downloading to reserve, but the current status is ${volume.status}.`,
    );
  const taken = (await disksOf(core.db, row.id)).map(({ device }) => device);
  const asked = wanted.device?.split('/').at(-1);
  const named = asked !== undefined && /^vd[a-z]$/.test(asked) ? asked : undefined;
  if (named !== undefined && taken.includes(named))
    throw computeFailure('refused-conflict', {
      why: `The supplied device path (/dev/${named}) is in use.`,
    });
  const free = [...letters].map((letter) => `vd${letter}`).find((name) => !taken.includes(name));
  const device = named ?? free;
  if (device === undefined) throw computeFailure('forbidden', { why: 'Too many volumes.' });
  const disk: DiskRow = {
    id: core.newId(),
    server_id: row.id,
    kind: 'volume',
    volume_id: volume.id,
    device,
    boot_index: null,
    size_gib: volume.sizeGib,
    source_id: null,
    delete_on_termination: flagOf(wanted.delete_on_termination, 'delete_on_termination') ? 1 : 0,
    tag: wanted.tag ?? null,
    connected: 0,
    created_at_us: core.clock.nowUs(),
  };
  const operation = await beginChange(core, request, row, {
    action: 'attach_volume',
    kind: 'server.attach-volume',
    change: 'attach-volume',
    states,
    input: { diskId: disk.id },
    also: async (transaction) => {
      await transaction.insertInto('compute_disk').values(disk).execute();
    },
  });
  // Clients take the answer for the deed, and go on to use the disk.
  await core.operations.outcome(operation);
  return disk;
}

function viewOf(request: Request, row: ServerRow, disk: DiskRow): View {
  const { minor } = request;
  return {
    ...(minor >= 89 ? {} : { id: disk.volume_id }),
    serverId: row.id,
    volumeId: disk.volume_id,
    device: `/dev/${disk.device}`,
    ...(minor >= 70 ? { tag: disk.tag } : {}),
    ...(minor >= 79 ? { delete_on_termination: disk.delete_on_termination === 1 } : {}),
    ...(minor >= 89 ? { attachment_id: disk.id, bdm_uuid: disk.id } : {}),
  };
}
