/**
 * The state of a rebalance: who holds what, what each domain still needs, and the one question everything
 * asks: "where may this replica go?"
 *
 * Invariant: a replica is only put where every domain on the way holds fewer of the partition's replicas
 * than its ceiling, and only taken from a domain that keeps its floor.
 */
import type { Random } from '#common';
import { noDevice } from './limits.ts';
import { depthMax, type Tree } from './tree.ts';

/** What happened to a partition in this build. */
export const untouched = 0;
/** Moved too recently: may not be moved again. */
export const locked = 1;
/** One of its replicas has moved; the others stay. */
export const moved = 2;

export interface BoardInput {
  readonly tree: Tree;
  readonly quotas: Int32Array;
  readonly rows: readonly Uint16Array[];
  readonly state: Uint8Array;
  readonly random: Random;
}

export class Board {
  readonly tree: Tree;
  readonly rows: readonly Uint16Array[];
  readonly partitions: number;
  readonly random: Random;
  /** Per partition: untouched, locked or moved. */
  readonly state: Uint8Array;
  /** Per row and partition: 1 when the replica was placed by this build, so that placing it elsewhere costs nothing. */
  readonly floating: readonly Uint8Array[];
  readonly quotas: Int32Array;
  /** Replicas on each device, by spot (leaves only). */
  readonly held: Int32Array;
  /** Replicas still wanted below each spot: the sum of its devices' shortfalls. */
  readonly need: Int32Array;
  private readonly least: Int32Array;
  private readonly most: Int32Array;
  /** Replicas of the partition on the table, by spot. */
  private readonly here: Int32Array;

  constructor(input: BoardInput) {
    this.tree = input.tree;
    this.rows = input.rows;
    this.random = input.random;
    this.quotas = input.quotas;
    this.state = input.state;
    this.partitions = input.state.length;
    this.floating = input.rows.map((row) => new Uint8Array(row.length));
    this.held = countHeld(input.tree, input.rows);
    this.need = new Int32Array(input.tree.spots);
    this.least = input.quotas.map((quota) => Math.floor(quota / this.partitions));
    this.most = input.quotas.map((quota) => Math.ceil(quota / this.partitions));
    this.here = new Int32Array(input.tree.spots);
    for (let spot = 0; spot < this.tree.spots; spot++) {
      if (this.tree.deviceAt[spot] !== -1) this.addNeed(spot, Math.max(0, -this.overBy(spot)));
    }
  }

  /** How far a device is above its quota (below: negative). */
  overBy(leaf: number): number {
    return (this.held[leaf] as number) - (this.quotas[leaf] as number);
  }

  /** The same in proportion to the quota; a drained device with anything on it is fuller than any other. */
  fullness(leaf: number): number {
    return this.overBy(leaf) / Math.max(1e-6, this.quotas[leaf] as number);
  }

  leafOf(device: number): number {
    return this.tree.pathOf[device * depthMax + depthMax - 1] as number;
  }

  replicasOf(partition: number): number {
    const last = this.rows.length - 1;
    return partition < (this.rows[last] as Uint16Array).length ? last + 1 : last;
  }

  deviceIn(row: number, partition: number): number {
    return (this.rows[row] as Uint16Array)[partition] as number;
  }

  isFloating(row: number, partition: number): boolean {
    return (this.floating[row] as Uint8Array)[partition] === 1;
  }

  /** Puts a partition on the table: the questions below are about it until `clear`. */
  lay(partition: number): void {
    this.tally(partition, 1);
  }

  clear(partition: number): void {
    this.tally(partition, -1);
  }

  private tally(partition: number, change: number): void {
    const { rows } = this;
    for (let row = 0; row < rows.length; row++) {
      const device = (rows[row] as Uint16Array)[partition];
      if (device !== undefined && device !== noDevice) this.countHere(device, change);
    }
  }

  private countHere(device: number, change: number): void {
    const { here } = this;
    const { pathOf } = this.tree;
    const base = device * depthMax;
    for (let k = base; k < base + depthMax; k++) {
      const spot = pathOf[k] as number;
      here[spot] = (here[spot] as number) + change;
    }
  }

  /** How many domains above this device hold more replicas of the laid partition than they may. */
  crowding(device: number): number {
    let crowded = 0;
    for (let k = device * depthMax; k < (device + 1) * depthMax; k++) {
      const spot = this.tree.pathOf[k] as number;
      if ((this.here[spot] as number) > (this.most[spot] as number)) crowded++;
    }
    return crowded;
  }

  /** True when a device holds the laid partition twice. */
  doubled(device: number): boolean {
    return (this.here[this.leafOf(device)] as number) > 1;
  }

  /** Takes a replica of the laid partition off a device, until `place`. The slot keeps the old name. */
  lift(device: number): void {
    this.countHere(device, -1);
  }

  /** Undoes `lift`. */
  unlift(device: number): void {
    this.countHere(device, 1);
  }

  /** Settles where the replica in a slot of the laid partition goes; the old device must have been lifted. */
  place(row: number, partition: number, leaf: number): void {
    const line = this.rows[row] as Uint16Array;
    const before = line[partition] as number;
    const device = this.tree.deviceAt[leaf] as number;
    if (before !== noDevice) this.changeHeld(this.leafOf(before), -1);
    this.changeHeld(leaf, 1);
    line[partition] = device;
    (this.floating[row] as Uint8Array)[partition] = 1;
    this.state[partition] = moved;
    this.countHere(device, 1);
  }

