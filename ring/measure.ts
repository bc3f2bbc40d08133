/** How good a ring is: how near devices are to their weight, and how widely replicas are spread. */
import type { RingDevice } from './device.ts';
import type { Ring } from './placement.ts';
import { evenSplit } from './targets.ts';
import { buildTree, depthMax, type Tree } from './tree.ts';

/** Shown for a device of weight 0 that still holds partitions, as Swift shows it. */
export const worstBalance = 999.99;

export interface RingMeasures {
  /** The worst device's deviation from its weight, in percent. */
  readonly balance: number;
  /** Replicas that share a failure domain more than an even spread would need, in percent of all replicas. */
  readonly dispersion: number;
  /** Partitions per device id. */
  readonly held: Uint32Array;
  /** Deviation from the weight in percent, per device id. */
  readonly balances: Float64Array;
}

export function measureRing(ring: Ring): RingMeasures {
  const devices = ring.devices.filter((device) => device !== undefined);
  const held = new Uint32Array(ring.devices.length);
  for (const row of ring.rows) for (const id of row) held[id] = (held[id] as number) + 1;
  const slots = ring.rows.reduce((sum, row) => sum + row.length, 0);
  const weight = devices.reduce((sum, device) => sum + device.weight, 0);
  const balances = new Float64Array(ring.devices.length);
  for (const device of devices) {
    balances[device.id] = deviation(device, held[device.id] as number, slots / weight);
  }
  return {
    balance: balances.reduce((worst, one) => Math.max(worst, Math.abs(one)), 0),
    dispersion: (100 * countAtRisk(ring, devices)) / slots,
    held,
    balances,
  };
}

function deviation(device: RingDevice, held: number, perWeight: number): number {
  if (device.weight === 0) return held === 0 ? 0 : worstBalance;
  return (100 * held) / (device.weight * perWeight) - 100;
}

/**
 * Replicas beyond what each domain would hold in an even spread; a partition counts once, at the depth
 * (regions, zones, nodes or devices) where it is worst.
 */
function countAtRisk(ring: Ring, devices: readonly RingDevice[]): number {
  const tree = buildTree(devices);
  // Every step down rounds up; domains without weighted devices may hold nothing.
  const allowed = evenSplit(tree, ring.replicaCount, Math.ceil);
  const here = new Int32Array(tree.spots);
  const excess = new Int32Array(depthMax);
  let atRisk = 0;
  for (let partition = 0; partition < ring.partitionCount; partition++) {
    excess.fill(0);
    forEachSpot(ring, tree, partition, (spot, depth) => {
      here[spot] = (here[spot] as number) + 1;
      if ((here[spot] as number) > (allowed[spot] as number)) {
        excess[depth] = (excess[depth] as number) + 1;
      }
    });
    forEachSpot(ring, tree, partition, (spot) => {
      here[spot] = 0;
    });
    atRisk += Math.max(...excess);
  }
  return atRisk;
}

function forEachSpot(
  ring: Ring,
  tree: Tree,
  partition: number,
  visit: (spot: number, depth: number) => void,
): void {
  for (const row of ring.rows) {
    const id = row[partition];
    if (id === undefined) continue;
    for (let depth = 0; depth < depthMax; depth++) {
      visit(tree.pathOf[id * depthMax + depth] as number, depth);
    }
  }
}
