/** The blobs of objects for somebody who reads them by himself: kept by an object of his own that borrows them, so that they stay when the others go. */
import type { ObjectContext } from './context.ts';
import { deleteObject } from './delete-object.ts';
import { encryptionField } from './encryption/object-encryption.ts';
import { lendBlobs } from './lend-blobs.ts';
import { findLive } from './live-rows.ts';
import type { HeldBlob, LendBlobs } from './object-service.ts';
import { objectRef } from './rows/tables.ts';

export async function holdBlobs(
  context: ObjectContext,
  request: LendBlobs,
): Promise<readonly HeldBlob[] | undefined> {
  const { target } = request;
  if ((await lendBlobs(context, request)) === undefined) return undefined;
  const stored = await context.tables.get(objectRef(target.container, target.name));
  const held = findLive(context, stored);
  // What lies in the blobs is not the object's bytes, or they are in fragments, which readers of blobs do not know of.
  const isPlain = held?.info.system[encryptionField] === undefined;
  if (isPlain && held?.blobs.every(({ id }) => id.length === 32) !== false) return held?.blobs;
  await deleteObject(context, target, {});
  return undefined;
}
