/**
 * Compares all copies with each other, again and again, and brings what is missing to where it belongs.
 *
 * One pass over the ring:
 * 1. Ask every device for the digests of a range of partitions: one message each. What agrees is done with.
 * 2. What differs is looked at again after `settleMs`, since most of it is writes on their way.
 * 3. What still differs is mended, one partition per step.
 * 4. Devices that are being refilled are done when in one whole pass nothing was left behind on them, and when enough of
 *    the others took part: of n owners whose writes need a majority m, any n − m + 1 others have all that was acknowledged.
 */
import { type Clock, isFailure, type StepOutcome } from '#common';
import {
  askDigests,
  type Chunk,
  chunkAt,
  type Difference,
  differencesIn,
} from '../compare/ring-digests.ts';
import { copyFences } from '../copy/fence-copy.ts';
import type { Mender } from '../copy/mender.ts';
import type { CursorStore } from '../cursor.ts';
import type { Layout } from '../layout.ts';
import type { ReplicatorSettings } from '../settings.ts';
import type { Moves } from './moves.ts';

export interface RepairParts {
  readonly layout: Layout;
  readonly mender: Mender;
  readonly moves: Moves;
  readonly clock: Clock;
  readonly cursors: CursorStore;
  readonly settings: Pick<
    ReplicatorSettings,
    'settleMs' | 'passEveryMs' | 'restRatio' | 'refillRestRatio'
  >;
}

interface Pass {
  /** Of the layout that it goes by. */
  readonly generation: number;
  readonly startedMs: number;
  /** The pass began with the ring's first partition. */
  readonly whole: boolean;
  /** Devices that were being refilled when it began. */
  readonly refilling: ReadonlySet<number>;
  /** Devices that may lack something after it. */
  readonly behind: Set<number>;
  readonly away: Set<number>;
  chunk: Chunk | undefined;
  reachable: ReadonlySet<number>;
  waiting: Difference[];
  next: number;
  differing: number;
}

export interface RepairProgress {
  /** Partitions compared in this pass, of `partitions`. */
  readonly done: number;
  readonly partitions: number;
  readonly refilling: readonly number[];
  readonly away: readonly number[];
  /** How long ago the last pass began that compared everything with everything; undefined when none has yet. */
  readonly lagMs: number | undefined;
  readonly passes: number;
}

const cursorName = 'repair';

export class Repair {
  passes = 0;
  private readonly parts: RepairParts;
  private pass: Pass | undefined;
  private nextPassMs = 0;
  private wholeSinceMs: number | undefined;
  private refillingNow: ReadonlySet<number> = new Set();
  private running: Promise<unknown> = Promise.resolve();

  constructor(parts: RepairParts) {
    this.parts = parts;
  }

  progress(): RepairProgress {
    const { clock, layout } = this.parts;
    const { wholeSinceMs, pass } = this;
    return {
      done: pass === undefined ? layout.partitionCount : pass.next - pass.waiting.length,
      partitions: layout.partitionCount,
      refilling: [...this.refillingNow],
      away: [...(pass?.away ?? [])],
      lagMs: wholeSinceMs === undefined ? undefined : clock.monotonicMs() - wholeSinceMs,
      passes: this.passes,
    };
  }

  /** The next pass begins at once: something is known to be amiss. */
  hurry(): void {
    this.nextPassMs = 0;
  }

  step(signal: AbortSignal): Promise<StepOutcome> {
    const step = this.running.then(() => this.stepNow(signal));
    // Its failure is its caller's; the next step waits for its end alone.
    this.running = step.catch(() => undefined);
    return step;
  }

  /** Another ring is in force: what was found by the one before is worth nothing. Resolves when nothing is done by it any more. */
  async changed(): Promise<void> {
    this.hurry();
    await this.running;
    this.hurry();
  }

  private async stepNow(signal: AbortSignal): Promise<StepOutcome> {
    const { clock, settings, layout } = this.parts;
    const nowMs = clock.monotonicMs();
    if (this.pass?.generation !== layout.generation) this.pass = undefined;
    if (this.pass === undefined) {
      if (nowMs < this.nextPassMs) return 'idle';
      this.pass = await this.begin(nowMs);
    }
    await this.advance(this.pass, signal);
    const urgent = this.refillingNow.size > 0 || layout.moves.size > 0;
    const ratio = urgent ? settings.refillRestRatio : settings.restRatio;
    const workedMs = clock.monotonicMs() - nowMs;
    if (workedMs * ratio > 1) await clock.sleep(Math.min(workedMs * ratio, 60_000), signal);
    return this.pass === undefined ? 'idle' : 'busy';
  }

