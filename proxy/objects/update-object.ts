/** Changes an object's fields, or where its bytes lie; never the bytes. */
import type { RowValue, StoredRow } from '#cluster';
import { borrowedField } from './blob-shares.ts';
import type { ObjectContext } from './context.ts';
import { encryptionField, encryptionFields } from './encryption/object-encryption.ts';
import { openMetadata } from './encryption/sealed-metadata.ts';
import { objectFailure } from './failures.ts';
import { checkName, infoOf, liveRow, missing } from './live-rows.ts';
import type { ObjectFields, ObjectInfo, ObjectRef, UpdateOptions } from './object-service.ts';
import { type BodyBlob, encodeObjectRow } from './rows/object-row.ts';
import { objectRef } from './rows/tables.ts';
import { changeVersion, versionMissing } from './versions/find-version.ts';
import { toVersionRow } from './versions/version-rows.ts';
import { versioningOf } from './versions/versioning.ts';

/** The same bytes at another place. */
export interface ChangedBlobs {
  readonly from: readonly BodyBlob[];
  readonly to: readonly BodyBlob[];
}

export async function updateObject(
  context: ObjectContext,
  ref: ObjectRef,
  change: (present: ObjectInfo) => ObjectFields,
  { versionId, keepModified, blobs }: UpdateOptions & { readonly blobs?: ChangedBlobs },
): Promise<ObjectInfo> {
  checkName(ref.name);
  const isVersioned = versioningOf(ref.container) !== 'off';
  let info: ObjectInfo | undefined;
  let locked: ObjectInfo | undefined;
  const decide = (present: StoredRow | undefined): RowValue => {
    const live = liveRow(context, ref, present);
    const old = isVersioned && present !== undefined ? toVersionRow(present) : live;
    if (blobs !== undefined && !sameBlobs(old.blobs, blobs.from)) throw changedMeanwhile(ref);
    const key = context.encryption.metadataKeyAtHand(old.info);
    if (key === 'not-at-hand') {
      locked = old.info;
      throw objectFailure('encryption-key-missing', 'The key of the metadata is not at hand');
    }
    const opened = key === undefined ? old.info : openMetadata(old.info, key);
    const { size, etag, kind, parts, versionId: id } = opened;
    const modifiedUs = keepModified === true ? opened.modifiedUs : context.clock.nowUs();
    info = {
      ...infoOf(ref.name, { size, etag, kind }, keepEncryption(opened, change(opened)), modifiedUs),
      ...(parts === undefined ? {} : { parts }),
      ...(id === undefined ? {} : { versionId: id }),
    };
    const kept = key === undefined ? info : context.encryption.seal(info, key);
    const meta = encodeObjectRow({
      ...old,
      info: blobs === undefined ? kept : ownBytes(kept),
      blobs: blobs?.to ?? old.blobs,
    });
    return { meta, bytes: present?.bytes ?? 0, body: present?.body ?? Buffer.alloc(0) };
  };
  if (versionId !== undefined && !isVersioned && versionId !== 'null')
    throw versionMissing({ ...ref, versionId });
  const write = async () => {
    if (isVersioned && versionId !== undefined)
      await changeVersion(context, { ...ref, versionId }, decide);
    else await context.tables.update(objectRef(ref.container, ref.name), decide, { body: true });
  };
  await context.cache.writing(ref.container, () =>
    withKeyAtHand(context, write, () => {
      const found = locked;
      locked = undefined;
      return found;
    }),
  );
  if (info === undefined) throw missing(ref);
  return info;
}

function sameBlobs(some: readonly BodyBlob[], others: readonly BodyBlob[]): boolean {
  return some.length === others.length && some.every(({ id }, at) => id === others[at]?.id);
}

function changedMeanwhile({ name }: ObjectRef): Error {
  return objectFailure('condition-failed', 'The object was changed meanwhile', {
    facts: { object: name },
  });
}

/** Bytes that were written anew are nobody else's any more. */
function ownBytes(info: ObjectInfo): ObjectInfo {
  const { [borrowedField]: _, ...system } = info.system;
  return { ...info, system };
}

/** How often an object may be written anew, under yet another master key, between fetching a key and using it. */
const keyTriesMax = 5;

/** A row is decided on without waiting. A key that is not at hand then is fetched, and it is decided anew. */
async function withKeyAtHand(
  { encryption }: ObjectContext,
  write: () => Promise<void>,
  takeLocked: () => ObjectInfo | undefined,
): Promise<void> {
  for (let tries = 1; ; tries++)
    try {
      await write();
      return;
    } catch (error) {
      const locked = takeLocked();
      if (locked === undefined || tries === keyTriesMax) throw error;
      await encryption.open(locked);
    }
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