  private changeHeld(leaf: number, change: number): void {
    const before = Math.max(0, -this.overBy(leaf));
    this.held[leaf] = (this.held[leaf] as number) + change;
    const after = Math.max(0, -this.overBy(leaf));
    if (after !== before) this.addNeed(leaf, after - before);
  }

  private addNeed(leaf: number, change: number): void {
    addAlong(this.tree, this.need, leaf, change);
  }

  /**
   * A device for a lifted replica, among those with a positive appeal, by lot in proportion to it; -1 when
   * none may take it. `appeal` holds a number per device leaf and, in each spot above, the sum.
   * `from` is the device the replica was lifted from (noDevice: from nowhere).
   */
  seek(appeal: Int32Array, from: number): number {
    return (appeal[0] as number) > 0 ? this.seekBelow(0, appeal, from, false) : -1;
  }

  /**
   * The same among devices below their quota; at every step down the domain goes first that lacks most for its
   * size, so that all fill up at one pace and are equally far if moves run out.
   */
  seekNeediest(from: number): number {
    return (this.need[0] as number) > 0 ? this.seekBelow(0, this.need, from, true) : -1;
  }

  private seekBelow(spot: number, appeal: Int32Array, from: number, greedy: boolean): number {
    const start = this.tree.firstChild[spot] as number;
    const end = this.tree.firstChild[spot + 1] as number;
    if (start === end) return spot;
    const bound = this.boundTo(spot, start, end, from);
    if (bound >= 0) {
      return (appeal[bound] as number) > 0 ? this.seekBelow(bound, appeal, from, greedy) : -1;
    }
    let child = greedy ? this.neediest(start, end) : this.draw(start, end, appeal);
    if (child < 0) return -1;
    // The branch chosen may turn out to be closed further down: then its siblings are tried in turn.
    for (let tries = start; tries < end; tries++) {
      if (this.openAppeal(child, appeal) > 0) {
        const leaf = this.seekBelow(child, appeal, from, greedy);
        if (leaf >= 0) return leaf;
      }
      child = child + 1 === end ? start : child + 1;
    }
    return -1;
  }

  private draw(start: number, end: number, appeal: Int32Array): number {
    let total = 0;
    for (let child = start; child < end; child++) total += this.openAppeal(child, appeal);
    if (total <= 0) return -1;
    let ticket = this.random.below(total);
    let child = start;
    for (let share = this.openAppeal(child, appeal); ticket >= share; ) {
      ticket -= share;
      share = this.openAppeal(++child, appeal);
    }
    return child;
  }

  /** Ties are broken by a random starting point. */
  private neediest(start: number, end: number): number {
    const { need, quotas } = this;
    let best = -1;
    let most = 0;
    let child = start + this.random.below(end - start);
    for (let tries = start; tries < end; tries++) {
      const lack = this.openAppeal(child, need) / (quotas[child] as number);
      if (lack > most) [best, most] = [child, lack];
      child = child + 1 === end ? start : child + 1;
    }
    return best;
  }

  private openAppeal(spot: number, appeal: Int32Array): number {
    return (this.here[spot] as number) < (this.most[spot] as number) ? (appeal[spot] as number) : 0;
  }

  /** The child that must get the replica because it would be below its floor without; -1 if none. */
  private boundTo(spot: number, start: number, end: number, from: number): number {
    const { here, least } = this;
    if (from === noDevice) {
      for (let child = start; child < end; child++) {
        if ((here[child] as number) < (least[child] as number)) return child;
      }
      return -1;
    }
    const child = this.tree.pathOf[from * depthMax + (this.tree.depth[spot] as number)] as number;
    if (child < start || child >= end) return -1;
    return (here[child] as number) < (least[child] as number) ? child : -1;
  }

  /** A device that may take the replica whether it needs one or not: the least filled; -1 if there is none. */
  seekAnywhere(exceptDevice: number): number {
    return this.leastFilled(0, exceptDevice);
  }

  private leastFilled(spot: number, exceptDevice: number): number {
    const { tree, here, most, least } = this;
    const start = tree.firstChild[spot] as number;
    const end = tree.firstChild[spot + 1] as number;
    if (start === end) return tree.deviceAt[spot] === exceptDevice ? -1 : spot;
    let best = -1;
    let bestRank = Number.POSITIVE_INFINITY;
    for (let child = start; child < end; child++) {
      if ((here[child] as number) >= (most[child] as number)) continue;
      const leaf = this.leastFilled(child, exceptDevice);
      if (leaf < 0) continue;
      const starving = (here[child] as number) < (least[child] as number) ? -1e9 : 0;
      const rank = starving + this.overBy(leaf) / (this.quotas[leaf] as number);
      if (rank < bestRank) [best, bestRank] = [leaf, rank];
    }
    return best;
  }
}

/** Adds to a leaf and to all spots above it. */
export function addAlong(tree: Tree, sums: Int32Array, leaf: number, change: number): void {
  for (let at = leaf; at >= 0; at = tree.parent[at] as number)
    sums[at] = (sums[at] as number) + change;
}

export function countHeld(tree: Tree, rows: readonly Uint16Array[]): Int32Array {
  const held = new Int32Array(tree.spots);
  for (const row of rows) {
    for (let partition = 0; partition < row.length; partition++) {
      const device = row[partition] as number;
      if (device === noDevice) continue;
      const leaf = tree.pathOf[device * depthMax + depthMax - 1] as number;
      held[leaf] = (held[leaf] as number) + 1;
    }
  }
  return held;
}
