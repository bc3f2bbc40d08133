/**
 * The rows of one name's versions: the current one under the name, all others in the table of versions.
 *
 * Invariant: the current row decides. A version is copied into the table of versions before the current row is replaced, so that
 * a crash in between leaves a copy too many (known by its order), never one too few. A version that was deleted leaves a gravestone
 * for a while, which no late copy overwrites.
 */
import { Buffer } from 'node:buffer';
import type { RowValue, StoredRow } from '#cluster';
import type { Version } from '#wire';
import type { Container } from '../container-service.ts';
import type { ObjectContext } from '../context.ts';
import { noFields } from '../fields.ts';
import type { ObjectInfo, ObjectRef } from '../object-service.ts';
import { decodeObjectRow, encodeObjectRow, type ObjectRow } from '../rows/object-row.ts';
import { objectRef, shardOf, shardPartition, versionRef, versionTable } from '../rows/tables.ts';
import { orderOf, publicVersionId, type RowVersion } from '../rows/version-block.ts';
import { isLocked } from './version-lock.ts';

/** A row of a name whose versions are kept. */
export interface VersionRow extends ObjectRow {
  readonly version: RowVersion;
  readonly stored: StoredRow;
}

const noBytes = Buffer.alloc(0);
const firstRandom = '0'.repeat(19);

/** A row from before versions were kept is the one called `null`; its order follows from it. */
export function toVersionRow(stored: StoredRow): VersionRow {
  const row = decodeObjectRow(stored);
  const version = row.version ?? {
    order: orderOf(row.info.modifiedUs, firstRandom),
    isNull: true,
    kind: 'object' as const,
  };
  return { ...row, info: { ...row.info, versionId: publicVersionId(version) }, version, stored };
}

export async function getCurrent(
  context: ObjectContext,
  ref: ObjectRef,
  want: { readonly body: boolean },
): Promise<VersionRow | undefined> {
  const stored = await context.tables.get(objectRef(ref.container, ref.name), want);
  return stored === undefined ? undefined : toVersionRow(stored);
}

export async function getArchived(
  context: ObjectContext,
  ref: ObjectRef,
  order: string,
): Promise<VersionRow | undefined> {
  const at = versionRef(ref.container, ref.name, order);
  const stored = await context.tables.get(at, { body: true });
  return stored === undefined ? undefined : toVersionRow(stored);
}

/** Where a name's older versions and markers lie. */
export function versionsOf({ container, name }: ObjectRef) {
  const partition = shardPartition(container, shardOf(name, container.shards));
  return { table: versionTable, partition, prefix: `${name}\0` };
}

const newestPage = 20;

/** The newest archived version or marker but `except`; gravestones do not count. Without its body. */
export async function newestArchived(
  context: ObjectContext,
  ref: ObjectRef,
  except?: string,
): Promise<VersionRow | undefined> {
  let marker: string | undefined;
  for (;;) {
    const page = await context.tables.list({
      ...versionsOf(ref),
      limit: newestPage,
      ...(marker === undefined ? {} : { marker }),
    });
    for (const { row } of page.entries) {
      if (row === undefined) continue;
      marker = row.sort;
      const found = toVersionRow(row);
      if (found.version.kind !== 'gravestone' && found.version.order !== except) return found;
    }
    if (!page.more) return undefined;
  }
}

export function sameVersion(a: Version | undefined, b: Version | undefined): boolean {
  return a?.timeUs === b?.timeUs && a?.coordinator === b?.coordinator;
}

function isNewer(a: Version, b: Version): boolean {
  return a.timeUs !== b.timeUs ? a.timeUs > b.timeUs : a.coordinator > b.coordinator;
}

/**
 * Copies a current row (read with its body) to the table of versions. Idempotent; a later copy of a changed row wins. A time at which
 * the object was to go is for what is current, and stays behind.
 */
export async function archive(
  context: ObjectContext,
  container: Container,
  current: VersionRow,
): Promise<void> {
  const { stored, version } = current;
  const { deleteAtS: _, ...info } = current.info;
  const { restored: __, ...place } = version;
  const copied = { ...place, copiedFrom: stored.version };
  const meta = encodeObjectRow({ ...current, info, version: copied });
  const value = { meta, bytes: stored.bytes, body: stored.body ?? noBytes };
  const isHeld = isLocked(current.info, context.clock.nowUs());
  await context.tables.update(
    versionRef(container, current.info.name, version.order),
    (present) => {
      if (present === undefined) return value;
      const there = toVersionRow(present);
      // Its deletion is under way, and may end as if it had been first; but not that of a locked version.
      if (there.version.kind === 'gravestone') return isHeld ? value : 'keep';
      const from = there.version.copiedFrom;
      return from === undefined || isNewer(stored.version, from) ? value : 'keep';
    },
  );
}

/** A row without bytes: a delete marker, a gravestone, an absence. */
export function bytelessRow(name: string, version: RowVersion, modifiedUs: number): RowValue {
  const info: ObjectInfo = {
    name,
    kind: 'plain',
    size: 0,
    etag: 'd41d8cd98f00b204e9800998ecf8427e',
    contentType: '',
    modifiedUs,
    metadata: noFields,
    headers: noFields,
    system: noFields,
    checksums: noFields,
  };
  return { meta: encodeObjectRow({ info, blobs: [], version }), bytes: 0, body: noBytes };
}

/**
 * Puts a gravestone where a version is, or would be copied to. `allow` sees what is there and may throw to refuse. Returns what
 * was there.
 */
export async function bury(
  context: ObjectContext,
  ref: ObjectRef,
  order: string,
  options: {
    /** Also where nothing is yet. */
    readonly always: boolean;
    readonly allow?: (present: VersionRow) => void;
  },
): Promise<VersionRow | undefined> {
  const at = versionRef(ref.container, ref.name, order);
  const nowUs = context.clock.nowUs();
  let found: VersionRow | undefined;
  await context.tables.update(at, (present) => {
    found = undefined;
    if (present === undefined && !options.always) return 'keep';
    if (present !== undefined) {
      const there = toVersionRow(present);
      if (there.version.kind === 'gravestone') return 'keep';
      options.allow?.(there);
      found = there;
    }
    return bytelessRow(ref.name, { order, isNull: false, kind: 'gravestone' }, nowUs);
  });
  context.gravestones.add({ container: ref.container, name: ref.name, order });
  return found;
}
