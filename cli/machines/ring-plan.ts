/** What an operator asks of a ring, the ring that it leads to, and what getting there moves. */
import { type Static, Type } from 'typebox';
import { Failure } from '#common';
import type { Replicator } from '#replicator';
import {
  buildRing,
  countWaves,
  type MovePlan,
  measureRing,
  planMoves,
  type Ring,
  type RingDevice,
} from '#ring';

const DeviceName = Type.String({ pattern: '^d[1-9][0-9]{0,4}$' });

export const RingWish = Type.Object({
  /** By device name; 0 drains it. */
  weights: Type.Record(DeviceName, Type.Number({ minimum: 0, maximum: 1e9 })),
  /** Are to be gone from the ring, drained or not. */
  remove: Type.Array(DeviceName, { maxItems: 1000 }),
  replicas: Type.Optional(Type.Number({ minimum: 1, maximum: 16 })),
  overload: Type.Optional(Type.Number({ minimum: 0, maximum: 10 })),
  bytesPerSecond: Type.Optional(Type.Integer({ minimum: 1 })),
});
export type RingWish = Static<typeof RingWish>;

export interface PlannedDevice {
  readonly device: string;
  readonly node: string;
  readonly zone: number;
  readonly weight: number;
  readonly share_before: number;
  readonly share_after: number;
  readonly arriving_bytes: number;
  readonly leaving_bytes: number;
}

export interface RingPlan {
  readonly replicas_moved: number;
  readonly partitions_touched: number;
  readonly partitions: number;
  readonly bytes: number;
  readonly bytes_per_second: number;
  readonly seconds: number;
  readonly waves: number;
  readonly balance_before: number;
  readonly balance_after: number;
  readonly devices: readonly PlannedDevice[];
  /** Bytes between nodes, as they are copied. */
  readonly links: readonly { readonly from: string; readonly to: string; readonly bytes: number }[];
  readonly exposure: {
    /** Replicas of one partition in motion at a time. */
    readonly in_motion_max: number;
    /** While a partition moves it has one owner more, and needs so many of them. */
    readonly majority_while_moving: number;
    readonly owners_while_moving: number;
    /** Partitions with fewer copies than they should have until the change is done: their device is away or goes at once. */
    readonly short_of_copies: number;
  };
}

export interface PlanParts {
  readonly ring: Ring;
  readonly target: Ring;
  readonly replicator: Pick<Replicator, 'measure'>;
  readonly nodeOf: (device: number) => string;
  /** Devices that hold nothing of use: away, or being refilled. */
  readonly unwell: ReadonlySet<number>;
  readonly partitionsMax: number;
  readonly bytesPerSecond: number;
}

/** The ring that is wanted, with as little moved as that allows. */
export function targetOf(ring: Ring, wish: RingWish): Ring {
  const present = ring.devices.filter((device) => device !== undefined);
  for (const name of [...Object.keys(wish.weights), ...wish.remove])
    if (!present.some(({ device }) => device === name))
      throw new Failure('missing', 'no-such-device', `The ring has no device ${name}`);
  const devices: RingDevice[] = present
    .filter(({ device }) => !wish.remove.includes(device))
    .map((device) => ({ ...device, weight: wish.weights[device.device] ?? device.weight }));
  const replicas = wish.replicas ?? ring.replicaCount;
  const filled = devices.filter(({ weight }) => weight > 0).length;
  if (filled < replicas)
    throw new Failure('invalid', 'too-few-devices', 'Each copy needs a device of its own', {
      facts: { replicas, devices: filled },
    });
  const { partPower } = ring;
  const { overload = 0 } = wish;
  return buildRing({ partPower, replicas, overload, minPartHours: 0, seed: 0, devices }, ring).ring;
}

export async function planRing(parts: PlanParts): Promise<RingPlan> {
  const { ring, target, partitionsMax, bytesPerSecond } = parts;
  const moves = planMoves(ring, target);
  const weights = await parts.replicator.measure([...new Set(moves.partitions)]);
  const sums = sumMoves(parts, moves, weights);
  const owners = Math.ceil(Math.max(ring.replicaCount, target.replicaCount));
  const whileMoving = owners + (ring.replicaCount === target.replicaCount ? 1 : 0);
  return {
    replicas_moved: moves.to.length,
    partitions_touched: moves.partitionsTouched,
    partitions: ring.partitionCount,
    bytes: sums.bytes,
    bytes_per_second: bytesPerSecond,
    seconds: Math.ceil(sums.bytes / bytesPerSecond),
    waves: countWaves(ring, target, { partitionsMax }),
    balance_before: measureRing(ring).balance,
    balance_after: measureRing(target).balance,
    devices: moves.devices.map(({ id, device, shareBefore, shareAfter }) => ({
      device: device.device,
      node: parts.nodeOf(id),
      zone: device.zone,
      weight: target.devices[id]?.weight ?? 0,
      share_before: shareBefore,
      share_after: shareAfter,
      arriving_bytes: sums.arriving.get(id) ?? 0,
      leaving_bytes: sums.leaving.get(id) ?? 0,
    })),
    links: [...sums.links].map(([name, bytes]) => {
      const [from = '', to = ''] = name.split(' ');
      return { from, to, bytes };
    }),
    exposure: {
      in_motion_max: moves.to.length === 0 ? 0 : 1,
      majority_while_moving: Math.floor(whileMoving / 2) + 1,
      owners_while_moving: whileMoving,
      short_of_copies: countShort(ring, parts.unwell),
    },
  };
}

interface Sums {
  bytes: number;
  readonly arriving: Map<number, number>;
  readonly leaving: Map<number, number>;
  readonly links: Map<string, number>;
}

function sumMoves(
  { ring, nodeOf, unwell }: PlanParts,
  { partitions, from, to }: MovePlan,
  weights: ReadonlyMap<number, number>,
): Sums {
  const sums: Sums = { bytes: 0, arriving: new Map(), leaving: new Map(), links: new Map() };
  const add = <K>(map: Map<K, number>, key: K, bytes: number) =>
    map.set(key, (map.get(key) ?? 0) + bytes);
  for (const [at, partition] of partitions.entries()) {
    const bytes = weights.get(partition) ?? 0;
    const target = to[at] as number;
    const leaver = from[at] as number;
    sums.bytes += bytes;
    add(sums.arriving, target, bytes);
    if (leaver >= 0) add(sums.leaving, leaver, bytes);
    // Copies are read from the first owner that is there.
    const source = ring.primaries(partition).find(({ id }) => !unwell.has(id));
    if (source !== undefined && bytes > 0)
      add(sums.links, `${nodeOf(source.id)} ${nodeOf(target)}`, bytes);
  }
  return sums;
}

function countShort(ring: Ring, unwell: ReadonlySet<number>): number {
  if (unwell.size === 0) return 0;
  let short = 0;
  for (let partition = 0; partition < ring.partitionCount; partition++)
    if (ring.primaries(partition).some(({ id }) => unwell.has(id))) short += 1;
  return short;
}
