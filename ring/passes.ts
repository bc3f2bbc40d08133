/**
 * The three sweeps of a rebalance, in the order of urgency. Each moves at most one replica of a partition
 * (only replicas without a device are placed regardless), so that the others keep serving.
 */
import type { Board } from './board.ts';
import { locked, untouched } from './board.ts';
import { noDevice } from './limits.ts';
import { must } from './tree.ts';

/**
 * Places the replicas that have no device: of removed devices, and added ones. A partition that only gains a
 * replica keeps all its old ones, so it is not counted as moved and may still give one away.
 */
export function fillHoles(board: Board, isNew: (row: number, partition: number) => boolean): void {
  forEachPartition(board, (partition) => {
    if (!hasHole(board, partition)) return;
    const stateBefore = board.state[partition] as number;
    let lost = false;
    board.lay(partition);
    for (let row = 0; row < board.replicasOf(partition); row++) {
      if (board.deviceIn(row, partition) !== noDevice) continue;
      const needy = board.seekNeediest(noDevice);
      const leaf = needy >= 0 ? needy : board.seekAnywhere(noDevice);
      must(leaf >= 0, 'a replica without a device finds one');
      board.place(row, partition, leaf);
      lost ||= !isNew(row, partition);
    }
    board.clear(partition);
    if (!lost) board.state[partition] = stateBefore;
  });
}

function hasHole(board: Board, partition: number): boolean {
  for (const row of board.rows) if (row[partition] === noDevice) return true;
  return false;
}

/** Moves replicas out of domains that hold more of a partition than they should, drained devices among them. */
export function disperse(board: Board): void {
  forEachPartition(board, (partition) => {
    board.lay(partition);
    const row = mostCrowded(board, partition);
    if (row >= 0) moveOut(board, row, partition);
    board.clear(partition);
  });
}

/** The row to move: in the most crowded domains and, among those, on the device with the most to give. */
function mostCrowded(board: Board, partition: number): number {
  let best = -1;
  let bestCrowding = 0;
  let bestOver = Number.NEGATIVE_INFINITY;
  for (let row = 0; row < board.replicasOf(partition); row++) {
    const device = board.deviceIn(row, partition);
    const crowding = board.crowding(device);
    if (crowding === 0 || crowding < bestCrowding) continue;
    // Two replicas on one device are one replica: that is put right whatever moved when.
    const doubled = board.doubled(device);
    if (board.state[partition] !== untouched && !(doubled && board.state[partition] === locked))
      continue;
    const over = board.fullness(board.leafOf(device));
    if (crowding === bestCrowding && over <= bestOver) continue;
    [best, bestCrowding, bestOver] = [row, crowding, over];
  }
  return best;
}

function moveOut(board: Board, row: number, partition: number): void {
  const device = board.deviceIn(row, partition);
  board.lift(device);
  const needy = board.seekNeediest(device);
  const leaf = needy >= 0 ? needy : board.seekAnywhere(device);
  if (leaf >= 0) board.place(row, partition, leaf);
  else board.unlift(device);
}

/** Moves replicas from devices above their quota straight to devices below theirs. */
export function level(board: Board): void {
  forEachPartition(board, (partition) => {
    if (board.state[partition] !== untouched || !hasFull(board, partition)) return;
    board.lay(partition);
    moveOneDown(board, partition);
    board.clear(partition);
  });
}

function hasFull(board: Board, partition: number): boolean {
  for (const row of board.rows) {
    const device = row[partition];
    if (device !== undefined && board.overBy(board.leafOf(device)) > 0) return true;
  }
  return false;
}

/** The replica on the device that is fullest for its quota moves; if it has nowhere to go, another one. */
function moveOneDown(board: Board, partition: number): void {
  const tried = new Set<number>();
  for (;;) {
    let fullest = -1;
    let most = 0;
    for (let row = 0; row < board.replicasOf(partition); row++) {
      const fullness = board.fullness(board.leafOf(board.deviceIn(row, partition)));
      if (fullness > most && !tried.has(row)) [fullest, most] = [row, fullness];
    }
    if (fullest === -1 || moveToNeed(board, fullest, partition)) return;
    tried.add(fullest);
  }
}

function moveToNeed(board: Board, row: number, partition: number): boolean {
  const device = board.deviceIn(row, partition);
  board.lift(device);
  const leaf = board.seekNeediest(device);
  if (leaf >= 0) board.place(row, partition, leaf);
  else board.unlift(device);
  return leaf >= 0;
}

/** Visits all partitions in a scattered order: an odd stride runs through all of a power of two. */
function forEachPartition(board: Board, visit: (partition: number) => void): void {
  const count = board.partitions;
  const stride = board.random.below(count) | 1;
  let partition = board.random.below(count);
  for (let visited = 0; visited < count; visited++) {
    visit(partition);
    partition = (partition + stride) % count;
  }
}
