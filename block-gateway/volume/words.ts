/** Fixed-width words of the stored formats, little-endian, as the extent map's own words are. */
import { crc32c } from '@node-rs/crc32';
import { Failure } from '#common';

export function writeU64(target: Buffer, value: number, at: number): void {
  target.writeUInt32LE(value % 2 ** 32, at);
  target.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

/** A number below 2^53; anything above is `corrupt`. */
export function readU64(source: Buffer, at: number): number {
  const value = source.readUInt32LE(at) + source.readUInt32LE(at + 4) * 2 ** 32;
  if (value > Number.MAX_SAFE_INTEGER) throw corruptFormat('number-too-large', { at });
  return value;
}

/** CRC32C of `header`, its field at `crcAt` taken as zero. */
export function headerCrc(header: Buffer, crcAt: number): number {
  const before = crc32c(header.subarray(0, crcAt));
  return crc32c(header.subarray(crcAt + 4), crc32c(Buffer.alloc(4), before));
}

export { crc32c };

/** A volume's UUID as its 16 bytes. */
export function volumeIdBytes(volumeId: string): Buffer {
  return Buffer.from(volumeId.replaceAll('-', ''), 'hex');
}

export function volumeIdText(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

export function corruptFormat(
  reason: string,
  facts: Readonly<Record<string, string | number>> = {},
): Failure {
  return new Failure('corrupt', 'volume-data-corrupt', 'Stored bytes of a volume are not valid', {
    facts: { reason, ...facts },
  });
}
