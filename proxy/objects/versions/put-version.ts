/**
 * Writes that replace the current version where versions are kept:
 *
 * 1. read the current row C, and judge the conditions by it;
 * 2. copy C into the table of versions, unless it is the `null` version that this write replaces;
 * 3. a deletion writes its marker there;
 * 4. replace the current row, if it is still C; else begin again;
 * 5. what the new `null` version replaced is buried.
 */
import { strict as assert } from 'node:assert';
import type { RowValue } from '#cluster';
import { randomHex } from '#common';
import { checkConditions, checkDeletion } from '../conditions.ts';
import type { ObjectContext } from '../context.ts';
import type { ObjectInfo, ObjectRef, WriteConditions } from '../object-service.ts';
import { encodeObjectRow, type ObjectRow } from '../rows/object-row.ts';
import { objectRef, versionRef } from '../rows/tables.ts';
import { orderOf, orderTimeUs, publicVersionId, type RowVersion } from '../rows/version-block.ts';
import { inTurn } from './turns.ts';
import {
  archive,
  bury,
  bytelessRow,
  getCurrent,
  newestArchived,
  sameVersion,
  type VersionRow,
} from './version-rows.ts';
import { versioningOf } from './versioning.ts';

const noBytes = Buffer.alloc(0);

export interface Replacing extends ObjectRef {
  readonly conditions?: WriteConditions;
}

export interface Replaced {
  readonly version: RowVersion;
  /** A version that is gone now: the `null` one that another replaced. */
  readonly gone: readonly VersionRow[];
  /** There was an object. */
  readonly existed: boolean;
}

/** Puts a version on top of the others. */
export async function putVersion(
  context: ObjectContext,
  request: Replacing,
  row: ObjectRow,
  inline: Buffer,
): Promise<Replaced & { readonly info: ObjectInfo }> {
  let info = row.info;
  const replaced = await replaceCurrent(context, request, {
    kind: 'object',
    makeValue: (version) => {
      info = { ...row.info, versionId: publicVersionId(version) };
      const meta = encodeObjectRow({ ...row, info, version });
      return { meta, bytes: row.info.size, body: inline };
    },
  });
  assert(replaced !== undefined, 'an object is put or refused');
  return { ...replaced, info };
}

/** Puts a delete marker on top of the others; undefined where conditions stand and there is nothing they could be about. */
export function putMarker(
  context: ObjectContext,
  request: Replacing,
): Promise<Replaced | undefined> {
  return replaceCurrent(context, request, { kind: 'marker' });
}

interface Replacement {
  readonly kind: 'object' | 'marker';
  readonly makeValue?: (version: RowVersion) => RowValue;
}

async function replaceCurrent(
  context: ObjectContext,
  request: Replacing,
  what: Replacement,
): Promise<Replaced | undefined> {
  const replaced = await inTurn(context, request, () => tryReplace(context, request, what));
  return replaced === 'nothing' ? undefined : replaced;
}

async function tryReplace(
  context: ObjectContext,
  request: Replacing,
  { kind, makeValue }: Replacement,
): Promise<Replaced | 'nothing' | undefined> {
  const current = await getCurrent(context, request, { body: true });
  const isNewest = current !== undefined && current.version.restored !== true;
  const newest = isNewest ? undefined : await newestArchived(context, request);
  const live = liveInfo(context, current);
  const { conditions } = request;
  if (conditions !== undefined && kind === 'object') checkConditions(conditions, live);
  if (conditions !== undefined && kind === 'marker') {
    checkDeletion(conditions, live, newest?.version.kind === 'marker');
    if (current === undefined && newest === undefined) return 'nothing';
  }
  const isNull = versioningOf(request.container) !== 'enabled';
  const before = nullBefore(current, newest);
  const version = nextVersion(context, { current, newest, isNull, nullAt: before.kept, kind });
  for (const order of before.superseded) await bury(context, request, order, { always: false });
  const replacesNull = isNull && current?.version.isNull === true;
  if (current !== undefined && !replacesNull) await archive(context, request.container, current);
  if (kind === 'marker') await writeMarker(context, request, version);
  const changed = await swapCurrent(context, request, current, makeValue?.(version) ?? 'delete');
  if (!changed) {
    if (kind === 'marker')
      await context.tables.delete(versionRef(request.container, request.name, version.order));
    return undefined;
  }
  if (newest?.version.kind === 'absence')
    await bury(context, request, newest.version.order, { always: false });
  const gone = replacesNull ? [current] : [];
  const buried =
    isNull && before.kept !== undefined && before.kept !== current?.version.order
      ? await bury(context, request, before.kept, { always: false })
      : undefined;
  return {
    version,
    gone: buried === undefined ? gone : [...gone, buried],
    existed: live !== undefined,
  };
}

