/** Snapshots of all volumes of a group. */
import Type from 'typebox';
import type { ApiReply, Route } from '../../api/index.ts';
import { callerOf, parameter, type Request, scoped, type VolumeCaller } from '../caller.ts';
import type { Tx, VolumeCore } from '../core.ts';
import { volumeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import { readPage } from '../listing.ts';
import { begin } from '../operations.ts';
import { targetOf, visibleRow } from '../rows.ts';
import { sayStatus } from '../said-status.ts';
import { groupSnapshotStatus } from '../status.ts';
import type { GroupSnapshotRow } from '../tables.ts';
import { atLeast } from '../versions.ts';
import { pageReply, type View } from '../views.ts';
import { factsOf } from '../volume-facts.ts';
import { volumesOf } from './groups.ts';
import { beginSnapshot } from './snapshots.ts';

const versions = { from: '3.14' };
const path = '/group_snapshots';
const described = {
  name: fields.optional(fields.text),
  description: fields.optional(fields.text),
};

export function groupSnapshotRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  const { db } = core;
  const target = targetOf(db, 'volume_group_snapshot', 'group_snapshot_id');
  const theSnapshot = (request: Request, from: typeof db | Tx = db) =>
    visibleRow(from, request, 'volume_group_snapshot', parameter(request, 'group_snapshot_id'));
  const list = (full: boolean) => async (request: Request) => {
    const status = request.query.get('status');
    const words = new Map<string, string>();
    const page = await readPage(
      db,
      request,
      {
        table: 'volume_group_snapshot',
        filters: { id: 'id', name: 'name', group_id: 'group_id' },
        sortKeys: { id: 'id', name: 'name', created_at: 'created_at_us', group_id: 'group_id' },
        defaultSort: 'created_at',
        pageMax: core.settings.pageMax,
        owned: true,
      },
      {
        keep: async (batch) => {
          for (const row of batch) words.set(row.id, await statusOf(core, row));
          return batch.filter((row) => status === null || words.get(row.id) === status);
        },
      },
    );
    return pageReply(request, 'group_snapshots', page, (row) =>
      full ? detail(request, row, words.get(row.id) ?? '') : summary(row),
    );
  };
  return [
    ...scoped({
      method: 'GET',
      path,
      policy: 'group:get_all_group_snapshots',
      versions,
      handle: list(false),
    }),
    ...scoped({
      method: 'GET',
      path: `${path}/detail`,
      policy: 'group:get_all_group_snapshots',
      versions,
      handle: list(true),
    }),
    ...scoped({
      method: 'POST',
      path,
      policy: 'group:create_group_snapshot',
      versions,
      body: Type.Object(
        {
          group_snapshot: Type.Object(
            { group_id: fields.uuid, ...described },
            { additionalProperties: false },
          ),
        },
        { additionalProperties: false },
      ),
      handle: async (request) => ({
        status: 202,
        body: { group_snapshot: summary(await create(core, request, request.body.group_snapshot)) },
      }),
    }),
    ...scoped({
      method: 'GET',
      path: `${path}/:group_snapshot_id`,
      policy: 'group:get_group_snapshot',
      versions,
      target,
      handle: async (request) => {
        const row = await theSnapshot(request);
        return { body: { group_snapshot: detail(request, row, await statusOf(core, row)) } };
      },
    }),
    ...scoped({
      method: 'PUT',
      path: `${path}/:group_snapshot_id`,
      policy: 'group:update_group_snapshot',
      versions,
      target,
      body: Type.Object(
        {
          group_snapshot: Type.Object(described, { additionalProperties: false, minProperties: 1 }),
        },
        { additionalProperties: false },
      ),
      handle: async (request) => {
        const row = await theSnapshot(request);
        const { name, description } = request.body.group_snapshot;
        await db
          .updateTable('volume_group_snapshot')
          .set({
            name: name === undefined ? row.name : fields.trimmed(name),
            description: description === undefined ? row.description : fields.trimmed(description),
          })
          .where('id', '=', row.id)
          .execute();
        return { status: 202 };
      },
    }),
    ...scoped({
      method: 'DELETE',
      path: `${path}/:group_snapshot_id`,
      policy: 'group:delete_group_snapshot',
      versions,
      target,
      handle: async (request) => {
        await core.change(async (transaction) => {
          const row = await theSnapshot(request, transaction);
          await begin(core, transaction, request, {
            table: 'volume_group_snapshot',
            id: row.id,
            kind: 'group_snapshot.delete',
            workflow: 'group_snapshot.delete',
            input: { groupSnapshotId: row.id },
            projectId: row.project_id,
          });
        });
        return { status: 202 };
      },
    }),
    ...scoped({
      method: 'POST',
      path: `${path}/:group_snapshot_id/action`,
      policy: 'group:reset_group_snapshot_status',
      versions: { from: '3.19' },
      target,
      body: Type.Object({ reset_status: Type.Object({ status: fields.text }) }),
      handle: async (request): Promise<ApiReply> => {
        const { id } = await theSnapshot(request);
        const { status } = request.body.reset_status;
        await core.change((transaction) =>
          sayStatus(transaction, 'volume_group_snapshot', id, status),
        );
        return { status: 202 };
      },
    }),
  ];
}

