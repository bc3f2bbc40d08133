/** Reads an object's bytes: from its row, or range by range from its blobs. */

import { strict as assert } from 'node:assert';
import type { Buffer } from 'node:buffer';
import { noBody } from './body-writer.ts';
import type { ObjectContext } from './context.ts';
import { decryptInline, encryptionField, readDecrypted } from './encryption/object-encryption.ts';
import { openMetadata } from './encryption/sealed-metadata.ts';
import type { StoredObject } from './object-service.ts';
import type { BodyBlob, ObjectRow } from './rows/object-row.ts';

/** `customerKey`: of a body whose key its client keeps. */
export function openStored(
  context: ObjectContext,
  row: ObjectRow,
  body: Buffer | undefined,
  customerKey?: Buffer,
): StoredObject | Promise<StoredObject> {
  const plain = openPlain(context, row, body);
  if (row.info.system[encryptionField] === undefined && customerKey === undefined) return plain;
  return openEncrypted(context, row, plain, customerKey);
}

async function openEncrypted(
  context: ObjectContext,
  row: ObjectRow,
  plain: StoredObject,
  customerKey: Buffer | undefined,
): Promise<StoredObject> {
  const key = await context.encryption.keyOf(row.info.system, customerKey);
  if (key === undefined) return plain;
  const info = openMetadata(row.info, key);
  const inline = plain.inline && decryptInline(info, key, plain.inline);
  return {
    info,
    inline,
    read: (offset, length) =>
      inline === undefined
        ? readDecrypted(info, key, { offset, length }, plain.read)
        : readInline(inline, offset, length),
  };
}

function openPlain(context: ObjectContext, row: ObjectRow, body: Buffer | undefined): StoredObject {
  const { blobs, info } = row;
  const inline = blobs.length === 0 ? (body ?? noBody) : undefined;
  return {
    info,
    inline,
    read: (offset, length) => {
      assert(offset >= 0 && length >= 0 && offset + length <= info.size, 'range within the object');
      if (inline !== undefined) return readInline(inline, offset, length);
      return readBlobs(context, blobs, offset, length);
    },
  };
}

async function* readInline(body: Buffer, offset: number, length: number): AsyncIterable<Buffer> {
  if (length > 0) yield body.subarray(offset, offset + length);
}

async function* readBlobs(
  context: ObjectContext,
  blobs: readonly BodyBlob[],
  offset: number,
  length: number,
): AsyncIterable<Buffer> {
  const release = context.garbage.hold(blobs);
  try {
    let skip = offset;
    let left = length;
    for (const blob of blobs) {
      if (left === 0) return;
      const take = Math.min(blob.length - skip, left);
      if (take > 0) {
        yield* context.blobs.stream(blob.id, skip, take, blob.length);
        left -= take;
      }
      skip = Math.max(0, skip - blob.length);
    }
  } finally {
    release();
  }
}