  private async begin(nowMs: number): Promise<Pass> {
    const refilling = new Set<number>();
    for (const peer of this.parts.layout.peers) {
      const status = await peer.call((service) => service.status()).catch(ignoreFailure);
      if (status?.refilling === true) refilling.add(peer.device);
    }
    this.refillingNow = refilling;
    const { generation, moves } = this.parts.layout;
    const anew = refilling.size > 0 || moves.size > 0;
    const next = anew ? 0 : await this.parts.cursors.load(cursorName);
    const from = Number(next ?? 0) % this.parts.layout.partitionCount;
    return {
      generation,
      startedMs: nowMs,
      whole: from === 0,
      ...{ refilling, behind: new Set(), away: new Set(), chunk: undefined },
      ...{ reachable: new Set(), waiting: [], next: from, differing: 0 },
    };
  }

  private async advance(pass: Pass, signal: AbortSignal): Promise<void> {
    const { layout, mender, cursors } = this.parts;
    const difference = pass.waiting.shift();
    if (difference !== undefined) {
      const behind = await mender.mend(difference, pass.reachable, signal);
      for (const device of behind) pass.behind.add(device);
      this.parts.moves.note(difference.partition, { ...pass, behind });
      return;
    }
    if (pass.next >= layout.partitionCount) {
      await this.end(pass);
      return;
    }
    // A restart compares this range once more: what was mended in it agrees by then.
    await cursors.save(cursorName, pass.next);
    await this.compare(pass, signal);
  }

  private async compare(pass: Pass, signal: AbortSignal): Promise<void> {
    const { layout, clock, settings } = this.parts;
    const chunk = chunkAt(layout, pass.next);
    const first = await askDigests(layout, chunk);
    let asked = first;
    let found = differencesIn(layout, chunk, first.digests);
    // Who is being filled lacks more than what is on its way.
    const isFilling = pass.refilling.size > 0 || layout.moves.size > 0;
    if (found.length > 0 && !isFilling) {
      const before = new Set(found.map(({ partition }) => partition));
      await clock.sleep(settings.settleMs, signal);
      asked = await askDigests(layout, chunk);
      found = differencesIn(layout, chunk, asked.digests).filter(({ partition }) =>
        before.has(partition),
      );
    }
    for (const [device] of asked.failures) pass.away.add(device);
    pass.reachable = new Set(asked.digests.keys());
    this.judgeRefills(pass, chunk);
    this.noteAgreed(pass, chunk, found);
    pass.waiting = found;
    pass.differing += found.length;
    pass.next += chunk.count;
  }

  private noteAgreed(pass: Pass, { first, count }: Chunk, found: readonly Difference[]): void {
    const { moves, layout } = this.parts;
    const differing = new Set(found.map(({ partition }) => partition));
    for (const { partition } of layout.moves.values())
      if (partition >= first && partition < first + count && !differing.has(partition))
        moves.note(partition, { ...pass, behind: new Set() });
  }

  /** A device can't be whole again when too few of those who hold the same took part. */
  private judgeRefills(pass: Pass, chunk: Chunk): void {
    if (pass.refilling.size === 0) return;
    for (let partition = chunk.first; partition < chunk.first + chunk.count; partition++) {
      const owners = this.parts.layout.primariesOf(partition);
      const others = owners.filter(
        (device) => pass.reachable.has(device) && !pass.refilling.has(device),
      );
      const majority = Math.floor(owners.length / 2) + 1;
      const enough = others.length >= owners.length - majority + 1;
      for (const device of owners)
        if (pass.refilling.has(device) && !(enough && pass.reachable.has(device)))
          pass.behind.add(device);
    }
  }

  private async end(pass: Pass): Promise<void> {
    const { clock, settings, layout } = this.parts;
    await this.parts.cursors.save(cursorName, undefined);
    this.pass = undefined;
    this.passes += 1;
    this.nextPassMs = clock.monotonicMs() + settings.passEveryMs;
    const isWhole = pass.whole && pass.away.size === 0 && pass.behind.size === 0;
    if (isWhole) this.wholeSinceMs = pass.startedMs;
    const left = new Set(pass.refilling);
    for (const peer of layout.peersOf([...pass.refilling])) {
      if (!pass.whole || pass.behind.has(peer.device)) continue;
      const others = layout.peers.filter(({ device }) => !pass.refilling.has(device));
      // A fence that one device missed may be in force by the others' word: all who are left must be heard.
      await copyFences(others, peer);
      await peer.survey({ what: 'refilled' });
      left.delete(peer.device);
    }
    this.refillingNow = left;
    const soon = left.size > 0 || layout.moves.size > 0;
    if (soon) this.nextPassMs = clock.monotonicMs() + Math.min(1000, settings.passEveryMs);
  }
}

function ignoreFailure(error: unknown): undefined {
  if (!isFailure(error)) throw error;
  return undefined;
}
