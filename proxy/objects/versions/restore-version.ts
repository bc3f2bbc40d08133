/** Makes an older version the current one, under its own id; those that came after it stay where they are. */
import type { ObjectContext } from '../context.ts';
import type { ObjectInfo, ObjectRef } from '../object-service.ts';
import { confirm, isCurrent, orderOfId } from './delete-version.ts';
import { versionMissing } from './find-version.ts';
import { promoted, swapCurrent } from './put-version.ts';
import { inTurn } from './turns.ts';
import { archive, bury, getArchived, getCurrent, newestArchived } from './version-rows.ts';

export interface RestoreVersion extends ObjectRef {
  readonly versionId: string;
}

export async function restoreVersion(
  context: ObjectContext,
  request: RestoreVersion,
): Promise<ObjectInfo> {
  return await inTurn(context, request, () => tryRestore(context, request));
}

async function tryRestore(
  context: ObjectContext,
  request: RestoreVersion,
): Promise<ObjectInfo | undefined> {
  const { versionId, container } = request;
  const current = await getCurrent(context, request, { body: true });
  if (current !== undefined && isCurrent(current, versionId)) return current.info;
  const order = await orderOfId(context, request, versionId, current);
  const found = order === undefined ? undefined : await getArchived(context, request, order);
  if (found?.version.kind !== 'object') throw versionMissing(request);
  const newest = current === undefined ? await newestArchived(context, request) : undefined;
  const top = (current ?? newest)?.version;
  if (current !== undefined) await archive(context, container, current);
  const nullAt = top?.isNull === true ? top.order : top?.nullAt;
  const isNullItself = nullAt === undefined || nullAt === found.version.order;
  const next = promoted(found, { restored: true, ...(isNullItself ? {} : { nullAt }) });
  if (!(await swapCurrent(context, request, current, next))) return undefined;
  if (newest?.version.kind === 'absence')
    await bury(context, request, newest.version.order, { always: false });
  return (await confirm(context, request, found.version.order, found.stored.version))
    ? found.info
    : undefined;
}
