/**
 * Deletes one version for good:
 *
 * - an older one (or a marker) becomes a gravestone;
 * - the current one gets its gravestone first, so that nobody copies it any more, and then the newest of the others takes its place;
 * - whatever was deleted, a name without a current row whose newest version is no marker gets that one back;
 * - where nothing shall take a place (`leaves: 'nothing'`), an absence does.
 */
import { isFailure } from '#common';
import type { ObjectContext } from '../context.ts';
import type { DeleteOptions, DeleteOutcome, ObjectRef } from '../object-service.ts';
import { objectRef, versionRef } from '../rows/tables.ts';
import { isOrder } from '../rows/version-block.ts';
import { dropAbsence, vacate, writeAbsence } from './hide-current.ts';
import { promoted, swapCurrent } from './put-version.ts';
import { inTurn } from './turns.ts';
import { checkUnlocked } from './version-lock.ts';
import {
  bury,
  getArchived,
  getCurrent,
  newestArchived,
  sameVersion,
  toVersionRow,
  type VersionRow,
  versionsOf,
} from './version-rows.ts';

export interface DeleteVersion extends ObjectRef {
  readonly versionId: string;
  readonly bypassGovernance: boolean;
  readonly leaves?: DeleteOptions['leaves'];
  /** Sees the version before it goes; throws to refuse. */
  readonly check?: (found: VersionRow) => void;
}

export function isCurrent(current: VersionRow | undefined, versionId: string): boolean {
  if (current === undefined) return false;
  return versionId === 'null' ? current.version.isNull : current.version.order === versionId;
}

/** The order under which an older version lies, if there can be one of this id. */
export async function orderOfId(
  context: ObjectContext,
  ref: ObjectRef,
  versionId: string,
  current: VersionRow | undefined,
): Promise<string | undefined> {
  if (versionId !== 'null') return isOrder(versionId) ? versionId : undefined;
  if (current !== undefined) return current.version.nullAt;
  const top = (await newestArchived(context, ref))?.version;
  return top?.isNull === true ? top.order : top?.nullAt;
}

export async function deleteVersion(
  context: ObjectContext,
  request: DeleteVersion,
): Promise<DeleteOutcome> {
  return await inTurn(context, request, () => tryDelete(context, request));
}

async function tryDelete(
  context: ObjectContext,
  request: DeleteVersion,
): Promise<DeleteOutcome | undefined> {
  const { versionId } = request;
  const current = await getCurrent(context, request, { body: false });
  if (current !== undefined && isCurrent(current, versionId)) {
    if (!(await deleteCurrent(context, request, current))) return undefined;
    await dropAbsence(context, request);
    return { existed: true, versionId };
  }
  const order = await orderOfId(context, request, versionId, current);
  const found =
    order === undefined
      ? undefined
      : await bury(context, request, order, {
          always: false,
          allow: (present) => check(context, request, present),
        });
  // It may have become the current one meanwhile.
  const now = await getCurrent(context, request, { body: false });
  if (isCurrent(now, versionId)) return undefined;
  if (now === undefined) await settle(context, request, found);
  if (found === undefined) return { existed: false, versionId };
  await discard(context, request, found);
  const isMarker = found.version.kind === 'marker';
  return { existed: true, versionId, ...(isMarker ? { deleteMarker: true } : {}) };
}

function check(context: ObjectContext, request: DeleteVersion, found: VersionRow): void {
  checkUnlocked(found.info, context.clock.nowUs(), request.bypassGovernance);
  request.check?.(found);
}

/**
 * Its blobs go once no row of the name refers to them. An upload whose completion was repeated may be there twice: then they stay, and go
 * with the other.
 */
export async function discard(
  context: ObjectContext,
  ref: ObjectRef,
  gone: VersionRow,
): Promise<void> {
  if (gone.uploadId !== undefined && (await hasTwin(context, ref, gone))) return;
  const rows = [
    objectRef(ref.container, ref.name),
    versionRef(ref.container, ref.name, gone.version.order),
  ];
  context.garbage.add(rows, gone.blobs, { own: gone.uploadId === undefined });
}

const twinsPage = 100;

async function hasTwin(context: ObjectContext, ref: ObjectRef, gone: VersionRow): Promise<boolean> {
  let marker: string | undefined;
  for (;;) {
    const page = await context.tables.list({
      ...versionsOf(ref),
      limit: twinsPage,
      ...(marker === undefined ? {} : { marker }),
    });
    for (const { row } of page.entries) {
      if (row === undefined) continue;
      marker = row.sort;
      const { uploadId, version } = toVersionRow(row);
      if (uploadId === gone.uploadId && version.order !== gone.version.order) return true;
    }
    if (!page.more) return false;
  }
}

/** False when the current row changed meanwhile. */
async function deleteCurrent(
  context: ObjectContext,
  request: DeleteVersion,
  current: VersionRow,
): Promise<boolean> {
  check(context, request, current);
  const { order } = current.version;
  await bury(context, request, order, { always: true });
  if (current.version.isNull && current.version.nullAt !== undefined)
    await bury(context, request, current.version.nullAt, { always: false });
  const replaced =
    request.leaves === 'nothing'
      ? await vacate(context, request, current)
      : await promote(context, request, current, order);
  if (!replaced) return false;
  await discard(context, request, current);
  return true;
}

/** Puts the newest of the other versions in the current row's place; nothing, when that one is a marker. */
async function promote(
  context: ObjectContext,
  ref: ObjectRef,
  current: VersionRow | undefined,
  except?: string,
): Promise<boolean> {
  const newest = await newestArchived(context, ref, except);
  if (newest === undefined || newest.version.kind !== 'object')
    return current === undefined ? true : await swapCurrent(context, ref, current, 'delete');
  const { order } = newest.version;
  const next = await getArchived(context, ref, order);
  if (next === undefined || next.version.kind !== 'object') return false;
  if (!(await swapCurrent(context, ref, current, promoted(next)))) return false;
  return await confirm(context, ref, order, next.stored.version);
}

/** The version may have been changed or deleted between being read and becoming current: then it is done again. */
export async function confirm(
  context: ObjectContext,
  ref: ObjectRef,
  order: string,
  copy: VersionRow['stored']['version'],
): Promise<boolean> {
  const { container, name } = ref;
  const archived = await getArchived(context, ref, order);
  if (archived !== undefined && sameVersion(archived.stored.version, copy)) {
    context.gravestones.add({ container, name, order, copy });
    return true;
  }
  const current = await getCurrent(context, ref, { body: false });
  if (current?.version.order !== order) return true;
  if (archived?.version.kind === 'gravestone') await promote(context, ref, current, order);
  else await promote(context, ref, current);
  return true;
}

/** A name whose newest version is an object has it as its current row, or an absence above it. */
async function settle(
  context: ObjectContext,
  request: DeleteVersion,
  deleted: VersionRow | undefined,
): Promise<void> {
  try {
    if (request.leaves !== 'nothing') await promote(context, request, undefined);
    else if (deleted !== undefined) {
      const { version } = deleted;
      await writeAbsence(context, request, { top: version, nullAt: version.nullAt });
    }
    await dropAbsence(context, request);
  } catch (error) {
    if (!isFailure(error, 'missing')) throw error;
  }
}
