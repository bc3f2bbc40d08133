/** Volumes: list, show, change, delete. Making one is `create-volume.ts`, its actions are `volume-actions.ts`. */
import Type from 'typebox';
import type { ApiReply, Route } from '../../api/index.ts';
import { flagOf, parameter, type Request, scoped, type VolumeCaller } from '../caller.ts';
import type { Tx, VolumeCore } from '../core.ts';
import { volumeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import { begin } from '../operations.ts';
import { targetOf, visibleRow } from '../rows.ts';
import type { VolumeRow } from '../tables.ts';
import { pageReply } from '../views.ts';
import { factsOf, type VolumeFacts } from '../volume-facts.ts';
import { refuseFrozen } from './frozen.ts';
import { listVolumes } from './volume-list.ts';
import { volumeDetail, volumeSummary, volumeView } from './volume-views.ts';

const changeable = {
  name: fields.optional(fields.text),
  description: fields.optional(fields.text),
  display_name: fields.optional(fields.text),
  display_description: fields.optional(fields.text),
  metadata: fields.optional(fields.metadata),
};

export function volumeRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  const { db } = core;
  const target = targetOf(db, 'volume', 'volume_id');
  const theVolume = (request: Request, from: typeof db | Tx = db) =>
    visibleRow(from, request, 'volume', parameter(request, 'volume_id'));
  const detail = async (request: Request, row: VolumeRow): Promise<ApiReply> => ({
    body: { volume: volumeDetail(core, request, await factsOf(db, row)) },
  });
  return [
    ...scoped({
      method: 'GET',
      path: '/volumes',
      policy: 'volume:get_all',
      handle: async (request) =>
        pageReply(request, 'volumes', await listVolumes(core, request), (facts) =>
          volumeSummary(request, facts),
        ),
    }),
    ...scoped({
      method: 'GET',
      path: '/volumes/detail',
      policy: 'volume:get_all',
      handle: async (request) =>
        pageReply(request, 'volumes', await listVolumes(core, request), (facts) =>
          volumeDetail(core, request, facts),
        ),
    }),
    ...scoped({
      method: 'GET',
      path: '/volumes/summary',
      policy: 'volume:get_all',
      versions: { from: '3.12' },
      handle: async (request) => summaryReply(request, await allVolumes(core, request)),
    }),
    ...scoped({
      method: 'GET',
      path: '/volumes/:volume_id',
      policy: 'volume:get',
      target,
      handle: async (request) => detail(request, await theVolume(request)),
    }),
    ...scoped({
      method: 'PUT',
      path: '/volumes/:volume_id',
      policy: 'volume:update',
      target,
      body: Type.Object(
        { volume: Type.Object(changeable, { additionalProperties: false }) },
        { additionalProperties: false },
      ),
      handle: async (request) => {
        const { volume } = request.body;
        if (request.version.minor >= 53 && Object.keys(volume).length === 0)
          throw volumeFailure('schema-invalid', {
            detail: 'Invalid input for field/attribute volume. {} does not have enough properties',
          });
        const row = await theVolume(request);
        const name = volume.name ?? volume.display_name;
        const description = volume.description ?? volume.display_description;
        const after = {
          ...(name === undefined ? {} : { name: fields.trimmed(name) }),
          ...(description === undefined ? {} : { description: fields.trimmed(description) }),
          ...(volume.metadata ? { metadata_json: JSON.stringify(volume.metadata) } : {}),
          updated_at_us: core.clock.nowUs(),
        };
        await db.updateTable('volume').set(after).where('id', '=', row.id).execute();
        const facts = await factsOf(db, { ...row, ...after });
        return { body: { volume: volumeView(request, facts) } };
      },
    }),
    ...scoped({
      method: 'DELETE',
      path: '/volumes/:volume_id',
      policy: 'volume:delete',
      target,
      handle: async (request) => {
        const cascade = flagOf(request.query.get('cascade'), 'cascade');
        const force = request.version.minor >= 23 && flagOf(request.query.get('force'), 'force');
        if (force && !request.may('volume:force_delete', await target(request)))
          throw volumeFailure('forbidden-action', { action: 'volume:force_delete' });
        await core.change(async (transaction) =>
          beginDelete(core, transaction, request, await theVolume(request, transaction), {
            cascade,
            force,
          }),
        );
        return { status: 202 };
      },
    }),
  ];
}

