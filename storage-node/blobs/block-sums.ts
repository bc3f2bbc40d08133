/** Checksums of a blob: one CRC32C for each 64 KiB, made while its chunks pass by. */
import { crc32c } from '@node-rs/crc32';

export const blockBytes = 64 * 1024;

/** Gathers the table; chunks may be cut anywhere. */
export class BlockSums {
  private readonly sums: number[] = [];
  private open = 0;
  private filled = 0;
  length = 0;

  add(chunk: Buffer): void {
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

export function sumsOf(chunks: readonly Buffer[]): Buffer {
  const sums = new BlockSums();
  for (const chunk of chunks) sums.add(chunk);
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
