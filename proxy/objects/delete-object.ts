import { checkDeletion } from './conditions.ts';
import type { ObjectContext } from './context.ts';
import { dropPrevious } from './drop-previous.ts';
import { checkName, findLive } from './live-rows.ts';
import type { DeleteOptions, DeleteOutcome, ObjectRef } from './object-service.ts';
import type { ObjectRow } from './rows/object-row.ts';
import { objectRef } from './rows/tables.ts';
import { publicVersionId } from './rows/version-block.ts';
import { deleteVersion, discard as discardVersion } from './versions/delete-version.ts';
import { putMarker } from './versions/put-version.ts';
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

async function deleteVersioned(
  context: ObjectContext,
  target: ObjectRef,
  { conditions, versionId, bypassGovernance = false }: DeleteOptions,
): Promise<DeleteOutcome> {
  if (versionId !== undefined) {
    const check = (found: ObjectRow): void => {
      if (conditions !== undefined) checkDeletion(conditions, found.info, false);
    };
    return await deleteVersion(context, { ...target, versionId, bypassGovernance, check });
  }
  const put = await putMarker(context, {
    ...target,
    ...(conditions === undefined ? {} : { conditions }),
  });
  if (put === undefined) return { existed: false };
  for (const gone of put.gone) await discardVersion(context, target, gone);
  return { existed: put.existed, versionId: publicVersionId(put.version), deleteMarker: true };
}