const deletable = new Set([
  'available',
  'error',
  'error_restoring',
  'error_deleting',
  'error_extending',
]);

/** Starts the deletion, or says why there cannot be one now. */
export async function beginDelete(
  core: VolumeCore,
  transaction: Tx,
  request: Request,
  row: VolumeRow,
  how: { readonly cascade: boolean; readonly force: boolean; readonly withGroup?: boolean },
): Promise<void> {
  await refuseFrozen(core, transaction);
  const facts = await factsOf(transaction, row);
  refuseUnlessDeletable(facts, how);
  await refuseCopied(transaction, 'source_volid', row.id);
  const snapshots = await transaction
    .selectFrom('volume_snapshot')
    .select(['id', 'operation_id', 'group_snapshot_id'])
    .where('volume_id', '=', row.id)
    .execute();
  if (snapshots.length > 0 && !how.cascade)
    throw volumeFailure('invalid-volume', {
      why: `Volume still has ${snapshots.length} dependent snapshots.`,
    });
  for (const { id } of snapshots) await refuseCopied(transaction, 'snapshot_id', id);
  if (snapshots.some((snapshot) => snapshot.operation_id !== null))
    throw volumeFailure('invalid-volume', {
      why: 'Volume status must be available or error or error_restoring or error_extending or error_managing and must not have snapshots that an operation works on.',
    });
  await begin(core, transaction, request, {
    table: 'volume',
    id: row.id,
    kind: 'volume.delete',
    workflow: 'volume.delete',
    input: { volumeId: row.id },
    projectId: row.project_id,
  });
}

/** Something is being made of it just now. */
export async function refuseCopied(
  transaction: Tx,
  column: 'source_volid' | 'snapshot_id',
  id: string,
): Promise<void> {
  const copy = await transaction
    .selectFrom('volume')
    .select('id')
    .where(column, '=', id)
    .where('made', '=', 0)
    .where('operation_id', 'is not', null)
    .executeTakeFirst();
  if (copy !== undefined)
    throw volumeFailure('invalid-volume', { why: `Volume ${copy.id} is being made of ${id}.` });
}

function refuseUnlessDeletable(
  facts: VolumeFacts,
  how: { readonly force: boolean; readonly withGroup?: boolean },
): void {
  const { row, status } = facts;
  if (row.group_id !== null && how.withGroup !== true)
    throw volumeFailure('invalid-volume', {
      why: `Volume cannot be deleted while in group ${row.group_id}.`,
    });
  if (facts.attachments.length > 0 && !how.force)
    throw volumeFailure('invalid-volume', {
      why: `Volume ${row.id} is still attached, detach volume first.`,
    });
  if (row.operation_id === null && (how.force || deletable.has(status))) return;
  throw volumeFailure('invalid-volume', {
    why: 'Volume status must be available or error or error_restoring or error_extending or error_managing and must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer.',
  });
}

/** Every page, one after the other. */
async function allVolumes(core: VolumeCore, request: Request): Promise<readonly VolumeFacts[]> {
  const all: VolumeFacts[] = [];
  const query = new URLSearchParams(request.query);
  query.delete('limit');
  for (;;) {
    const page = await listVolumes(core, { ...request, query });
    all.push(...page.rows);
    const last = page.rows.at(-1);
    if (page.next === undefined || last === undefined) return all;
    query.set('marker', last.row.id);
  }
}

function summaryReply(request: Request, all: readonly VolumeFacts[]): ApiReply {
  const metadata = new Map<string, Set<string>>();
  for (const { row } of all) {
    for (const [key, value] of Object.entries(fields.parseMap(row.metadata_json)))
      metadata.set(key, (metadata.get(key) ?? new Set()).add(value));
  }
  const distinct = Object.fromEntries([...metadata].map(([key, values]) => [key, [...values]]));
  return {
    body: {
      'volume-summary': {
        total_count: all.length,
        total_size: all.reduce((sum, { row }) => sum + row.size_gib, 0),
        ...(request.version.minor >= 36 ? { metadata: distinct } : {}),
      },
    },
  };
}
