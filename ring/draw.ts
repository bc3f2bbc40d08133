/**
 * Fills an empty ring so that every device and every domain meets its quota exactly.
 *
 * Partitions are dealt with one by one, from the root down. A spot that must hold `c` more replicas over the
 * `m` partitions left gives this one floor(c / m) or ceil(c / m).
 *
 * Invariant: whichever of the two is chosen, (c - n) / (m - 1) stays between the floor and the ceiling of
 * c / m. So any choice can be completed, chance is free to decide, no device gets two replicas of a partition
 * (its c / m is at most 1), and when no partition is left nothing is owed. Chance matters: it pairs every
 * device with many others, so that many share the work of replacing one that fails.
 */
import type { Random } from '#common';
import { must, type Tree } from './tree.ts';

export interface DrawInput {
  readonly tree: Tree;
  readonly quotas: Int32Array;
  /** Rows to be filled; the last one may be shorter. */
  readonly rows: readonly Uint16Array[];
  readonly random: Random;
}

export function drawAll(input: DrawInput): void {
  const { rows, random } = input;
  const dealer = new Dealer(input.tree, input.quotas, random);
  const partitions = (rows[0] as Uint16Array).length;
  const shortest = (rows.at(-1) as Uint16Array).length;
  const ids = new Int32Array(rows.length);
  for (let partition = 0; partition < partitions; partition++) {
    const replicas = partition < shortest ? rows.length : rows.length - 1;
    dealer.deal(replicas, partitions - partition, ids);
    // Shuffled, so that no row of the ring favours a region: readers try the rows in order.
    for (let replica = replicas - 1; replica >= 0; replica--) {
      const other = random.below(replica + 1);
      (rows[replica] as Uint16Array)[partition] = ids[other] as number;
      ids[other] = ids[replica] as number;
    }
  }
  dealer.checkEmpty();
}

class Dealer {
  private readonly tree: Tree;
  private readonly owed: Int32Array;
  private readonly random: Random;
  /** How many replicas of the current partition each spot of the current path was given. */
  private readonly given: Int32Array;
  private readonly extra: Int32Array;
  private ids: Int32Array = new Int32Array(0);
  private count = 0;

  constructor(tree: Tree, quotas: Int32Array, random: Random) {
    this.tree = tree;
    this.owed = quotas.slice();
    this.random = random;
    this.given = new Int32Array(tree.spots);
    this.extra = new Int32Array(tree.spots);
  }

  deal(replicas: number, partitionsLeft: number, ids: Int32Array): void {
    this.ids = ids;
    this.count = 0;
    this.owed[0] = (this.owed[0] as number) - replicas;
    this.descend(0, replicas, partitionsLeft);
    must(this.count === replicas, 'each replica is dealt to a device');
  }

  checkEmpty(): void {
    must(
      this.owed.every((owed) => owed === 0),
      'every quota is met when all partitions are dealt',
    );
  }

  private descend(spot: number, replicas: number, left: number): void {
    const { tree, owed, given } = this;
    const start = tree.firstChild[spot] as number;
    const end = tree.firstChild[spot + 1] as number;
    if (start === end) {
      this.ids[this.count++] = tree.deviceAt[spot] as number;
      return;
    }
    this.split(start, end, replicas, left);
    for (let child = start; child < end; child++) {
      const share = given[child] as number;
      if (share === 0) continue;
      owed[child] = (owed[child] as number) - share;
      this.descend(child, share, left);
    }
  }

  /** Floors first; the rest by lot, each child's chance in proportion to its remainder. */
  private split(start: number, end: number, replicas: number, left: number): void {
    const { owed, given, extra } = this;
    let rest = replicas;
    let remainders = 0;
    for (let child = start; child < end; child++) {
      const due = owed[child] as number;
      const floor = due < left ? 0 : Math.floor(due / left);
      const remainder = due - floor * left;
      given[child] = floor;
      extra[child] = remainder;
      rest -= floor;
      remainders += remainder;
    }
    for (; rest > 0; rest--) {
      let ticket = this.random.below(remainders);
      let child = start;
      while (ticket >= (extra[child] as number)) ticket -= extra[child++] as number;
      given[child] = (given[child] as number) + 1;
      remainders -= extra[child] as number;
      extra[child] = 0;
    }
  }
}