export function liveInfo(
  context: ObjectContext,
  row: VersionRow | undefined,
): ObjectInfo | undefined {
  const deleteAtS = row?.info.deleteAtS;
  const expired = deleteAtS !== undefined && deleteAtS * 1_000_000 <= context.clock.nowUs();
  return expired ? undefined : row?.info;
}

interface NullBefore {
  /** The order of the `null` version among the older ones, once this write is done. */
  readonly kept: string | undefined;
  /** An older `null` that a present one replaced without having had the time to bury it. */
  readonly superseded: readonly string[];
}

function nullBefore(current: VersionRow | undefined, newest: VersionRow | undefined): NullBefore {
  const top = (current ?? newest)?.version;
  if (top === undefined) return { kept: undefined, superseded: [] };
  if (!top.isNull) return { kept: top.nullAt, superseded: [] };
  return { kept: top.order, superseded: top.nullAt === undefined ? [] : [top.nullAt] };
}

interface Next {
  readonly current: VersionRow | undefined;
  readonly newest: VersionRow | undefined;
  readonly isNull: boolean;
  readonly nullAt: string | undefined;
  readonly kind: 'object' | 'marker';
}

function nextVersion(context: ObjectContext, next: Next): RowVersion {
  const before = [next.current, next.newest].flatMap((row) => (row ? [row.version] : []));
  const order = orderAfter(context, before);
  const { isNull, kind, nullAt } = next;
  return { order, isNull, kind, ...(nullAt === undefined ? {} : { nullAt }) };
}

async function writeMarker(
  context: ObjectContext,
  ref: ObjectRef,
  version: RowVersion,
): Promise<void> {
  const value = bytelessRow(ref.name, version, orderTimeUs(version.order));
  await context.tables.put(versionRef(ref.container, ref.name, version.order), value);
}

/** The order of a version that is made now, newer than those. */
export function orderAfter(context: ObjectContext, before: readonly RowVersion[]): string {
  const times = before.map((version) => orderTimeUs(version.order) + 1);
  const timeUs = Math.max(context.clock.nowUs(), ...times);
  return orderOf(timeUs, randomHex(context.random, 10).slice(1));
}

/** An older version (read with its body) as the current row. */
export function promoted(
  row: VersionRow,
  change?: Pick<RowVersion, 'nullAt' | 'restored'>,
): RowValue {
  const { copiedFrom: _, nullAt, ...place } = row.version;
  const version = { ...place, ...(change ?? (nullAt === undefined ? {} : { nullAt })) };
  const { bytes, body = noBytes } = row.stored;
  return { meta: encodeObjectRow({ ...row, version }), bytes, body };
}

/** Replaces the current row if it is still the one that was read. */
export async function swapCurrent(
  context: ObjectContext,
  ref: ObjectRef,
  current: VersionRow | undefined,
  next: RowValue | 'delete',
): Promise<boolean> {
  let isSame = false;
  await context.tables.update(objectRef(ref.container, ref.name), (present) => {
    isSame = sameVersion(present?.version, current?.stored.version);
    if (!isSame) return 'keep';
    return present === undefined && next === 'delete' ? 'keep' : next;
  });
  return isSame;
}
