import { checkDeletion } from './conditions.ts';
import type { ObjectContext } from './context.ts';
import { dropPrevious } from './drop-previous.ts';
import { checkName, findLive } from './live-rows.ts';
import type { DeleteOptions, DeleteOutcome, ObjectRef } from './object-service.ts';
import type { ObjectRow } from './rows/object-row.ts';
import { objectRef } from './rows/tables.ts';
import { publicVersionId } from './rows/version-block.ts';
import { deleteVersion, discard as discardVersion, orderOfId } from './versions/delete-version.ts';
import { hideCurrent } from './versions/hide-current.ts';
import { putMarker } from './versions/put-version.ts';
import { getCurrent } from './versions/version-rows.ts';
import { versioningOf } from './versions/versioning.ts';

export async function deleteObject(
  context: ObjectContext,
  target: ObjectRef,
  options: DeleteOptions,
): Promise<DeleteOutcome> {
  checkName(target.name);
  const { mode, conditions, versionId } = options;
  if (versioningOf(target.container) !== 'off')
    return await context.cache.writing(target.container, () =>
      deleteVersioned(context, target, options),
    );
  if (versionId !== undefined && versionId !== 'null') return { existed: false, versionId };
  const ref = objectRef(target.container, target.name);
  const id = versionId === undefined ? {} : { versionId };
  if (conditions === undefined) {
    const { previous } = await context.tables.delete(
      ref,
      mode === undefined ? undefined : { mode },
    );
    return { existed: dropPrevious(context, ref, previous), ...id };
  }
  const { previous } = await context.tables.update(ref, (present) => {
    checkDeletion(conditions, findLive(context, present)?.info, false);
    return present === undefined ? 'keep' : 'delete';
  });
  return { existed: dropPrevious(context, ref, previous), ...id };
}

/** Whether a version is meant by its id. `null` means whatever is current, unless an older version is called so. */
async function isOlder(
  context: ObjectContext,
  target: ObjectRef,
  versionId: string | undefined,
): Promise<boolean> {
  if (versionId !== 'null') return versionId !== undefined;
  const current = await getCurrent(context, target, { body: false });
  if (current?.version.isNull === true) return false;
  return (await orderOfId(context, target, versionId, current)) !== undefined;
}

async function deleteVersioned(
  context: ObjectContext,
  target: ObjectRef,
  { conditions, versionId, bypassGovernance = false, leaves }: DeleteOptions,
): Promise<DeleteOutcome> {
  if (leaves === 'nothing' && !(await isOlder(context, target, versionId))) {
    const given = conditions === undefined ? {} : { conditions };
    const { gone, existed } = await hideCurrent(context, { ...target, ...given });
    for (const row of gone) await discardVersion(context, target, row);
    return { existed, ...(versionId === undefined ? {} : { versionId }) };
  }
  if (versionId !== undefined) {
    const check = (found: ObjectRow): void => {
      if (conditions !== undefined) checkDeletion(conditions, found.info, false);
    };
    return await deleteVersion(context, {
      ...target,
      versionId,
      bypassGovernance,
      check,
      ...(leaves === undefined ? {} : { leaves }),
    });
  }
  const put = await putMarker(context, {
    ...target,
    ...(conditions === undefined ? {} : { conditions }),
  });
  if (put === undefined) return { existed: false };
  for (const gone of put.gone) await discardVersion(context, target, gone);
  return { existed: put.existed, versionId: publicVersionId(put.version), deleteMarker: true };
}
