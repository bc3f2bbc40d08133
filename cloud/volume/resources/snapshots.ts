/** Snapshots of volumes. */
import { sql } from 'kysely';
import Type from 'typebox';
import type { ApiReply, Route } from '../../api/index.ts';
import { callerOf, flagOf, parameter, type Request, scoped, type VolumeCaller } from '../caller.ts';
import type { Tx, VolumeCore } from '../core.ts';
import { volumeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import { asOfName, keptInstant } from '../instants.ts';
import { type Page, readPage } from '../listing.ts';
import { begin } from '../operations.ts';
import { hold, snapshotAmounts } from '../quotas.ts';
import { targetOf, visibleRow } from '../rows.ts';
import { snapshotStatus } from '../status.ts';
import type { SnapshotRow, VolumeRow } from '../tables.ts';
import { atLeast } from '../versions.ts';
import { pageReply, type View } from '../views.ts';
import { factsOf } from '../volume-facts.ts';
import { typeNameOf } from '../workflows/change-volume.ts';
import { refuseFrozen } from './frozen.ts';
import { refuseCopied } from './volumes.ts';

const described = {
  name: fields.optional(fields.text),
  description: fields.optional(fields.text),
  display_name: fields.optional(fields.text),
  display_description: fields.optional(fields.text),
};
const createBody = Type.Object(
  {
    snapshot: Type.Object({
      volume_id: fields.nullable(fields.uuid),
      ...described,
      force: Type.Optional(fields.flagOrNull),
      metadata: fields.optional(fields.metadata),
    }),
  },
  { additionalProperties: false },
);
const updateBody = Type.Object(
  { snapshot: Type.Object(described, { additionalProperties: false, minProperties: 1 }) },
  { additionalProperties: false },
);
type Described = { [K in keyof typeof described]?: string | null };

export function snapshotRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  const { db } = core;
  const target = targetOf(db, 'volume_snapshot', 'snapshot_id');
  const theSnapshot = (request: Request, from: typeof db | Tx = db) =>
    visibleRow(from, request, 'volume_snapshot', parameter(request, 'snapshot_id'));
  const reply = (request: Request, row: SnapshotRow, status = 200): ApiReply => ({
    status,
    body: { snapshot: snapshotView(request, row) },
  });
  const list = (view: typeof snapshotDetail) => async (request: Request) =>
    pageReply(request, 'snapshots', await listSnapshots(core, request), (row) =>
      view(request, row),
    );
  return [
    ...scoped({
      method: 'GET',
      path: '/snapshots',
      policy: 'volume:get_all_snapshots',
      handle: list(snapshotSummary),
    }),
    ...scoped({
      method: 'GET',
      path: '/snapshots/detail',
      policy: 'volume:get_all_snapshots',
      handle: list(snapshotDetail),
    }),
    ...scoped({
      method: 'POST',
      path: '/snapshots',
      policy: 'volume:create_snapshot',
      body: createBody,
      handle: async (request) => {
        const wanted = request.body.snapshot;
        const row = await core.change(async (transaction) => {
          const volume = await visibleRow(
            transaction,
            request,
            'volume',
            wanted.volume_id ?? 'None',
          );
          await refuseBusy(transaction, request, volume, wanted.force);
          const asOf = wanted.metadata?.[asOfName];
          const atMs = asOf === undefined ? undefined : await keptInstant(core, volume.id, asOf);
          const names = {
            ...namesOf(wanted),
            metadata_json: JSON.stringify(wanted.metadata ?? {}),
            group_snapshot_id: null,
          };
          return await beginSnapshot(core, transaction, request, volume, names, atMs);
        });
        return reply(request, row, 202);
      },
    }),
    ...scoped({
      method: 'GET',
      path: '/snapshots/:snapshot_id',
      policy: 'volume:get_snapshot',
      target,
      handle: async (request) => ({
        body: { snapshot: snapshotDetail(request, await theSnapshot(request)) },
      }),
    }),
    ...scoped({
      method: 'PUT',
      path: '/snapshots/:snapshot_id',
      policy: 'volume:update_snapshot',
      target,
      body: updateBody,
      handle: async (request) => {
        const row = await theSnapshot(request);
        const wanted = namesOf(request.body.snapshot);
        const named = new Set(
          Object.keys(request.body.snapshot).map((name) => name.replace('display_', '')),
        );
        const after = {
          ...(named.has('name') ? { name: wanted.name } : {}),
          ...(named.has('description') ? { description: wanted.description } : {}),
          updated_at_us: core.clock.nowUs(),
        };
        await db.updateTable('volume_snapshot').set(after).where('id', '=', row.id).execute();
        return reply(request, { ...row, ...after });
      },
    }),
    ...scoped({
      method: 'DELETE',
      path: '/snapshots/:snapshot_id',
      policy: 'volume:delete_snapshot',
      target,
      handle: async (request) => {
        await core.change(async (transaction) =>
          beginSnapshotDelete(core, transaction, request, await theSnapshot(request, transaction)),
        );
        return { status: 202 };
      },
    }),
  ];
}

const namesOf = (wanted: Described) => ({
  name: fields.trimmed(wanted.name ?? wanted.display_name),
  description: fields.trimmed(wanted.description ?? wanted.display_description),
});

