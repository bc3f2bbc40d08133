/** An object made of others by reference: it has their bytes, of which nothing is copied, and keeps them when they go (`blob-shares.ts`). */
import { Buffer } from 'node:buffer';
import { isFailure } from '#common';
import { BlobShares, borrowedField } from './blob-shares.ts';
import type { ObjectContext } from './context.ts';
import { deleteObject } from './delete-object.ts';
import { encryptionField, encryptionFields } from './encryption/object-encryption.ts';
import { objectFailure } from './failures.ts';
import type { Fields } from './fields.ts';
import { findLive, infoOf, missing } from './live-rows.ts';
import type { LendBlobs, ObjectInfo, ObjectRef } from './object-service.ts';
import { type BodyBlob, encodeObjectRow, type ObjectRow } from './rows/object-row.ts';
import { objectRef } from './rows/tables.ts';

export async function lendBlobs(
  context: ObjectContext,
  { sources, target }: LendBlobs,
): Promise<ObjectInfo | undefined> {
  const rows = await Promise.all(sources.map((source) => currentRow(context, source)));
  const borrowed = borrow(target.name, rows, context.clock.nowUs());
  if (borrowed === undefined) return undefined;
  const { info, blobs } = borrowed;
  const ref = objectRef(target.container, target.name);
  const value = { meta: encodeObjectRow(borrowed), bytes: info.size, body: Buffer.alloc(0) };
  try {
    await context.cache.writing(target.container, () => context.tables.put(ref, value));
  } catch (error) {
    // So many blobs that no row has room for them.
    if (isFailure(error) && error.code === 'row-too-large') return undefined;
    throw error;
  }
  try {
    await new BlobShares(context.tables).note(blobs, ref);
    for (const [at, source] of sources.entries())
      await checkSame(context, source, rows[at]?.blobs ?? []);
  } catch (error) {
    await deleteObject(context, target, {});
    throw error;
  }
  return info;
}

async function currentRow(context: ObjectContext, ref: ObjectRef): Promise<ObjectRow> {
  const stored = await context.tables.get(objectRef(ref.container, ref.name));
  const row = findLive(context, stored);
  if (row === undefined) throw missing(ref);
  return row;
}

/** Nothing when it cannot be done: bytes that lie in rows, keys that are a client's, several bodies under several keys. */
function borrow(name: string, rows: readonly ObjectRow[], nowUs: number): ObjectRow | undefined {
  const [first] = rows;
  if (first === undefined || !rows.every(isLendable)) return undefined;
  const own = { [borrowedField]: '1' };
  if (rows.length === 1) {
    const { size, etag, parts, system, kind } = first.info;
    const fields = { system: { ...keysOf(system), ...own } };
    const info = infoOf(name, { size, etag, kind }, fields, nowUs);
    return { info: parts === undefined ? info : { ...info, parts }, blobs: first.blobs };
  }
  if (rows.some(({ info }) => info.system[encryptionField] !== undefined)) return undefined;
  const size = rows.reduce((sum, { info }) => sum + info.size, 0);
  // Nobody has computed the MD5 of the whole, and nobody asks for it.
  const body = { size, etag: '0'.repeat(32), kind: 'plain' as const };
  return {
    info: infoOf(name, body, { system: own }, nowUs),
    blobs: rows.flatMap(({ blobs }) => blobs),
  };
}

function isLendable({ info, blobs }: ObjectRow): boolean {
  const isPlain = info.kind === 'plain' || info.kind === 'multipart';
  return isPlain && blobs.length > 0 && info.system[encryptionField] !== 'SSE-C';
}

const keysOf = (system: Fields): Fields =>
  Object.fromEntries(Object.entries(system).filter(([name]) => encryptionFields.includes(name)));

/** Read by a majority after the blobs were noted down: see `blob-shares.ts`. */
async function checkSame(
  context: ObjectContext,
  source: ObjectRef,
  blobs: readonly BodyBlob[],
): Promise<void> {
  const now = (await currentRow(context, source)).blobs;
  if (now.length === blobs.length && now.every(({ id }, at) => id === blobs[at]?.id)) return;
  throw objectFailure('segment-changed', 'The object was replaced while it was shared', {
    facts: { container: source.container.name, object: source.name },
  });
}
