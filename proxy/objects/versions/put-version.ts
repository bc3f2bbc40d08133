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
import { objectFailure } from '../failures.ts';
import type { ObjectInfo, ObjectRef, WriteConditions } from '../object-service.ts';
import { encodeObjectRow, type ObjectRow } from '../rows/object-row.ts';
import { objectRef, versionRef } from '../rows/tables.ts';
import { orderOf, orderTimeUs, publicVersionId, type RowVersion } from '../rows/version-block.ts';
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

const attemptsMax = 100;

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
  return await context.locks.run(`${request.container.id}/${request.name}`, async () => {
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const replaced = await tryReplace(context, request, what);
      if (replaced !== 'again') return replaced;
    }
    throw objectFailure('version-contended', 'Too many write to this object at once', {
      facts: { object: request.name },
    });
  });
}

async function tryReplace(
  context: ObjectContext,
  request: Replacing,
  { kind, makeValue }: Replacement,
): Promise<Replaced | 'again' | undefined> {
  const current = await getCurrent(context, request, { body: true });
  const newest = current === undefined ? await newestArchived(context, request) : undefined;
  const live = liveInfo(context, current);
  const { conditions } = request;
  if (conditions !== undefined && kind === 'object') checkConditions(conditions, live);
  if (conditions !== undefined && kind === 'marker') {
    checkDeletion(conditions, live, newest?.version.kind === 'marker');
    if (current === undefined && newest === undefined) return undefined;
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
    return 'again';
  }
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

function liveInfo(context: ObjectContext, row: VersionRow | undefined): ObjectInfo | undefined {
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
  const top = (next.current ?? next.newest)?.version;
  const after = top === undefined ? 0 : orderTimeUs(top.order) + 1;
  const order = orderOf(
    Math.max(context.clock.nowUs(), after),
    randomHex(context.random, 10).slice(1),
  );
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
