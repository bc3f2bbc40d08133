/**
 * Leaves a name without a current version, though older ones may stay (Swift's way; S3 has a marker for it):
 *
 * 1. the current version is copied among the older ones, unless it is the `null` one, which then is gone;
 * 2. an *absence* is written above them, so that none of them is taken for the current one;
 * 3. the current row goes, if it is still the one that was read; else begin again.
 */
import { checkDeletion } from '../conditions.ts';
import type { ObjectContext } from '../context.ts';
import type { ObjectRef } from '../object-service.ts';
import { versionRef } from '../rows/tables.ts';
import { orderTimeUs, type RowVersion } from '../rows/version-block.ts';
import { liveInfo, orderAfter, type Replaced, type Replacing, swapCurrent } from './put-version.ts';
import { inTurn } from './turns.ts';
import { checkUnlocked } from './version-lock.ts';
import {
  archive,
  bury,
  bytelessRow,
  getCurrent,
  newestArchived,
  type VersionRow,
} from './version-rows.ts';

export type Hidden = Pick<Replaced, 'gone' | 'existed'>;

export async function hideCurrent(context: ObjectContext, request: Replacing): Promise<Hidden> {
  return await inTurn(context, request, () => tryHide(context, request));
}

async function tryHide(context: ObjectContext, request: Replacing): Promise<Hidden | undefined> {
  const current = await getCurrent(context, request, { body: true });
  const live = liveInfo(context, current);
  if (request.conditions !== undefined) checkDeletion(request.conditions, live, false);
  if (current === undefined) return { gone: [], existed: false };
  const { isNull, nullAt } = current.version;
  if (isNull) checkUnlocked(current.info, context.clock.nowUs());
  else await archive(context, request.container, current);
  const older = isNull && nullAt !== undefined ? await buryNull(context, request, nullAt) : [];
  if (!(await vacate(context, request, current))) return undefined;
  return { gone: isNull ? [current, ...older] : [], existed: live !== undefined };
}

/** An older `null` that the present one replaced without having had the time to bury it. */
async function buryNull(
  context: ObjectContext,
  ref: ObjectRef,
  order: string,
): Promise<readonly VersionRow[]> {
  const buried = await bury(context, ref, order, { always: false });
  return buried === undefined ? [] : [buried];
}

/** Takes the current row away and puts nothing in its place; false when it changed meanwhile. */
export async function vacate(
  context: ObjectContext,
  ref: ObjectRef,
  current: VersionRow,
): Promise<boolean> {
  const { isNull, nullAt } = current.version;
  const absence = await writeAbsence(context, ref, {
    top: current.version,
    nullAt: isNull ? undefined : nullAt,
  });
  if (await swapCurrent(context, ref, current, 'delete')) return true;
  if (absence !== undefined)
    await context.tables.delete(versionRef(ref.container, ref.name, absence.order));
  return false;
}

/** Where an older version lies uncovered, it is covered. */
export async function writeAbsence(
  context: ObjectContext,
  ref: ObjectRef,
  { top, nullAt }: { readonly top: RowVersion; readonly nullAt: string | undefined },
): Promise<RowVersion | undefined> {
  const newest = await newestArchived(context, ref);
  if (newest?.version.kind !== 'object') return undefined;
  const order = orderAfter(context, [newest.version, top]);
  const version: RowVersion = {
    order,
    isNull: false,
    kind: 'absence',
    ...(nullAt === undefined ? {} : { nullAt }),
  };
  const value = bytelessRow(ref.name, version, orderTimeUs(order));
  await context.tables.put(versionRef(ref.container, ref.name, order), value);
  return version;
}

/** An absence that covers no version with bytes any more goes. */
export async function dropAbsence(context: ObjectContext, ref: ObjectRef): Promise<void> {
  const newest = await newestArchived(context, ref);
  if (newest?.version.kind !== 'absence') return;
  const { order } = newest.version;
  if ((await newestArchived(context, ref, order))?.version.kind !== 'object')
    await bury(context, ref, order, { always: false });
}
