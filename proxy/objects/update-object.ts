/** Changes an object's fields, never its bytes. */
import type { RowValue, StoredRow } from '#cluster';
import type { ObjectContext } from './context.ts';
import { encryptionField, encryptionFields } from './encryption/object-encryption.ts';
import { checkName, infoOf, liveRow, missing } from './live-rows.ts';
import type { ObjectFields, ObjectInfo, ObjectRef, UpdateOptions } from './object-service.ts';
import { encodeObjectRow } from './rows/object-row.ts';
import { objectRef } from './rows/tables.ts';
import { changeVersion, versionMissing } from './versions/find-version.ts';
import { toVersionRow } from './versions/version-rows.ts';
import { versioningOf } from './versions/versioning.ts';

export async function updateObject(
  context: ObjectContext,
  ref: ObjectRef,
  change: (present: ObjectInfo) => ObjectFields,
  { versionId, keepModified }: UpdateOptions,
): Promise<ObjectInfo> {
  checkName(ref.name);
  const isVersioned = versioningOf(ref.container) !== 'off';
  let info: ObjectInfo | undefined;
  const decide = (present: StoredRow | undefined): RowValue => {
    const live = liveRow(context, ref, present);
    const old = isVersioned && present !== undefined ? toVersionRow(present) : live;
    const body = { size: old.info.size, etag: old.info.etag, kind: old.info.kind };
    const { parts, versionId: id } = old.info;
    const modifiedUs = keepModified === true ? old.info.modifiedUs : context.clock.nowUs();
    info = {
      ...infoOf(ref.name, body, keepEncryption(old.info, change(old.info)), modifiedUs),
      ...(parts === undefined ? {} : { parts }),
      ...(id === undefined ? {} : { versionId: id }),
    };
    const meta = encodeObjectRow({ ...old, info });
    return { meta, bytes: present?.bytes ?? 0, body: present?.body ?? Buffer.alloc(0) };
  };
  if (versionId !== undefined && !isVersioned && versionId !== 'null')
    throw versionMissing({ ...ref, versionId });
  await context.cache.writing(ref.container, async () => {
    if (isVersioned && versionId !== undefined)
      await changeVersion(context, { ...ref, versionId }, decide);
    else await context.tables.update(objectRef(ref.container, ref.name), decide, { body: true });
  });
  if (info === undefined) throw missing(ref);
  return info;
}

/** Without these fields the bytes could not be read any more, whatever else a dialect makes of an object. */
function keepEncryption(present: ObjectInfo, next: ObjectFields): ObjectFields {
  if (present.system[encryptionField] === undefined) return next;
  const kept = encryptionFields.flatMap((name) => {
    const value = present.system[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...next, system: { ...next.system, ...Object.fromEntries(kept) } };
}
