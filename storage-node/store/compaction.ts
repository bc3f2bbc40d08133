/**
 * Gives back the space of records that nothing refers to any more, a file at a time:
 *
 * 1. the emptiest sealed file is walked; each live record is appended to the log's end like any other change;
 * 2. when all copies are durable and indexed, and the ledger counts nothing live in the file, the index is flushed;
 * 3. the file is struck from the ledger, then unlinked.
 *
 * A crash anywhere leaves either the file or all of its live records' copies, or both, which is the same thing.
 * Tombstones of blobs and records of forgotten rows are carried along until no older file is left that could hold what they deleted.
 */
import type { BackgroundWork, Logger, StepOutcome } from '#common';
import type { IndexStore } from '../index/index-store.ts';
import { type Found, type Log, type LogFile, logHeaderBytes, walkLog } from '../log/log.ts';
import { recordTypes } from '../log/record.ts';
import type { Blobs } from './blobs.ts';
import type { Committer } from './committer.ts';
import type { Fences } from './fences.ts';
import type { Forgetting } from './forgetting.ts';
import type { Ledger } from './ledger.ts';
import { partsOf } from './recovery.ts';
import { blobKeyOf, namedOf } from './replay.ts';
import type { Rows } from './rows.ts';

export interface CompactionOptions {
  readonly log: Log;
  readonly index: IndexStore;
  readonly ledger: Ledger;
  readonly committer: Committer;
  readonly rows: Rows;
  readonly blobs: Blobs;
  readonly fences: Fences;
  readonly forgetting: Forgetting;
  readonly seed: number;
  readonly logger: Logger;
  /** A file is worth rewriting when at most this fraction of it is live. */
  readonly liveFractionMax: () => number;
}

const stepBytes = 1024 * 1024;

interface Walk {
  readonly file: LogFile;
  readonly isOldest: boolean;
  readonly found: AsyncGenerator<Found>;
}

export class Compaction implements BackgroundWork {
  readonly name = 'compaction';
  private readonly options: CompactionOptions;
  private walk: Walk | undefined;
  private stepping: Promise<unknown> = Promise.resolve();
  /** Files whose damage keeps a live record from being moved. */
  private readonly stuck = new Set<number>();

  constructor(options: CompactionOptions) {
    this.options = options;
  }

  /** One stretch; a second caller waits for the first. */
  step(): Promise<StepOutcome> {
    const turn = this.stepping.then(() => this.takeStep());
    this.stepping = turn.catch(() => {});
    return turn;
  }

  private async takeStep(): Promise<StepOutcome> {
    this.walk ??= this.begin();
    if (this.walk === undefined) return 'idle';
    try {
      if (await this.advance(this.walk)) await this.finish(this.walk);
      return 'busy';
    } catch (error) {
      this.walk = undefined;
      throw error;
    }
  }

  private begin(): Walk | undefined {
    const { log, committer, seed } = this.options;
    if (!committer.isIndexed) return undefined;
    const file = this.emptiest();
    if (file === undefined) return undefined;
    const range = { from: logHeaderBytes, end: file.size };
    const isOldest = log.numbers()[0] === file.number;
    return { file, isOldest, found: walkLog(file.file, range, seed) };
  }

  private emptiest(): LogFile | undefined {
    const { log, ledger } = this.options;
    const numbers = log.numbers();
    let best: LogFile | undefined;
    let bestFraction = this.options.liveFractionMax();
    for (const number of numbers) {
      const file = log.find(number);
      if (file === undefined || number === log.tailNumber || this.stuck.has(number)) continue;
      const stats = ledger.files.get(number);
      const kept = number === numbers[0] ? (stats?.tombstones ?? 0) : 0;
      const fraction = ((stats?.live ?? 0) - kept) / Math.max(1, file.size);
      if (fraction <= bestFraction) {
        best = file;
        bestFraction = fraction;
      }
    }
    return best;
  }

  /** Copies the live records of the next stretch; true at the file's end. */
  private async advance(walk: Walk): Promise<boolean> {
    const copies: Promise<void>[] = [];
    let bytes = 0;
    let atEnd = false;
    while (bytes < stepBytes) {
      const next = await walk.found.next();
      if (next.done === true) {
        atEnd = true;
        break;
      }
      if (next.value.kind === 'gap') continue;
      bytes += next.value.head.length;
      const copy = this.copyIfLive(walk, next.value);
      if (copy !== undefined) copies.push(copy);
    }
    await Promise.all(copies);
    return atEnd;
  }

  private copyIfLive(
    walk: Walk,
    found: Extract<Found, { kind: 'record' }>,
  ): Promise<void> | undefined {
    const { rows, blobs, fences, forgetting, committer } = this.options;
    const { head, offset } = found;
    const place = { file: walk.file.number, offset };
    switch (head.type) {
      case recordTypes.accept:
        return rows.copy(namedOf(head).key, place, partsOf(found));
      case recordTypes.promise:
        return rows.copyPromise(namedOf(head).key, place);
      case recordTypes.blobInline:
      case recordTypes.blobFile:
        return blobs.copy(blobKeyOf(head), place, partsOf(found).body);
      case recordTypes.blobDelete:
        return walk.isOldest ? undefined : blobs.copyTombstone(blobKeyOf(head));
      case recordTypes.fence:
        return fences.copy(head.partition, place, committer);
      case recordTypes.rowForget:
        return walk.isOldest ? undefined : forgetting.carry(namedOf(head), head);
      default:
        return undefined;
    }
  }

  private async finish(walk: Walk): Promise<void> {
    const { log, index, ledger, committer, logger } = this.options;
    const { number } = walk.file;
    this.walk = undefined;
    await committer.settled();
    if (!committer.isIndexed) return;
    const stats = ledger.files.get(number);
    // Invariant: a file is removed only when nothing refers to it. A change that was refused after all, or a record
    // that cannot be read, shows here.
    if (stats !== undefined && stats.live > stats.tombstones) {
      this.stuck.add(number);
      logger.error({ file: number, live: stats.live }, 'a log file cannot be compacted');
      return;
    }
    await index.flush();
    await committer.note({
      stage: () => ledger.forget(number),
      publish: () => {},
      discard: () => {},
    });
    await log.remove(number);
  }
}
