/**
 * What the engine has and this service does not know: volumes that operators made on the command line, snapshots of theirs, and what was
 * given up (`os-unmanage`). Taken over, a thing keeps the id it has in the engine, as everything here.
 */
import Type from 'typebox';
import { Value } from 'typebox/value';
import { flagOf, isVisible, projectOf, type Request } from '../caller.ts';
import type { VolumeCore } from '../core.ts';
import type { EngineListed, EngineVolume } from '../engine.ts';
import { volumeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import type { View } from '../views.ts';
import { poolOf } from './volume-views.ts';

export interface Manageable {
  readonly id: string;
  readonly name: string;
  readonly sizeGib: number;
  /** Why it may not be taken over; undefined when it may. */
  readonly unsafe: string | undefined;
  readonly managed: boolean;
  /** Of a snapshot: the volume. */
  readonly volumeId?: string;
}

/** Volumes and snapshots of the engine that are looked at for one listing. */
const lookedAtMax = 10_000;
const gib = 2 ** 30;
const uuid = new RegExp(fields.uuidPattern);

/** Every volume of the engine that the caller's project has. */
export async function manageableVolumes(core: VolumeCore, request: Request): Promise<Manageable[]> {
  const listed: EngineListed[] = [];
  for (let marker: string | undefined; listed.length < lookedAtMax; ) {
    const page = await core.engine.list(projectOf(request), marker === undefined ? {} : { marker });
    listed.push(...page.entries);
    marker = page.next;
    if (marker === undefined) break;
  }
  const found: Manageable[] = [];
  for (const { id } of listed) found.push(await manageableVolume(core, await core.engine.get(id)));
  return found;
}

export async function manageableVolume(
  core: VolumeCore,
  volume: EngineVolume,
): Promise<Manageable> {
  const row = await core.db
    .selectFrom('volume')
    .select('id')
    .where('id', '=', volume.id)
    .executeTakeFirst();
  return {
    id: volume.id,
    name: volume.name,
    sizeGib: Math.ceil(volume.sizeBytes / gib),
    managed: row !== undefined,
    unsafe: row === undefined ? unsafe(volume) : 'already managed',
  };
}

function unsafe({ state, sealed, encryption }: EngineVolume): string | undefined {
  if (state !== 'ready') return `it is ${state}`;
  if (sealed) return 'it is the disk of an image';
  // Its key is no secret of a project, so nobody here could give it on.
  return encryption === undefined ? undefined : 'it is encrypted with a key of the operator';
}

/** Every snapshot of volumes that are managed, but for what backups and uploads hold. */
export async function manageableSnapshots(
  core: VolumeCore,
  request: Request,
): Promise<Manageable[]> {
  const volumes = await core.db
    .selectFrom('volume')
    .select(['id', 'project_id'])
    .where('made', '=', 1)
    .orderBy('id')
    .limit(lookedAtMax)
    .execute();
  const found: Manageable[] = [];
  for (const volume of volumes)
    if (isVisible(request, volume)) found.push(...(await snapshotsOf(core, volume.id)));
  return found;
}

export async function snapshotsOf(core: VolumeCore, volumeId: string): Promise<Manageable[]> {
  const [snapshots, known, pins, volume] = await Promise.all([
    core.engine.listSnapshots(volumeId),
    core.db.selectFrom('volume_snapshot').select('id').where('volume_id', '=', volumeId).execute(),
    core.db
      .selectFrom('volume_backup')
      .select('pin_id as id')
      .where('volume_id', '=', volumeId)
      .execute(),
    core.db
      .selectFrom('volume')
      .select('operation_id')
      .where('id', '=', volumeId)
      .executeTakeFirst(),
  ]);
  const managed = new Set(known.map(({ id }) => id));
  const held = new Set([...pins.map(({ id }) => id), volume?.operation_id]);
  return snapshots
    .filter(({ id }) => !held.has(id))
    .map(({ id, name, sizeBytes }) => ({
      id,
      name,
      volumeId,
      sizeGib: Math.ceil(sizeBytes / gib),
      managed: managed.has(id),
      unsafe: managed.has(id)
        ? 'already managed'
        : uuid.test(id)
          ? undefined
          : 'its id is of another form',
    }));
}

/** The engine's name for it (`source-id`), or its own (`source-name`). */
const references = Type.Union([
  Type.Object({ 'source-id': Type.String({ minLength: 1, maxLength: 255 }) }),
  Type.Object({ 'source-name': Type.String({ minLength: 1, maxLength: 255 }) }),
]);

export function byReference(all: readonly Manageable[], reference: unknown): Manageable {
  if (!Value.Check(references, reference))
    throw volumeFailure('invalid-input', {
      why: 'Reference must contain source-id or source-name element.',
    });
  const wanted = 'source-id' in reference ? reference['source-id'] : reference['source-name'];
  // As back ends call what Cinder has given up.
  const bare = wanted.replace(/^(volume-|_?snapshot-)/, '');
  const byId = all.filter(({ id }) => id === wanted || id === bare);
  const found =
    byId.length > 0 || 'source-id' in reference
      ? byId
      : all.filter(({ name, managed }) => name === wanted && !managed);
  const [one, ...more] = found;
  if (one === undefined) throw refused(wanted, 'there is no such thing in this project');
  if (more.length > 0) throw refused(wanted, 'several have that name; say source-id');
  if (one.unsafe !== undefined) throw refused(wanted, one.unsafe);
  return one;
}

function refused(reference: string, why: string) {
  return volumeFailure('invalid-input', {
    why: `Manage existing failed due to invalid backend reference ${reference}: ${why}`,
  });
}

/** Of a listing the host must be said, and there is one. */
export function checkHost(core: VolumeCore, host: string | null | undefined): void {
  if (!host) throw volumeFailure('refused', { why: 'Host field is missing.' });
  const known = [core.host, `${core.host}@pileus`, poolOf(core)];
  if (!known.includes(host))
    throw volumeFailure('unavailable', { why: `Host '${host}' not found` });
}

const sortKeys = ['reference', 'size'];

export function manageableView(
  core: VolumeCore,
  request: Request,
  all: readonly Manageable[],
  full: boolean,
): View[] {
  const { query } = request;
  checkHost(core, query.get('host'));
  const [key = '', direction = ''] = (query.get('sort') ?? '').split(':');
  const by = key || query.get('sort_key') || 'reference';
  if (!sortKeys.includes(by))
    throw volumeFailure('invalid-input', { why: `Invalid sort keys passed: ${by.slice(0, 64)}` });
  const ascending = (direction || query.get('sort_dir')) === 'asc' ? 1 : -1;
  const order = (a: Manageable, b: Manageable) =>
    (by === 'size' && a.sizeGib !== b.sizeGib ? a.sizeGib - b.sizeGib : a.id < b.id ? -1 : 1) *
    ascending;
  const rows = all.toSorted(order);
  const marker = query.get('marker');
  const from = marker === null ? 0 : rows.findIndex(({ id }) => marker.includes(id)) + 1;
  const offset = from + numberOf(query.get('offset'), 0);
  const limit = Math.min(
    numberOf(query.get('limit'), core.settings.pageMax),
    core.settings.pageMax,
  );
  return rows.slice(offset, offset + limit).map((one) => viewOf(one, full));
}

function numberOf(text: string | null, absent: number): number {
  if (text === null) return absent;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw volumeFailure('invalid-input', { why: `${text.slice(0, 64)} is no number` });
}

function viewOf(one: Manageable, full: boolean): View {
  return {
    reference: { 'source-id': one.id },
    size: one.sizeGib,
    safe_to_manage: one.unsafe === undefined,
    ...(one.volumeId === undefined ? {} : { source_reference: { 'source-id': one.volumeId } }),
    ...(full
      ? {
          reason_not_safe: one.unsafe ?? null,
          cinder_id: one.managed ? one.id : null,
          extra_info: one.name === '' ? null : { name: one.name },
        }
      : {}),
  };
}

export const bootableOf = (value: unknown): 0 | 1 => (flagOf(value, 'bootable') ? 1 : 0);
