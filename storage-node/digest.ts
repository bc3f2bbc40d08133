/**
 * The aggregate of a partition key: how many rows, how many bytes, and an order-independent digest of
 * (sort, version). The digest is two sums modulo 2^32 of a mixing hash, so a row can be added and taken out again.
 * `docs/formats/device-index.md` defines the hash; changing it makes every replica look different.
 */
import type { Aggregate, Version } from '#wire';
import { finishMix, mix, murmur1, murmur2 } from './mixing.ts';

export interface Sums {
  rows: number;
  bytes: number;
  low: number;
  high: number;
}

export function emptySums(): Sums {
  return { rows: 0, bytes: 0, low: 0, high: 0 };
}

export interface Counted {
  readonly deleted: boolean;
  readonly bytes: number;
  readonly version: Version;
}

/** Adds (`sign` 1) or takes out (`sign` -1) one row or tombstone. */
export function count(sums: Sums, sort: string, row: Counted, sign: 1 | -1): void {
  if (!row.deleted) {
    sums.rows += sign;
    sums.bytes += sign * row.bytes;
  }
  const { low, high } = lanesOfRow(sort, row.version);
  sums.low = (sums.low + sign * low) >>> 0;
  sums.high = (sums.high + sign * high) >>> 0;
}

export interface Lanes {
  readonly low: number;
  readonly high: number;
}

export function lanesOfRow(sort: string, version: Version): Lanes {
  return {
    low: laneOf(sort, version, 0x9747b28c, murmur1, murmur2),
    high: laneOf(sort, version, 0x5bd1e995, 0x239b961b, 0xab0e9789),
  };
}

const blobVersion: Version = { timeUs: 0, coordinator: 0 };

/** A blob's content never changes, so its id says all. */
export function lanesOfBlob(id: string): Lanes {
  return lanesOfRow(id, blobVersion);
}

/** Adds to a sum that lies in bytes: low lane, then high, little-endian. */
export function addLanes(to: Buffer, at: number, { low, high }: Lanes): void {
  to.writeUInt32LE((to.readUInt32LE(at) + low) >>> 0, at);
  to.writeUInt32LE((to.readUInt32LE(at + 4) + high) >>> 0, at + 4);
}

/** MurmurHash3's 32-bit body and finalizer over the UTF-16 units of the sort key, then the version. */
function laneOf(sort: string, version: Version, seed: number, c1: number, c2: number): number {
  let hash = seed;
  for (let at = 0; at < sort.length; at++) hash = mix(hash, sort.charCodeAt(at), c1, c2);
  hash = mix(hash, Math.floor(version.timeUs / 2 ** 32), c1, c2);
  hash = mix(hash, version.timeUs >>> 0, c1, c2);
  hash = mix(hash, version.coordinator, c1, c2);
  return finishMix(hash, sort.length);
}

export function aggregateOf(sums: Sums): Aggregate {
  const digest = sums.high.toString(16).padStart(8, '0') + sums.low.toString(16).padStart(8, '0');
  return { rows: sums.rows, bytes: sums.bytes, digest };
}
