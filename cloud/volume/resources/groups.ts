/** Generic volume groups. */
import Type, { type Static } from 'typebox';
import type { ApiReply, Route } from '../../api/index.ts';
import {
  callerOf,
  flagOf,
  parameter,
  projectOf,
  type Request,
  scoped,
  type VolumeCaller,
} from '../caller.ts';
import type { Tx, VolumeCore } from '../core.ts';
import { notFound, volumeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import { readPage } from '../listing.ts';
import { begin, take } from '../operations.ts';
import { hold } from '../quotas.ts';
import { findRow, targetOf, visibleRow } from '../rows.ts';
import { sayStatus } from '../said-status.ts';
import { groupStatus } from '../status.ts';
import type { GroupRow, VolumeRow } from '../tables.ts';
import { atLeast } from '../versions.ts';
import { pageReply, type View } from '../views.ts';
import { factsOf } from '../volume-facts.ts';
import { copyVolumes } from './copy-group.ts';
import { visibleGroupType } from './group-types.ts';
import { visibleType } from './types.ts';

const versions = { from: '3.13' };
const uuids = Type.String({ maxLength: 65_536 });
const createBody = Type.Object(
  {
    group: Type.Object(
      {
        name: fields.optional(fields.text),
        description: fields.optional(fields.text),
        group_type: fields.requiredName,
        volume_types: Type.Array(fields.requiredName, {
          minItems: 1,
          maxItems: 64,
          uniqueItems: true,
        }),
        availability_zone: fields.optional(fields.text),
      },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);
const updateBody = Type.Object(
  {
    group: Type.Object(
      {
        name: fields.optional(fields.text),
        description: fields.optional(fields.text),
        add_volumes: fields.optional(uuids),
        remove_volumes: fields.optional(uuids),
      },
      { additionalProperties: false, minProperties: 1 },
    ),
  },
  { additionalProperties: false },
);
export type Changes = Static<typeof updateBody>['group'];

export function groupRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  const { db } = core;
  const target = targetOf(db, 'volume_group', 'group_id');
  const theGroup = (request: Request, from: typeof db | Tx = db) =>
    visibleRow(from, request, 'volume_group', parameter(request, 'group_id'));
  const list = (full: boolean) => async (request: Request) => {
    const status = request.query.get('status');
    const page = await readPage(
      db,
      request,
      {
        table: 'volume_group',
        filters: { id: 'id', name: 'name', group_type: 'group_type_id', availability_zone: 'zone' },
        sortKeys: {
          id: 'id',
          name: 'name',
          created_at: 'created_at_us',
          group_type: 'group_type_id',
        },
        defaultSort: 'created_at',
        pageMax: core.settings.pageMax,
        owned: true,
      },
      {
        keep: async (batch) =>
          batch.filter((row) => status === null || groupStatus(row) === status),
      },
    );
    const views = new Map<string, View>();
    for (const row of page.rows)
      views.set(row.id, full ? await detail(core, request, row) : summary(row));
    return pageReply(request, 'groups', page, (row) => views.get(row.id) ?? {});
  };
  return [
    ...scoped({
      method: 'GET',
      path: '/groups',
      policy: 'group:get_all',
      versions,
      handle: list(false),
    }),
    ...scoped({
      method: 'GET',
      path: '/groups/detail',
      policy: 'group:get_all',
      versions,
      handle: list(true),
    }),
    ...scoped({
      method: 'POST',
      path: '/groups',
      policy: 'group:create',
      versions,
      body: createBody,
      handle: async (request) => ({
        status: 202,
        body: { group: summary(await createGroup(core, request, request.body.group)) },
      }),
    }),
    ...scoped({
      method: 'GET',
      path: '/groups/:group_id',
      policy: 'group:get',
      versions,
      target,
      handle: async (request) => ({
        body: { group: await detail(core, request, await theGroup(request)) },
      }),
    }),
    ...scoped({
      method: 'PUT',
      path: '/groups/:group_id',
      policy: 'group:update',
      versions,
      target,
      body: updateBody,
      handle: async (request) => {
        await core.change(async (transaction) =>
          changeGroup(
            transaction,
            request,
            await theGroup(request, transaction),
            request.body.group,
          ),
        );
        return { status: 202 };
      },
    }),
    ...scoped({
      method: 'POST',
      path: '/groups/action',
      policy: 'group:create',
      versions: { from: '3.14' },
      body: Type.Object(
        {
          'create-from-src': Type.Object(
            {
              name: fields.optional(fields.text),
              description: fields.optional(fields.text),
              group_snapshot_id: fields.optional(fields.uuid),
              source_group_id: fields.optional(fields.uuid),
            },
            { additionalProperties: false },
          ),
        },
        { additionalProperties: false },
      ),
      handle: async (request) => ({
        status: 202,
        body: { group: summary(await copyVolumes(core, request, request.body['create-from-src'])) },
      }),
    }),
    ...scoped({
      method: 'POST',
      path: '/groups/:group_id/action',
      policy: 'group:get',
      versions,
      target,
      body: Type.Object({}, { minProperties: 1, maxProperties: 1 }),
      handle: async (request) => groupAction(core, request, await theGroup(request)),
    }),
  ];
}

async function createGroup(
  core: VolumeCore,
  request: Request,
  wanted: Static<typeof createBody>['group'],
): Promise<GroupRow> {
  const groupType = await visibleGroupType(core.db, request, wanted.group_type);
  const types = [];
  for (const name of wanted.volume_types) types.push(await visibleType(core.db, request, name));
  const row = newGroup(core, request, {
    name: fields.trimmed(wanted.name),
    description: fields.trimmed(wanted.description),
    group_type_id: groupType.id,
    type_ids_json: JSON.stringify([...new Set(types.map(({ id }) => id))]),
  });
  await core.changeOf(row.project_id, async (transaction) => {
    await hold(core, transaction, row.project_id, row.id, { groups: 1 });
    await transaction.insertInto('volume_group').values(row).execute();
  });
  return row;
}

export function newGroup(
  core: VolumeCore,
  request: Request,
  given: Pick<GroupRow, 'name' | 'description' | 'group_type_id' | 'type_ids_json'> &
    Partial<Pick<GroupRow, 'group_snapshot_id' | 'source_group_id'>>,
): GroupRow {
  return {
    id: core.newId(),
    project_id: projectOf(request),
    user_id: callerOf(request).userId,
    zone: core.settings.zone,
    group_snapshot_id: null,
    source_group_id: null,
    ...given,
    created_at_us: core.clock.nowUs(),
    // A group is a row and nothing else: it is there at once.
    made: 1,
    operation_id: null,
    operation_kind: null,
    failure: null,
  };
}

async function changeGroup(
  transaction: Tx,
  request: Request,
  group: GroupRow,
  wanted: Changes,
): Promise<void> {
  const change = {
    ...(wanted.name === undefined ? {} : { name: fields.trimmed(wanted.name) }),
    ...(wanted.description === undefined
      ? {}
      : { description: fields.trimmed(wanted.description) }),
  };
  if (Object.keys(change).length > 0)
    await transaction.updateTable('volume_group').set(change).where('id', '=', group.id).execute();
  for (const id of idsOf(wanted.add_volumes)) await join(transaction, request, group, id);
  for (const id of idsOf(wanted.remove_volumes)) await leave(transaction, group, id);
}

const idsOf = (text: string | null | undefined) =>
  (text ?? '')
    .split(',')
    .map((id) => id.trim())
    .filter((id) => id !== '');

async function join(transaction: Tx, request: Request, group: GroupRow, id: string): Promise<void> {
  const volume = await visibleRow(transaction, request, 'volume', id);
  const { status } = await factsOf(transaction, volume);
  const fits = fields.parseList(group.type_ids_json).includes(volume.type_id);
  if (
    volume.group_id !== null ||
    !fits ||
    volume.project_id !== group.project_id ||
    !['available', 'in-use'].includes(status)
  )
    throw volumeFailure('refused', {
      why: `Cannot add volume ${id} to group ${group.id}: it is ${volume.group_id === null ? status : 'in a group already'}, or of a type that the group does not take.`,
    });
  await transaction
    .updateTable('volume')
    .set({ group_id: group.id })
    .where('id', '=', id)
    .execute();
}

async function leave(transaction: Tx, group: GroupRow, id: string): Promise<void> {
  const volume = await findRow(transaction, 'volume', id);
  if (volume?.group_id !== group.id)
    throw volumeFailure('refused', {
      why: `Cannot remove volume ${id} from group ${group.id} because it is not in the group.`,
    });
  await transaction.updateTable('volume').set({ group_id: null }).where('id', '=', id).execute();
}

const actionBody = Type.Object({ 'delete-volumes': Type.Optional(fields.flag) });

async function groupAction(
  core: VolumeCore,
  request: Request<object>,
  group: GroupRow,
): Promise<ApiReply> {
  const [name = ''] = Object.keys(request.body);
  const rules: Readonly<Record<string, string>> = {
    delete: 'group:delete',
    reset_status: 'group:reset_status',
    enable_replication: 'group:update',
    disable_replication: 'group:update',
    failover_replication: 'group:update',
    list_replication_targets: 'group:update',
  };
  const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
  if (rule === undefined)
    throw volumeFailure('refused', { why: `There is no such action: ${name.slice(0, 64)}` });
  if (!request.may(rule, { project_id: group.project_id }))
    throw volumeFailure('forbidden-action', { action: rule });
  if (name === 'delete') {
    const given = Reflect.get(request.body, name) as Static<typeof actionBody> | null;
    const withVolumes = flagOf(given?.['delete-volumes'], 'delete-volumes');
    await core.change((transaction) =>
      beginGroupDelete(core, transaction, request, group, withVolumes),
    );
  } else if (name === 'reset_status') {
    const said: unknown = Reflect.get(Reflect.get(request.body, name) ?? {}, 'status');
    await core.change((transaction) => sayStatus(transaction, 'volume_group', group.id, said));
  } else throw volumeFailure('not-implemented', { what: 'Replication of groups' });
  return { status: 202 };
}

async function beginGroupDelete(
  core: VolumeCore,
  transaction: Tx,
  request: Request,
  group: GroupRow,
  withVolumes: boolean,
): Promise<void> {
  const volumes = await volumesOf(transaction, group.id);
  const snapshot = await transaction
    .selectFrom('volume_group_snapshot')
    .select('id')
    .where('group_id', '=', group.id)
    .executeTakeFirst();
  if (snapshot !== undefined)
    throw volumeFailure('refused', { why: `Group ${group.id} has dependent group snapshots.` });
  if (volumes.length > 0 && !withVolumes)
    throw volumeFailure('refused', {
      why: `Group ${group.id} still contains volumes. The delete-volumes flag is required to delete it.`,
    });
  for (const volume of volumes) await refuseKept(transaction, volume);
  const operationId = await begin(core, transaction, request, {
    table: 'volume_group',
    id: group.id,
    kind: 'group.delete',
    workflow: 'group.delete',
    input: { groupId: group.id, volumeIds: volumes.map(({ id }) => id) },
    projectId: group.project_id,
  });
  for (const { id } of volumes) await take(transaction, 'volume', id, operationId, 'volume.delete');
}

async function refuseKept(transaction: Tx, volume: VolumeRow): Promise<void> {
  const { status } = await factsOf(transaction, volume);
  const snapshot = await transaction
    .selectFrom('volume_snapshot')
    .select('id')
    .where('volume_id', '=', volume.id)
    .executeTakeFirst();
  if (snapshot !== undefined || !['available', 'error'].includes(status))
    throw volumeFailure('refused', {
      why: `Volume ${volume.id} in the group is ${status} or has dependent snapshots.`,
    });
}

export function volumesOf(db: VolumeCore['db'] | Tx, groupId: string): Promise<VolumeRow[]> {
  return db
    .selectFrom('volume')
    .selectAll()
    .where('group_id', '=', groupId)
    .orderBy('created_at_us')
    .execute();
}

/** The group of a new volume: of the caller's project, and taking volumes of this type. */
export async function groupFor(
  core: VolumeCore,
  request: Request,
  groupId: string,
  type: { readonly id: string; readonly name: string },
): Promise<string> {
  const group = await visibleRow(core.db, request, 'volume_group', groupId);
  if (group.operation_id !== null) throw notFound('Group', groupId);
  if (!fields.parseList(group.type_ids_json).includes(type.id))
    throw volumeFailure('invalid-input', {
      why: `Invalid volume_type ${type.name} provided (requested type must be supported by group ${groupId}).`,
    });
  return groupId;
}

const summary = (row: GroupRow): View => ({ id: row.id, name: row.name });

async function detail(core: VolumeCore, request: Request, row: GroupRow): Promise<View> {
  const volumes =
    request.version.minor >= 25 && flagOf(request.query.get('list_volume'), 'list_volume')
      ? { volumes: (await volumesOf(core.db, row.id)).map(({ id }) => id) }
      : {};
  return {
    ...summary(row),
    status: groupStatus(row),
    availability_zone: row.zone,
    created_at: fields.timeOf(row.created_at_us),
    description: row.description,
    group_type: row.group_type_id,
    volume_types: fields.parseList(row.type_ids_json),
    ...(request.version.minor >= 14
      ? { group_snapshot_id: row.group_snapshot_id, source_group_id: row.source_group_id }
      : {}),
    ...volumes,
    ...(request.version.minor >= 38 ? { replication_status: 'disabled' } : {}),
    ...(atLeast(request, 'groupProject') ? { project_id: row.project_id } : {}),
  };
}
