/** What changing from one ring to another moves: the plan shown before it is applied. */
import { Failure } from '#common';
import type { RingDevice } from './device.ts';
import type { Ring } from './placement.ts';

export interface DeviceMoves {
  readonly id: number;
  readonly device: RingDevice;
  /** Replicas that arrive at and leave this device. */
  readonly arriving: number;
  readonly leaving: number;
  /** What it holds before and after, as a share of all replicas of the ring (0 to 1). */
  readonly shareBefore: number;
  readonly shareAfter: number;
}

export interface MovePlan {
  /** One entry per replica in motion, side by side. `from` is `noSource` for a replica that is new. */
  readonly partitions: Uint32Array;
  readonly from: Int32Array;
  readonly to: Int32Array;
  /** Devices whose holding changes. */
  readonly devices: readonly DeviceMoves[];
  readonly partitionsTouched: number;
  /** The most replicas of any one partition that are in motion together. */
  readonly worstPartitionMoves: number;
  /** Partitions of which not one device stays: their data has no settled copy until a move is done. */
  readonly partitionsWithoutStayer: number;
  /** Replicas in motion as a share of all replicas of the new ring (0 to 1). */
  readonly shareMoved: number;
}

/** In `MovePlan.from`: no device gives this replica up, it is copied from those that stay. */
export const noSource = -1;

export function planMoves(before: Ring, after: Ring): MovePlan {
  if (before.partPower !== after.partPower) {
    throw new Failure('invalid', 'part-power-differs', 'Only rings of one part power compare', {
      facts: { before: before.partPower, after: after.partPower },
    });
  }
  const tally = new Tally(before, after);
  for (let partition = 0; partition < after.partitionCount; partition++) tally.add(partition);
  return tally.finish();
}

export interface MoveCost {
  /** Bytes to copy in all. */
  readonly bytes: number;
  readonly bytesArriving: ReadonlyMap<number, number>;
  /** Until the busiest device is done, each sending and receiving at the rate given. */
  readonly seconds: number;
}

/** `partitionBytes` is what one replica of a partition holds on average. */
export function estimateCost(
  plan: MovePlan,
  given: { readonly partitionBytes: number; readonly deviceBytesPerSecond: number },
): MoveCost {
  const { partitionBytes, deviceBytesPerSecond } = given;
  const busiest = plan.devices.reduce((most, one) => Math.max(most, one.arriving, one.leaving), 0);
  return {
    bytes: plan.to.length * partitionBytes,
    bytesArriving: new Map(plan.devices.map((one) => [one.id, one.arriving * partitionBytes])),
    seconds: (busiest * partitionBytes) / deviceBytesPerSecond,
  };
}

class Tally {
  private readonly before: Ring;
  private readonly after: Ring;
  private readonly partitions: number[] = [];
  private readonly from: number[] = [];
  private readonly to: number[] = [];
  private readonly arriving: Uint32Array;
  private readonly leaving: Uint32Array;
  private touched = 0;
  private worst = 0;
  private withoutStayer = 0;

  constructor(before: Ring, after: Ring) {
    const ids = Math.max(before.devices.length, after.devices.length);
    this.before = before;
    this.after = after;
    this.arriving = new Uint32Array(ids);
    this.leaving = new Uint32Array(ids);
  }

  /** Compares as sets: a replica that only changed its row has not moved. */
  add(partition: number): void {
    const old = holders(this.before, partition);
    const now = holders(this.after, partition);
    const gone = old.filter((id) => !now.includes(id));
    const come = now.filter((id) => !old.includes(id));
    for (const id of gone) this.leaving[id] = (this.leaving[id] as number) + 1;
    for (const [index, id] of come.entries()) {
      this.arriving[id] = (this.arriving[id] as number) + 1;
      this.partitions.push(partition);
      this.from.push(gone[index] ?? noSource);
      this.to.push(id);
    }
    if (gone.length + come.length > 0) this.touched++;
    if (come.length === now.length) this.withoutStayer++;
    this.worst = Math.max(this.worst, come.length);
  }

  finish(): MovePlan {
    return {
      partitions: Uint32Array.from(this.partitions),
      from: Int32Array.from(this.from),
      to: Int32Array.from(this.to),
      devices: this.deviceMoves(),
      partitionsTouched: this.touched,
      worstPartitionMoves: this.worst,
      partitionsWithoutStayer: this.withoutStayer,
      shareMoved: this.to.length / slotsOf(this.after),
    };
  }

  private deviceMoves(): DeviceMoves[] {
    const heldBefore = countHolders(this.before, this.arriving.length);
    const heldAfter = countHolders(this.after, this.arriving.length);
    const moves: DeviceMoves[] = [];
    for (let id = 0; id < this.arriving.length; id++) {
      const device = this.after.devices[id] ?? this.before.devices[id];
      const arriving = this.arriving[id] as number;
      const leaving = this.leaving[id] as number;
      if (device === undefined || arriving + leaving === 0) continue;
      const shareBefore = (heldBefore[id] as number) / slotsOf(this.before);
      const shareAfter = (heldAfter[id] as number) / slotsOf(this.after);
      moves.push({ id, device, arriving, leaving, shareBefore, shareAfter });
    }
    return moves;
  }
}

function holders(ring: Ring, partition: number): number[] {
  const ids: number[] = [];
  for (const row of ring.rows) {
    const id = row[partition];
    if (id !== undefined && !ids.includes(id)) ids.push(id);
  }
  return ids;
}

function countHolders(ring: Ring, ids: number): Uint32Array {
  const held = new Uint32Array(ids);
  for (const row of ring.rows) for (const id of row) held[id] = (held[id] as number) + 1;
  return held;
}

function slotsOf(ring: Ring): number {
  return ring.rows.reduce((sum, row) => sum + row.length, 0);
}
