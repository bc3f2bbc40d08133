/** Checksums of a blob: one CRC32C for each 64 KiB, made while its chunks pass by. */
import { crc32c } from '@node-rs/crc32';

export const blockBytes = 64 * 1024;

/** What adding one list of chunks to the sums of one blob came to. */
interface Added {
  readonly id: string;
  readonly chunks: readonly Buffer[];
  readonly from: { readonly length: number; readonly open: number };
  readonly to: { readonly length: number; readonly open: number };
  readonly sums: readonly number[];
}

/**
 * Replicas of one process are given the very same list of chunks, one after the other: the first one's sums serve the
 * others. Only for the same blob at the same place, because a list may be filled anew for another blob. The bytes of a
 * blob never change, so bytes that did are a mistake, and stand out when the copy is read.
 */
const known = new WeakMap<readonly Buffer[], Added>();

/** Gathers the table; chunks may be cut anywhere. */
export class BlockSums {
  private readonly id: string;
  private readonly sums: number[] = [];
  private open = 0;
  private filled = 0;
  length = 0;

  constructor(id: string) {
    this.id = id;
  }

  addAll(chunks: readonly Buffer[]): void {
    const { id, length, open } = this;
    const before = known.get(chunks);
    if (before !== undefined && this.isNext(before, chunks)) {
      this.sums.push(...before.sums);
      this.length = before.to.length;
      this.open = before.to.open;
      this.filled = this.length % blockBytes;
      return;
    }
    const count = this.sums.length;
    for (const chunk of chunks) this.add(chunk);
    const to = { length: this.length, open: this.open };
    const sums = this.sums.slice(count);
    known.set(chunks, { id, chunks: chunks.slice(), from: { length, open }, to, sums });
  }

  private isNext({ id, from, chunks }: Added, offered: readonly Buffer[]): boolean {
    if (id !== this.id || from.length !== this.length || from.open !== this.open) return false;
    return chunks.length === offered.length && chunks.every((chunk, at) => chunk === offered[at]);
  }

  private add(chunk: Buffer): void {
    this.length += chunk.length;
    for (let at = 0; at < chunk.length; ) {
      const take = Math.min(blockBytes - this.filled, chunk.length - at);
      this.open = crc32c(chunk.subarray(at, at + take), this.open);
      this.filled += take;
      at += take;
      if (this.filled === blockBytes) this.endBlock();
    }
  }

  private endBlock(): void {
    this.sums.push(this.open);
    this.open = 0;
    this.filled = 0;
  }

  /** The table so far, four bytes a block, little-endian. */
  finish(): Buffer {
    if (this.filled > 0) this.endBlock();
    const table = Buffer.allocUnsafe(this.sums.length * 4);
    for (const [at, sum] of this.sums.entries()) table.writeUInt32LE(sum, at * 4);
    return table;
  }
}

export function sumsOf(id: string, chunks: readonly Buffer[]): Buffer {
  const sums = new BlockSums(id);
  sums.addAll(chunks);
  return sums.finish();
}

/** True when `bytes`, which begin with block `first`, are what the table says. */
export function blocksMatch(table: Buffer, first: number, bytes: Buffer): boolean {
  for (let at = 0, block = first; at < bytes.length; at += blockBytes, block++) {
    if (block * 4 + 4 > table.length) return false;
    if (crc32c(bytes.subarray(at, at + blockBytes)) !== table.readUInt32LE(block * 4)) return false;
  }
  return true;
}
