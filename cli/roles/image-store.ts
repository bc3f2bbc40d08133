/**
 * Where the image service keeps its bytes: objects of the `service` project in a container of their own. A content of more
 * than one object may hold is cut into pieces `NAME`, `NAME.1`, `NAME.2` …; all but the last are `pieceBytes` long.
 */
import { createHash } from 'node:crypto';
import type { ContentStore } from '#cloud/image';
import { isFailure } from '#common';
import { accountOf, type Container, type ObjectService, type StoredObject } from '#proxy';

export const imageContainer = 'images';
const piecesMax = 4_096;

export function imageStore(
  objects: ObjectService,
  project: string,
  pieceBytes = 4 * 1024 ** 3,
): ContentStore {
  const account = accountOf(project);
  // Made at the first image, so that a start costs nothing.
  const container = async (): Promise<Container> => {
    try {
      return await objects.containers.open(account, imageContainer);
    } catch (error) {
      if (!isFailure(error, 'missing')) throw error;
      return (await objects.containers.create({ account, name: imageContainer })).container;
    }
  };
  const find = async (at: Container, name: string): Promise<StoredObject | undefined> => {
    try {
      return await objects.objects.get({ container: at, name });
    } catch (error) {
      if (isFailure(error, 'missing')) return undefined;
      throw error;
    }
  };
  return {
    put: async (name, body, lengthBytes) => {
      const at = await container();
      if (lengthBytes !== undefined && lengthBytes <= pieceBytes) {
        const { info } = await objects.objects.put({
          container: at,
          name,
          body,
          length: lengthBytes,
        });
        return { md5: info.etag };
      }
      const md5 = createHash('md5');
      const source = new PieceSource(body, (chunk) => md5.update(chunk));
      for (let piece = 0; piece === 0 || !(await source.ended()); piece++)
        await objects.objects.put({
          container: at,
          name: pieceName(name, piece),
          body: source.take(pieceBytes),
        });
      return { md5: md5.digest('hex') };
    },
    open: async (name) => {
      const at = await container();
      const pieces = [await objects.objects.get({ container: at, name })];
      while (pieces.at(-1)?.info.size === pieceBytes && pieces.length < piecesMax) {
        const next = await find(at, pieceName(name, pieces.length));
        if (next === undefined) break;
        pieces.push(next);
      }
      const sizeBytes = pieces.reduce((sum, { info }) => sum + info.size, 0);
      return { sizeBytes, read: (offset, length) => readPieces(pieces, offset, length) };
    },
    delete: async (name) => {
      const at = await container();
      // From the end: while the first is there, so may the others be.
      const { entries } = await objects.containers.list(at, {
        prefix: `${name}.`,
        limit: piecesMax,
      });
      for (const entry of entries)
        if (entry.prefix === undefined)
          await objects.objects.delete({ container: at, name: entry.name });
      await objects.objects.delete({ container: at, name });
    },
  };
}

const pieceName = (name: string, piece: number) => (piece === 0 ? name : `${name}.${piece}`);

async function* readPieces(
  pieces: readonly StoredObject[],
  offset: number,
  length: number,
): AsyncGenerator<Buffer> {
  let skip = offset;
  let left = length;
  for (const piece of pieces) {
    const take = Math.min(Math.max(piece.info.size - skip, 0), left);
    if (take > 0) yield* piece.read(skip, take);
    skip = Math.max(skip - piece.info.size, 0);
    left -= take;
  }
}

/** A stream that is read in several goes of so many bytes each. */
class PieceSource {
  private readonly iterator: AsyncIterator<Buffer>;
  private readonly seen: (chunk: Buffer) => void;
  private rest: Buffer | undefined;

  constructor(body: AsyncIterable<Buffer>, seen: (chunk: Buffer) => void) {
    this.iterator = body[Symbol.asyncIterator]();
    this.seen = seen;
  }

  async ended(): Promise<boolean> {
    return (await this.next()) === undefined;
  }

  private async next(): Promise<Buffer | undefined> {
    while (this.rest === undefined || this.rest.length === 0) {
      const { value, done } = await this.iterator.next();
      if (done === true) return undefined;
      this.seen(value);
      this.rest = value;
    }
    return this.rest;
  }

  async *take(bytes: number): AsyncGenerator<Buffer> {
    for (let left = bytes; left > 0; ) {
      const chunk = await this.next();
      if (chunk === undefined) return;
      // Whole where it can be: it was lent, and a part of it gives nothing back.
      const piece = chunk.length <= left ? chunk : chunk.subarray(0, left);
      this.rest = chunk.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }
}
