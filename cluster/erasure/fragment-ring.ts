/**
 * Which devices hold the fragments of a ring partition: computed from the ring's devices alone, so that every process that has the ring has
 * this too, and nothing has to be kept or told.
 *
 * For each fragment the devices draw lots by partition, fragment and weight (weighted rendezvous hashing: Schindelhauer and Schomaker, "Weighted
 * distributed hash tables", SPAA '05), and the best of those in the zone, then on the node, that has fewest so far gets it.
 * A device that comes or goes changes a fragment's place only where it wins or held it.
 */
import type { Placement } from '../placement.ts';

export interface FragmentDevice {
  readonly id: number;
  readonly region: number;
  readonly zone: number;
  readonly ip: string;
  readonly port: number;
  readonly weight: number;
}

/** What is asked of a ring (`#ring` has the real one). */
export interface FragmentRing {
  readonly devices: readonly (FragmentDevice | undefined)[];
  partitionOf(hash: number): number;
}

/** Fewer owners than `width` where there are fewer devices with a weight. */
export function fragmentPlacement(ring: FragmentRing, width: number): Placement {
  const devices = ring.devices.filter((one) => one !== undefined && one.weight > 0);
  const known = new Map<number, readonly number[]>();
  const primariesOf = (hash: number): readonly number[] => {
    const partition = ring.partitionOf(hash);
    let owners = known.get(partition);
    if (owners === undefined) {
      owners = Object.freeze(drawOwners(devices as FragmentDevice[], partition, width));
      known.set(partition, owners);
    }
    return owners;
  };
  return {
    primariesOf,
    *handoffsOf(hash) {
      const owners = primariesOf(hash);
      const partition = ring.partitionOf(hash);
      const others = ring.devices.filter((one) => one !== undefined && !owners.includes(one.id));
      yield* (others as FragmentDevice[])
        .map((one) => ({ id: one.id, lot: lotOf(one, partition, width) }))
        .sort((a, b) => a.lot - b.lot)
        .map(({ id }) => id);
    },
    // Fenced blobs are replicated.
    *replicaSets() {},
  };
}

function drawOwners(
  devices: readonly FragmentDevice[],
  partition: number,
  width: number,
): number[] {
  const left = new Set(devices);
  const inZone = new Map<string, number>();
  const onNode = new Map<string, number>();
  const owners: number[] = [];
  while (owners.length < width && left.size > 0) {
    let best: FragmentDevice | undefined;
    let bestRank: readonly number[] = [];
    for (const device of left) {
      const rank = [
        inZone.get(zoneOf(device)) ?? 0,
        onNode.get(nodeOf(device)) ?? 0,
        lotOf(device, partition, owners.length),
      ];
      if (best === undefined || isBefore(rank, bestRank)) [best, bestRank] = [device, rank];
    }
    if (best === undefined) break;
    left.delete(best);
    inZone.set(zoneOf(best), (inZone.get(zoneOf(best)) ?? 0) + 1);
    onNode.set(nodeOf(best), (onNode.get(nodeOf(best)) ?? 0) + 1);
    owners.push(best.id);
  }
  return owners;
}

function isBefore(a: readonly number[], b: readonly number[]): boolean {
  for (const [at, value] of a.entries()) {
    const other = b[at] ?? 0;
    if (value !== other) return value < other;
  }
  return false;
}

const zoneOf = ({ region, zone }: FragmentDevice) => `${region}/${zone}`;
const nodeOf = ({ region, zone, ip, port }: FragmentDevice) => `${region}/${zone}/${ip}:${port}`;

/** The smaller the better; a device of twice the weight is the best twice as often. */
function lotOf({ id, weight }: FragmentDevice, partition: number, fragment: number): number {
  const mixed = mix(mix(mix(0x9e3779b9, partition), fragment), id);
  return -Math.log((mixed + 1) / 2 ** 32) / Math.max(weight, 1e-9);
}

/** MurmurHash3's body and finalizer for one word. */
function mix(state: number, word: number): number {
  let value = Math.imul(word, 0xcc9e2d51);
  value = Math.imul((value << 15) | (value >>> 17), 0x1b873593);
  let hash = state ^ value;
  hash = Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
