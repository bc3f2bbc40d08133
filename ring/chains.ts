/**
 * Settles what direct moves could not: a device above its quota hands a replica to a third one, which hands
 * one of its own on, until a device below its quota is reached.
 *
 * This is Dinic's maximum flow over devices: (1) breadth first from the devices with too much to the nearest
 * with too little; (2) depth first along shortest chains, each slot of the ring looked at once per round;
 * (3) again, until no chain is left or the rounds are used up. Replicas that this build has placed already
 * are tried first, alone: sending them elsewhere moves no more data.
 */
import { addAlong, type Board, locked, untouched } from './board.ts';
import { noDevice } from './limits.ts';

const roundsMax = 12;
/** Longer chains cost more moves than the balance they bring is worth. */
const linksMax = 6;

/** How many links of a chain, counted from its start, may move a replica that has not moved yet. */
export const free = 0;
export const onePaid = 1;
export const allPaid = linksMax;

/** Tries the cheapest chains first. `paidMax` is `free`, `onePaid` or `allPaid`. */
export function settleByChains(board: Board, paidMax: number): void {
  for (const paid of [free, onePaid, allPaid]) {
    if (paid > paidMax) return;
    for (let round = 0; round < roundsMax; round++) {
      if ((board.need[0] as number) === 0) return;
      if (new Round(board, paid).run() === 0) break;
    }
  }
}

/** A link of a chain: this slot's replica goes to that device. */
interface Link {
  readonly row: number;
  readonly partition: number;
  readonly to: number;
}

class Round {
  private readonly board: Board;
  private readonly paid: number;
  /** Links from a device with too much; -1 where not reached. By spot. */
  private readonly distance: Int32Array;
  /** Per distance: 1 for each device at it that may still be passed through, and sums above. */
  private levels: Int32Array[] = [];
  private readonly slots: SlotIndex;
  /** Next slot of each device to look at. */
  private readonly next: Int32Array;
  private readonly onChain = new Set<number>();

  constructor(board: Board, paid: number) {
    this.board = board;
    this.paid = paid;
    this.distance = new Int32Array(board.tree.spots).fill(-1);
    this.slots = indexSlots(board);
    this.next = this.slots.start.slice();
  }

  /** Answers how many chains were carried out. */
  run(): number {
    const nearest = this.measure();
    if (nearest < 0) return 0;
    this.buildLevels(nearest);
    const { board } = this;
    let carried = 0;
    for (let leaf = 0; leaf < board.tree.spots; leaf++) {
      while (this.distance[leaf] === 0 && board.overBy(leaf) > 0) {
        const chain: Link[] = [];
        this.onChain.clear();
        if (!this.extend(leaf, nearest, chain)) break;
        for (const link of chain.toReversed()) this.apply(link);
        carried++;
      }
    }
    return carried;
  }

  /** Breadth first; answers the distance of the nearest device in need, -1 when none can be reached. */
  private measure(): number {
    const { board, distance } = this;
    const unseen = new Int32Array(board.tree.spots);
    let frontier: number[] = [];
    for (let leaf = 0; leaf < board.tree.spots; leaf++) {
      if (board.tree.deviceAt[leaf] === -1) continue;
      if (board.overBy(leaf) > 0) {
        distance[leaf] = 0;
        frontier.push(leaf);
      } else if ((board.quotas[leaf] as number) > 0) addAlong(board.tree, unseen, leaf, 1);
    }
    for (let links = 1; links <= linksMax && frontier.length > 0; links++) {
      const reached = frontier.flatMap((leaf) => this.explore(leaf, links, unseen));
      if (reached.some((leaf) => board.overBy(leaf) < 0)) return links;
      frontier = reached;
    }
    return -1;
  }

  /** Marks every unseen device that some replica of `leaf` could go to. */
  private explore(leaf: number, links: number, unseen: Int32Array): number[] {
    const { board, slots } = this;
    const reached: number[] = [];
    for (let at = slots.start[leaf] as number; at < (slots.end[leaf] as number); at++) {
      if (unseen[0] === 0) break;
      const row = slots.row[at] as number;
      const partition = slots.partition[at] as number;
      if (!this.movable(row, partition, links)) continue;
      const device = board.deviceIn(row, partition);
      board.lay(partition);
      board.lift(device);
      for (let to = board.seek(unseen, device); to >= 0; to = board.seek(unseen, device)) {
        this.distance[to] = links;
        addAlong(board.tree, unseen, to, -1);
        reached.push(to);
      }
      board.unlift(device);
      board.clear(partition);
    }
    return reached;
  }

