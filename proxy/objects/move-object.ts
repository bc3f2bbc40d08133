/**
 * Moves an object's bytes to where its storage class keeps them; what it is stays the same. The bytes are written anew as they lie, encrypted or not.
 * Then the row changes over, if it still refers to those that were read; until then, and whenever this fails, nothing is different.
 */
import { codeOfId } from '#cluster';
import { isFailure } from '#common';
import { borrowedField } from './blob-shares.ts';
import { stopwatch, tooSlow } from './body-writer.ts';
import { codeForLength } from './coding-policies.ts';
import type { ObjectContext } from './context.ts';
import { objectFailure } from './failures.ts';
import { checkName, liveRow } from './live-rows.ts';
import type { ObjectFields, ObjectInfo, ObjectRef, UpdateOptions } from './object-service.ts';
import type { BodyBlob, ObjectRow } from './rows/object-row.ts';
import { objectRef, uploadRef } from './rows/tables.ts';
import { updateObject } from './update-object.ts';
import { discard as discardVersion } from './versions/delete-version.ts';
import { findVersion } from './versions/find-version.ts';
import { toVersionRow, type VersionRow } from './versions/version-rows.ts';
import { versioningOf } from './versions/versioning.ts';

type Code = ReturnType<typeof codeOfId>;

export async function moveObject(
  context: ObjectContext,
  ref: ObjectRef,
  change: (present: ObjectInfo) => ObjectFields,
  options: UpdateOptions,
): Promise<ObjectInfo> {
  checkName(ref.name);
  const row = await findRow(context, ref, options.versionId);
  const { system } = change(await context.encryption.open(row.info));
  const code = context.coding.codeFor(ref.container.policy, system);
  if (row.blobs.every((blob) => liesAs(blob, code)))
    return await updateObject(context, ref, change, options);
  await checkUpload(context, ref, row);
  const release = context.garbage.hold(row.blobs);
  try {
    const info = await rewrite(context, row.blobs, code, (blobs) =>
      updateObject(context, ref, change, { ...options, blobs: { from: row.blobs, to: blobs } }),
    );
    await drop(context, ref, row);
    return info;
  } finally {
    release();
  }
}

async function findRow(
  context: ObjectContext,
  ref: ObjectRef,
  versionId: string | undefined,
): Promise<ObjectRow | VersionRow> {
  const isVersioned = versioningOf(ref.container) !== 'off';
  if (isVersioned && versionId !== undefined)
    return await findVersion(context, { ...ref, versionId });
  const stored = await context.tables.get(objectRef(ref.container, ref.name));
  const live = liveRow(context, ref, stored);
  return isVersioned && stored !== undefined ? toVersionRow(stored) : live;
}

function liesAs({ id, length }: BodyBlob, code: Code): boolean {
  const [now, then] = [codeOfId(id), codeForLength(code, length)];
  return now?.k === then?.k && now?.m === then?.m;
}

/** A completion that is not over yet may write the row again, with the blobs that its parts know. */
async function checkUpload(context: ObjectContext, ref: ObjectRef, row: ObjectRow): Promise<void> {
  const { uploadId } = row;
  if (uploadId === undefined) return;
  if ((await context.tables.get(uploadRef(ref.container, ref.name, uploadId))) === undefined)
    return;
  throw objectFailure('upload-completing', 'The upload is being completed', {
    facts: { upload: uploadId },
  });
}

/** All of them, so that none belongs to both rows. */
async function rewrite<T>(
  context: ObjectContext,
  blobs: readonly BodyBlob[],
  code: Code,
  use: (written: readonly BodyBlob[]) => Promise<T>,
): Promise<T> {
  const tookMs = stopwatch(context.clock);
  const written: BodyBlob[] = [];
  let release = () => {};
  try {
    for (const blob of blobs) written.push(await rewriteOne(context, blob, code));
    // Invariant: no row comes to refer to blobs that reclaim may already hold for garbage.
    if (tookMs() > context.settings.bodyDurationMsMax) throw tooSlow(context.settings);
    release = context.garbage.hold(written);
    return await use(written);
  } catch (error) {
    // After any other failure the row may refer to them yet.
    const isRefused = (['conflict', 'missing', 'invalid', 'denied', 'corrupt'] as const).some(
      (kind) => isFailure(error, kind),
    );
    if (isRefused) context.garbage.add(undefined, written, { own: true });
    throw error;
  } finally {
    release();
  }
}

async function rewriteOne(
  { blobs }: ObjectContext,
  { id, length }: BodyBlob,
  code: Code,
): Promise<BodyBlob> {
  const writer = await blobs.open({ code: codeForLength(code, length), lengthHint: length });
  try {
    let taken = 0;
    for await (const chunk of blobs.stream(id, 0, length, length)) {
      taken += chunk.length;
      await writer.append([chunk]);
    }
    if (taken !== length)
      throw objectFailure('row-malformed', 'A blob is shorter than its row says', {
        facts: { blob: id, length, taken },
      });
    const ref = await writer.commit();
    return { id: ref.id, length };
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

async function drop(
  context: ObjectContext,
  ref: ObjectRef,
  row: ObjectRow | VersionRow,
): Promise<void> {
  if ('stored' in row) return await discardVersion(context, ref, row);
  const here = objectRef(ref.container, ref.name);
  const isBorrower = row.info.system[borrowedField] !== undefined;
  context.garbage.add(here, row.blobs, {
    own: row.uploadId === undefined,
    ...(isBorrower ? { borrower: here } : {}),
  });
}
