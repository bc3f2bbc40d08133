/**
 * What a device counts: live bytes of each log file, rows, blobs. Kept with the index, changed in the same batches,
 * and so right at once after a restart.
 */
import { fileKey } from '../index/keys.ts';
import type { LogPosition } from '../log/log.ts';

export interface Counters {
  rows: number;
  blobs: number;
  /** Bytes of blob files that a blob refers to. */
  blobFileBytes: number;
  promises: number;
  quarantined: number;
}

export interface FileStats {
  /** Bytes of records that the index refers to. */
  live: number;
  /** Bytes of blob tombstones, needed as long as an older file may hold what they deleted. */
  tombstones: number;
  /** Where its indexed records end. */
  end: number;
}

export class Ledger {
  counters: Counters = { rows: 0, blobs: 0, blobFileBytes: 0, promises: 0, quarantined: 0 };
  readonly files = new Map<number, FileStats>();
  private readonly touched = new Set<number>();

  statsOf(file: number): FileStats {
    let stats = this.files.get(file);
    if (stats === undefined) {
      stats = { live: 0, tombstones: 0, end: 0 };
      this.files.set(file, stats);
    }
    this.touched.add(file);
    return stats;
  }

  addLive(file: number, bytes: number): void {
    this.statsOf(file).live += bytes;
  }

  /** Files that are gone already have nothing to be taken off. */
  dropLive(file: number, bytes: number): void {
    if (this.files.has(file)) this.statsOf(file).live -= bytes;
  }

  forget(file: number): void {
    this.files.delete(file);
    this.touched.add(file);
  }

  reach(position: LogPosition): void {
    const stats = this.statsOf(position.file);
    stats.end = Math.max(stats.end, position.offset);
  }

  /** Puts what changed since the last call into a batch. */
  write(batch: Map<string, string | undefined>): void {
    for (const file of this.touched) {
      const stats = this.files.get(file);
      const text =
        stats === undefined ? undefined : `${stats.live} ${stats.tombstones} ${stats.end}`;
      batch.set(fileKey(file), text);
    }
    this.touched.clear();
  }

  readFile(number: number, text: string): void {
    const [live = 0, tombstones = 0, end = 0] = text.split(' ').map(Number);
    this.files.set(number, { live, tombstones, end });
  }

  get liveBytes(): number {
    let total = 0;
    for (const stats of this.files.values()) total += stats.live;
    return total;
  }
}

/** A link of the chain of batches: up to where the log is indexed, and the counters at that point. */
export interface Link extends Counters, LogPosition {
  readonly group: number;
}

export function writeLink(link: Link): string {
  const { file, offset, group, rows, blobs, blobFileBytes, promises, quarantined } = link;
  return [file, offset, group, rows, blobs, blobFileBytes, promises, quarantined].join(' ');
}

export function readLink(text: string): Link {
  const [
    file = 0,
    offset = 0,
    group = 0,
    rows = 0,
    blobs = 0,
    blobFileBytes = 0,
    promises = 0,
    quarantined = 0,
  ] = text.split(' ').map(Number);
  return { file, offset, group, rows, blobs, blobFileBytes, promises, quarantined };
}
