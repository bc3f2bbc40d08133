/**
 * Watches partitions of which a replica moves, and says when those who are to own them have all that the owners before had.
 *
 * A partition is settled when, after the ring changed, a look at it found everything on all its new owners, while a majority of its old ones took part:
 * every row and blob that was acknowledged before is on at least one of those. What is written meanwhile goes to both (`JointRing`).
 */
import { Failure } from '#common';
import { copyFences } from '../copy/fence-copy.ts';
import type { Layout, Move } from '../layout.ts';

export interface MoveProgress {
  readonly settled: number;
  /** Partitions in motion. */
  readonly partitions: number;
}

export class Moves {
  private readonly layout: Layout;
  private readonly settled = new Set<number>();
  private generation = 0;

  constructor(layout: Layout) {
    this.layout = layout;
  }

  get progress(): MoveProgress {
    this.forgetOthers();
    return { settled: this.settled.size, partitions: this.layout.moves.size };
  }

  /** What a look at a partition showed: who took part, and who may still lack something. */
  note(
    partition: number,
    look: {
      readonly generation: number;
      readonly reachable: ReadonlySet<number>;
      readonly refilling: ReadonlySet<number>;
      readonly behind: ReadonlySet<number>;
    },
  ): void {
    this.forgetOthers();
    const move = this.layout.moves.get(partition);
    if (move === undefined || look.generation !== this.generation) return;
    const tookPart = (device: number) =>
      look.reachable.has(device) && !look.refilling.has(device) && !look.behind.has(device);
    const old = move.before.filter(tookPart).length;
    const isWhole = move.after.every(tookPart) && old >= majorityOf(move.before);
    if (isWhole) this.settled.add(partition);
  }

  /** The last step before the old owners are let go: new ones know every fence that may be in force. */
  async bringFences(): Promise<void> {
    const { layout } = this;
    const arriving = new Map<number, Move[]>();
    for (const move of layout.moves.values())
      for (const device of move.after)
        if (!move.before.includes(device))
          arriving.set(device, [...(arriving.get(device) ?? []), move]);
    for (const [device, moves] of arriving) await this.bringFencesTo(device, moves);
  }

  private async bringFencesTo(device: number, moves: readonly Move[]): Promise<void> {
    const { layout } = this;
    const [target] = layout.peersOf([device]);
    if (target === undefined)
      throw new Failure('unreachable', 'device-unknown', 'There is no way to this device', {
        facts: { device },
      });
    const heard = new Set<number>();
    let failure: unknown;
    for (const peer of layout.peersOf([...new Set(moves.flatMap(({ before }) => before))])) {
      try {
        await copyFences([peer], target);
        heard.add(peer.device);
      } catch (error) {
        failure = error;
      }
    }
    const isEnough = moves.every(
      ({ before }) => before.filter((one) => heard.has(one)).length >= majorityOf(before),
    );
    if (!isEnough) throw failure;
  }

  private forgetOthers(): void {
    if (this.generation === this.layout.generation) return;
    this.generation = this.layout.generation;
    this.settled.clear();
  }
}

function majorityOf(devices: readonly number[]): number {
  return Math.floor(devices.length / 2) + 1;
}