  /** `link` counts from 1. */
  private movable(row: number, partition: number, link: number): boolean {
    if (this.board.isFloating(row, partition)) return true;
    return link <= this.paid && this.board.state[partition] === untouched;
  }

  private buildLevels(nearest: number): void {
    const { board, distance } = this;
    this.levels = Array.from({ length: nearest + 1 }, () => new Int32Array(board.tree.spots));
    for (let leaf = 0; leaf < board.tree.spots; leaf++) {
      const links = distance[leaf] as number;
      if (links < 1 || links > nearest || (links === nearest && board.overBy(leaf) >= 0)) continue;
      addAlong(board.tree, this.levels[links] as Int32Array, leaf, 1);
    }
  }

  /** Depth first from a device to one in need, `links` levels away at most; fills `chain` from the end. */
  private extend(leaf: number, nearest: number, chain: Link[]): boolean {
    const { board, slots, next } = this;
    const links = (this.distance[leaf] as number) + 1;
    const level = this.levels[links] as Int32Array;
    const end = slots.end[leaf] as number;
    for (; (next[leaf] as number) < end; next[leaf] = (next[leaf] as number) + 1) {
      const at = next[leaf] as number;
      const row = slots.row[at] as number;
      const partition = slots.partition[at] as number;
      if (!this.movable(row, partition, links) || this.onChain.has(partition)) continue;
      if (board.leafOf(board.deviceIn(row, partition)) !== leaf) continue;
      for (
        let to = this.seek(row, partition, level);
        to >= 0;
        to = this.seek(row, partition, level)
      ) {
        this.onChain.add(partition);
        if (links === nearest || this.extend(to, nearest, chain)) {
          chain.push({ row, partition, to });
          return true;
        }
        this.onChain.delete(partition);
        // A dead end, or no longer in need: nobody asks there again in this round.
        addAlong(board.tree, level, to, -1);
      }
    }
    return false;
  }

  private seek(row: number, partition: number, level: Int32Array): number {
    const { board } = this;
    const device = board.deviceIn(row, partition);
    board.lay(partition);
    board.lift(device);
    const leaf = board.seek(level, device);
    board.unlift(device);
    board.clear(partition);
    return leaf;
  }

  private apply(link: Link): void {
    const { board } = this;
    board.lay(link.partition);
    board.lift(board.deviceIn(link.row, link.partition));
    board.place(link.row, link.partition, link.to);
    board.clear(link.partition);
    const needMet = board.overBy(link.to) === 0;
    const level = this.levels[this.distance[link.to] as number] as Int32Array;
    if (needMet && this.distance[link.to] === this.levels.length - 1) {
      addAlong(board.tree, level, link.to, -1);
    }
  }
}

/** The slots of every device that are not locked: those of leaf s are numbered start[s] up to end[s]. */
interface SlotIndex {
  readonly start: Int32Array;
  readonly end: Int32Array;
  readonly row: Uint8Array;
  readonly partition: Int32Array;
}

function indexSlots(board: Board): SlotIndex {
  const { rows, tree } = board;
  const start = new Int32Array(tree.spots);
  let slots = 0;
  for (let leaf = 0; leaf < tree.spots; leaf++) {
    start[leaf] = slots;
    slots += board.held[leaf] as number;
  }
  const end = start.slice();
  const index = { start, end, row: new Uint8Array(slots), partition: new Int32Array(slots) };
  for (const [row, line] of rows.entries()) {
    for (let partition = 0; partition < line.length; partition++) {
      const device = line[partition] as number;
      if (device === noDevice || board.state[partition] === locked) continue;
      const leaf = board.leafOf(device);
      const at = end[leaf] as number;
      end[leaf] = at + 1;
      index.row[at] = row;
      index.partition[at] = partition;
    }
  }
  return index;
}
