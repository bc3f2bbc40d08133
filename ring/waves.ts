/**
 * A change from one ring to another in waves: each wave is a ring that differs from the one before in one replica of each of some partitions, and
 * in nothing else. Pure, like the builder: where a change was stopped, the next wave follows from the ring then in force.
 */
import { Failure } from '#common';
import { Ring } from './placement.ts';

export interface WaveOptions {
  /** How many partitions a wave may touch. */
  readonly partitionsMax: number;
}

/** The ring after the next wave; undefined when `current` holds what `target` does: then `target` itself may take its place. */
export function nextWave(current: Ring, target: Ring, options: WaveOptions): Ring | undefined {
  if (current.partPower !== target.partPower)
    throw new Failure('invalid', 'part-power-differs', 'A ring keeps its part power for life', {
      facts: { current: current.partPower, target: target.partPower },
    });
  const rows =
    replaced(current, target, options) ??
    (slotsOf(target) < slotsOf(current)
      ? shrunk(current, target, options)
      : grown(current, target, options));
  if (rows === undefined) return undefined;
  return new Ring({
    partPower: current.partPower,
    devices: devicesOfBoth(current, target),
    rows,
    version: (current.version ?? 0) + 1,
    nextPartPower: current.nextPartPower,
  });
}

/** How many waves there are between two rings. */
export function countWaves(current: Ring, target: Ring, options: WaveOptions): number {
  let waves = 0;
  for (let ring: Ring | undefined = current; ring !== undefined; waves++)
    ring = nextWave(ring, target, options);
  return waves - 1;
}

/** One replica of a partition goes to another device. */
function replaced(current: Ring, target: Ring, options: WaveOptions): Uint16Array[] | undefined {
  let rows: Uint16Array[] | undefined;
  let touched = 0;
  for (let partition = 0; partition < current.partitionCount; partition++) {
    if (touched >= options.partitionsMax) break;
    const { leaving, arriving } = differenceAt(current, target, partition);
    const from = leaving[0];
    const to = arriving[0];
    if (from === undefined || to === undefined) continue;
    rows ??= current.rows.map((row) => Uint16Array.from(row));
    // A device that stands twice in a partition (a ring of too few devices) leaves one slot after the other.
    const row = rows.find((one) => one[partition] === from) as Uint16Array;
    row[partition] = to;
    touched += 1;
  }
  return rows;
}

/** The last row gets longer, or another one begins: partitions in order, as the file wants it. */
function grown(current: Ring, target: Ring, options: WaveOptions): Uint16Array[] | undefined {
  const length = current.rows.at(-1)?.length ?? 0;
  const isWhole = length === current.partitionCount;
  const index = isWhole ? current.rows.length : current.rows.length - 1;
  const until = target.rows[index]?.length ?? 0;
  const from = isWhole ? 0 : length;
  if (until <= from) return undefined;
  const end = Math.min(until, from + options.partitionsMax);
  const added = new Uint16Array(end);
  if (!isWhole) added.set(current.rows[index] as Uint16Array);
  for (let partition = from; partition < end; partition++) {
    const { arriving } = differenceAt(current, target, partition);
    added[partition] = arriving[0] ?? (target.rows[index]?.[partition] as number);
  }
  return [...current.rows.slice(0, index), added];
}

/** The last row gets shorter or goes: what leaves a partition is put there first. */
function shrunk(current: Ring, target: Ring, options: WaveOptions): Uint16Array[] | undefined {
  const index = current.rows.length - 1;
  const last = current.rows[index] as Uint16Array;
  const until = target.rows[index]?.length ?? 0;
  const start = Math.max(until, last.length - options.partitionsMax);
  if (start >= last.length) return undefined;
  const rows = current.rows.map((row) => Uint16Array.from(row));
  for (let partition = start; partition < last.length; partition++) {
    const [gone] = differenceAt(current, target, partition).leaving;
    const row = rows.find((one) => one[partition] === gone);
    if (row !== undefined) row[partition] = last[partition] as number;
  }
  return start === 0 ? rows.slice(0, index) : [...rows.slice(0, index), last.slice(0, start)];
}

function differenceAt(current: Ring, target: Ring, partition: number) {
  const old = slotsAt(current, partition);
  const now = slotsAt(target, partition);
  return { leaving: without(old, now), arriving: without(now, old) };
}

function slotsAt(ring: Ring, partition: number): number[] {
  return ring.rows.flatMap((row) => row[partition] ?? []);
}

/** Each of `others` takes one of its like away. */
function without(ids: readonly number[], others: readonly number[]): number[] {
  const left = [...ids];
  for (const id of others) {
    const at = left.indexOf(id);
    if (at >= 0) left.splice(at, 1);
  }
  return left;
}

function slotsOf(ring: Ring): number {
  return ring.rows.reduce((sum, row) => sum + row.length, 0);
}

function devicesOfBoth(current: Ring, target: Ring): Ring['devices'] {
  const count = Math.max(current.devices.length, target.devices.length);
  return Array.from({ length: count }, (_, id) => target.devices[id] ?? current.devices[id]);
}
