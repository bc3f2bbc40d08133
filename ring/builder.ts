/**
 * Builds a ring from a spec and, given the ring in force, changes as little of it as the spec allows.
 *
 * 1. Targets per failure domain from weights, spread and overload; quotas in whole partitions from those.
 * 2. Without an old ring: the exact draw.
 * 3. With one: rows cut or grown to the replica count; replicas of removed devices become holes;
 *    holes are filled; crowded domains give away; full devices give to devices in need; chains do the rest.
 *
 * Pure: the same spec, ring, seed and times give the same ring.
 */
import { Failure, seededRandom } from '#common';
import { Board, countHeld, locked } from './board.ts';
import { allPaid, free, settleByChains } from './chains.ts';
import { drawAll } from './draw.ts';
import { noDevice } from './limits.ts';
import { disperse, fillHoles, level } from './passes.ts';
import { Ring } from './placement.ts';
import { planQuotas } from './quotas.ts';
import type { RingSpec } from './spec.ts';
import { evenSplit, planTargets } from './targets.ts';
import { buildTree, type Tree } from './tree.ts';

export interface BuildTimes {
  /** Per partition: the hour (since 1970) when one of its replicas last moved. */
  readonly lastMoved: Uint32Array;
  /** The hour it is now. */
  readonly nowHour: number;
}

export interface BuiltRing {
  readonly ring: Ring;
  /** Replicas whose device changed, new ones included. */
  readonly replicasMoved: number;
  /** Partitions left alone because they moved less than `minPartHours` ago. */
  readonly partitionsLocked: number;
  /** For the next build; present when times were given. */
  readonly lastMoved: Uint32Array | undefined;
}

/** `old` keeps its assignments where it can; `times` brings `minPartHours` to bear. */
export function buildRing(spec: RingSpec, old?: Ring, times?: BuildTimes): BuiltRing {
  checkInputs(spec, old, times);
  const partitions = 2 ** spec.partPower;
  const tree = buildTree(spec.devices);
  const rows = growRows(spec, old, tree);
  const slots = rows.reduce((sum, row) => sum + row.length, 0);
  const targets = planTargets(tree, slots / partitions, spec.overload);
  const held = countHeld(tree, rows);
  const allowed = evenSplit(tree, slots / partitions, Math.ceil);
  const quotas = planQuotas({ tree, targets, allowed, partitions, slots, held });
  const random = seededRandom(spec.seed);
  const state = lockRecent(spec, partitions, times);
  const partitionsLocked = old === undefined ? 0 : state.reduce((sum, one) => sum + one, 0);
  if (old === undefined) {
    drawAll({ tree, quotas, rows, random });
  } else {
    const board = new Board({ tree, quotas, rows, state, random });
    fillHoles(board, (row, partition) => old.rows[row]?.[partition] === undefined);
    disperse(board);
    settleByChains(board, free);
    level(board);
    settleByChains(board, allPaid);
  }
  const ring = new Ring({
    partPower: spec.partPower,
    devices: byId(spec),
    rows,
    version: (old?.version ?? 0) + 1,
    nextPartPower: old?.nextPartPower,
  });
  const lastMoved = times?.lastMoved.map((hour, partition) =>
    changed(old, ring, partition) ? times.nowHour : hour,
  );
  return { ring, replicasMoved: countMoved(old, ring), partitionsLocked, lastMoved };
}

function checkInputs(spec: RingSpec, old?: Ring, times?: BuildTimes): void {
  if (old !== undefined && old.partPower !== spec.partPower) {
    throw new Failure('invalid', 'part-power-differs', 'A ring keeps its part power for life', {
      facts: { spec: spec.partPower, ring: old.partPower },
    });
  }
  if (times !== undefined && times.lastMoved.length !== 2 ** spec.partPower) {
    throw new Failure('invalid', 'bad-last-moved', 'There must be one time per partition', {
      facts: { times: times.lastMoved.length, partitions: 2 ** spec.partPower },
    });
  }
}

/** The old rows at their new lengths, with holes where a device is gone or a replica is new. */
function growRows(spec: RingSpec, old: Ring | undefined, tree: Tree): Uint16Array[] {
  const partitions = 2 ** spec.partPower;
  const wholeRows = Math.trunc(spec.replicas);
  const partial = Math.trunc((spec.replicas - wholeRows) * partitions);
  const lengths = Array.from({ length: wholeRows }, () => partitions);
  if (partial > 0) lengths.push(partial);
  const present = new Uint8Array(noDevice + 1);
  for (let spot = 0; spot < tree.spots; spot++) {
    const id = tree.deviceAt[spot] as number;
    if (id !== -1) present[id] = 1;
  }
  return lengths.map((length, index) => {
    const before = old?.rows[index];
    const row = new Uint16Array(length).fill(noDevice);
    if (before !== undefined) row.set(before.subarray(0, length));
    return row.map((id) => (present[id] === 1 ? id : noDevice));
  });
}

function lockRecent(spec: RingSpec, partitions: number, times?: BuildTimes): Uint8Array {
  const state = new Uint8Array(partitions);
  if (times === undefined || spec.minPartHours === 0) return state;
  return state.map((_, partition) =>
    times.nowHour - (times.lastMoved[partition] ?? 0) < spec.minPartHours ? locked : 0,
  );
}

function byId(spec: RingSpec): (RingSpec['devices'][number] | undefined)[] {
  const idMax = spec.devices.reduce((most, device) => Math.max(most, device.id), -1);
  const devices = Array.from<RingSpec['devices'][number] | undefined>({ length: idMax + 1 });
  for (const device of spec.devices) devices[device.id] = device;
  return devices;
}

function changed(old: Ring | undefined, ring: Ring, partition: number): boolean {
  return ring.rows.some((row, index) => row[partition] !== old?.rows[index]?.[partition]);
}

function countMoved(old: Ring | undefined, ring: Ring): number {
  let count = 0;
  for (const [index, row] of ring.rows.entries()) {
    const before = old?.rows[index];
    for (let partition = 0; partition < row.length; partition++) {
      if (before?.[partition] !== row[partition]) count++;
    }
  }
  return count;
}
