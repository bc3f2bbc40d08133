/** Reads an object's bytes: from its row, or range by range from its blobs. */

import { strict as assert } from 'node:assert';
import type { Buffer } from 'node:buffer';
import { noBody } from './body-writer.ts';
import type { ObjectContext } from './context.ts';
import type { StoredObject } from './object-service.ts';
import type { BodyBlob, ObjectRow } from './rows/object-row.ts';

export function openStored(
  context: ObjectContext,
  row: ObjectRow,
  body: Buffer | undefined,
): StoredObject {
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
        yield* context.blobs.stream(blob.id, skip, take);
        left -= take;
      }
      skip = Math.max(0, skip - blob.length);
    }
  } finally {
    release();
  }
}