async function refuseBusy(
  transaction: Tx,
  request: Request,
  volume: VolumeRow,
  force: unknown,
): Promise<void> {
  const newer = request.version.minor >= 66;
  const forced = force === undefined || force === null ? undefined : flagOf(force, 'force');
  if (newer && forced === false)
    throw volumeFailure('refused', {
      why: "Since microversion 3.66 the 'force' flag is invalid for this request. For backward compatibility, however, when the 'force' flag is passed with a value evaluating to True, it is silently ignored.",
    });
  const { status } = await factsOf(transaction, volume);
  if (status === 'available' || (status === 'in-use' && (newer || forced === true))) return;
  throw volumeFailure('invalid-volume', {
    why: `Volume ${volume.id} status must be available${newer ? ' or in-use' : ''}, but current status is: ${status}.`,
  });
}

/** Counts it, writes it down and starts making it. */
export async function beginSnapshot(
  core: VolumeCore,
  transaction: Tx,
  request: Request,
  volume: VolumeRow,
  more: Pick<SnapshotRow, 'name' | 'description' | 'metadata_json' | 'group_snapshot_id'>,
  atMs?: number,
): Promise<SnapshotRow> {
  await refuseFrozen(core, transaction);
  const now = core.clock.nowUs();
  const row: SnapshotRow = {
    id: core.newId(),
    volume_id: volume.id,
    project_id: volume.project_id,
    user_id: callerOf(request).userId,
    size_gib: volume.size_gib,
    ...more,
    created_at_us: now,
    updated_at_us: now,
    made: 0,
    operation_id: null,
    operation_kind: null,
    failure: null,
  };
  const amounts = snapshotAmounts(await typeNameOf(core, volume.type_id), volume.size_gib);
  await hold(core, transaction, volume.project_id, row.id, amounts);
  await transaction.insertInto('volume_snapshot').values(row).execute();
  const kind = 'snapshot.create';
  const operationId = await begin(core, transaction, request, {
    table: 'volume_snapshot',
    id: row.id,
    kind,
    workflow: kind,
    input: { snapshotId: row.id, volumeId: volume.id, ...(atMs === undefined ? {} : { atMs }) },
    projectId: volume.project_id,
  });
  return { ...row, operation_id: operationId, operation_kind: kind };
}

export async function beginSnapshotDelete(
  core: VolumeCore,
  transaction: Tx,
  request: Request,
  row: SnapshotRow,
  force = false,
): Promise<void> {
  await refuseFrozen(core, transaction);
  const deletable = ['available', 'error', 'error_deleting'].includes(snapshotStatus(row));
  if (row.operation_id !== null || !(deletable || force))
    throw volumeFailure('invalid-snapshot', {
      why: 'Snapshot status must be available or error.',
    });
  await refuseCopied(transaction, 'snapshot_id', row.id);
  if (row.group_snapshot_id !== null)
    throw volumeFailure('invalid-snapshot', {
      why: `Snapshot is part of group snapshot ${row.group_snapshot_id} and is deleted with it.`,
    });
  await begin(core, transaction, request, {
    table: 'volume_snapshot',
    id: row.id,
    kind: 'snapshot.delete',
    workflow: 'snapshot.delete',
    input: { snapshotId: row.id, volumeId: row.volume_id },
    projectId: row.project_id,
  });
}

async function listSnapshots(core: VolumeCore, request: Request): Promise<Page<SnapshotRow>> {
  const { query } = request;
  const status = query.get('status');
  const metadata = request.version.minor >= 22 ? query.get('metadata') : null;
  const wanted = metadata === null ? [] : Object.entries(fields.parseDictionary(metadata));
  const none = request.version.minor >= 65 && !flagOf(query.get('consumes_quota'), '', true);
  return readPage(
    core.db,
    request,
    {
      table: 'volume_snapshot',
      filters: { id: 'id', name: 'name', volume_id: 'volume_id', display_name: 'name' },
      sortKeys: {
        id: 'id',
        name: 'name',
        display_name: 'name',
        created_at: 'created_at_us',
        size: 'size_gib',
        volume_size: 'size_gib',
      },
      defaultSort: 'created_at',
      pageMax: core.settings.pageMax,
      owned: true,
    },
    {
      where: none ? [sql<boolean>`1 = 0`] : [],
      keep: async (batch) =>
        batch.filter((row) => {
          if (status !== null && snapshotStatus(row) !== status) return false;
          const present = fields.parseMap(row.metadata_json);
          return wanted.every(([key, value]) => present[key] === value);
        }),
    },
  );
}

function snapshotSummary(_request: Request, row: SnapshotRow): View {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    volume_id: row.volume_id,
    status: snapshotStatus(row),
    size: row.size_gib,
    metadata: fields.parseMap(row.metadata_json),
    created_at: fields.timeOf(row.created_at_us),
    updated_at: fields.timeOf(row.updated_at_us),
  };
}

function snapshotDetail(request: Request, row: SnapshotRow): View {
  return {
    ...snapshotView(request, row),
    'os-extended-snapshot-attributes:progress':
      row.said_progress ?? (row.made === 1 ? '100%' : '0%'),
    'os-extended-snapshot-attributes:project_id': row.project_id,
  };
}

/** What creating and changing answer. */
export function snapshotView(request: Request, row: SnapshotRow): View {
  return {
    ...snapshotSummary(request, row),
    ...(request.version.minor >= 14 ? { group_snapshot_id: row.group_snapshot_id } : {}),
    ...(atLeast(request, 'snapshotUser') ? { user_id: row.user_id } : {}),
    ...(atLeast(request, 'consumesQuota') ? { consumes_quota: true } : {}),
  };
}