async function create(
  core: VolumeCore,
  request: Request,
  wanted: {
    readonly group_id: string;
    readonly name?: string | null;
    readonly description?: string | null;
  },
): Promise<GroupSnapshotRow> {
  const first = await visibleRow(core.db, request, 'volume_group', wanted.group_id);
  return await core.changeOf(first.project_id, async (transaction) => {
    const group = await visibleRow(transaction, request, 'volume_group', wanted.group_id);
    const volumes = await volumesOf(transaction, group.id);
    if (group.operation_id !== null || volumes.length === 0)
      throw volumeFailure('refused', {
        why: `Group ${group.id} is empty or being changed. Cannot create group snapshot.`,
      });
    const row: GroupSnapshotRow = {
      id: core.newId(),
      group_id: group.id,
      group_type_id: group.group_type_id,
      project_id: group.project_id,
      user_id: callerOf(request).userId,
      name: fields.trimmed(wanted.name),
      description: fields.trimmed(wanted.description),
      created_at_us: core.clock.nowUs(),
      made: 1,
      operation_id: null,
      operation_kind: null,
      failure: null,
    };
    await transaction.insertInto('volume_group_snapshot').values(row).execute();
    for (const volume of volumes) {
      const { status } = await factsOf(transaction, volume);
      if (status !== 'available' && status !== 'in-use')
        throw volumeFailure('refused', {
          why: `Volume ${volume.id} of the group is ${status}.`,
        });
      await beginSnapshot(core, transaction, request, volume, {
        name: row.name,
        description: row.description,
        metadata_json: '{}',
        group_snapshot_id: row.id,
      });
    }
    return row;
  });
}

async function statusOf(core: VolumeCore, row: GroupSnapshotRow): Promise<string> {
  const snapshots = await core.db
    .selectFrom('volume_snapshot')
    .select(['id', 'made', 'operation_id', 'operation_kind', 'failure'])
    .where('group_snapshot_id', '=', row.id)
    .execute();
  return groupSnapshotStatus(row, snapshots);
}

const summary = (row: GroupSnapshotRow): View => ({
  id: row.id,
  name: row.name,
  group_type_id: row.group_type_id,
});

function detail(request: Request, row: GroupSnapshotRow, status: string): View {
  return {
    ...summary(row),
    group_id: row.group_id,
    status,
    created_at: fields.timeOf(row.created_at_us),
    description: row.description,
    ...(atLeast(request, 'groupProject') ? { project_id: row.project_id } : {}),
  };
}
