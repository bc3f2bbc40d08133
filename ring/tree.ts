/**
 * The failure domains as a tree in arrays: root, regions, zones, nodes, devices.
 *
 * Tree nodes ("spots") are numbered breadth first, so the children of one lie side by side and the parent
 * of any has a smaller number: one upward or downward pass is a plain loop.
 */
import { Failure } from '#common';
import type { RingDevice } from './device.ts';

/** Spots on the way from a region to a device: region, zone, node, device. */
export const depthMax = 4;

export interface Tree {
  readonly spots: number;
  readonly parent: Int32Array;
  readonly depth: Uint8Array;
  /** Children of spot s are the numbers from firstChild[s] up to, not including, firstChild[s + 1]. */
  readonly firstChild: Int32Array;
  /** The device id of a leaf, -1 elsewhere. */
  readonly deviceAt: Int32Array;
  /** pathOf[id * depthMax + k] is the k-th spot on the way down to device `id`; -1 for unknown ids. */
  readonly pathOf: Int32Array;
  /** Total weight below each spot. */
  readonly weight: Float64Array;
  /** Devices of positive weight below each spot. */
  readonly weighted: Int32Array;
}

interface Branch {
  readonly key: string;
  readonly parent: number;
  readonly devices: RingDevice[];
}

export function buildTree(devices: readonly RingDevice[]): Tree {
  const levels: Branch[][] = [[{ key: '', parent: -1, devices: [...devices] }]];
  let total = 1;
  let levelStart = 0;
  for (let depth = 1; depth <= depthMax; depth++) {
    const above = levels[depth - 1] ?? [];
    const level = above.flatMap((branch, index) => split(branch, depth, levelStart + index));
    levelStart = total;
    total += level.length;
    levels.push(level);
  }
  return fillTree(levels, total, devices);
}

const keyAt: readonly ((device: RingDevice) => string)[] = [
  () => '',
  (device) => String(device.region),
  (device) => String(device.zone),
  (device) => device.ip,
  (device) => String(device.id),
];

function split(branch: Branch, depth: number, parent: number): Branch[] {
  const keyOf = keyAt[depth] ?? (() => '');
  const byKey = new Map<string, Branch>();
  for (const device of branch.devices) {
    const key = keyOf(device);
    const child = byKey.get(key) ?? { key, parent, devices: [] };
    child.devices.push(device);
    byKey.set(key, child);
  }
  return [...byKey.values()];
}

function fillTree(
  levels: readonly Branch[][],
  spots: number,
  devices: readonly RingDevice[],
): Tree {
  const idMax = devices.reduce((most, device) => Math.max(most, device.id), -1);
  const tree = {
    spots,
    parent: new Int32Array(spots).fill(-1),
    depth: new Uint8Array(spots),
    firstChild: new Int32Array(spots + 1).fill(spots),
    deviceAt: new Int32Array(spots).fill(-1),
    pathOf: new Int32Array((idMax + 1) * depthMax).fill(-1),
    weight: new Float64Array(spots),
    weighted: new Int32Array(spots),
  };
  let spot = 0;
  for (const [depth, level] of levels.entries()) {
    for (const branch of level) {
      tree.parent[spot] = branch.parent;
      tree.depth[spot] = depth;
      for (const device of branch.devices) {
        tree.weight[spot] = (tree.weight[spot] ?? 0) + device.weight;
        if (device.weight > 0) tree.weighted[spot] = (tree.weighted[spot] ?? 0) + 1;
        if (depth > 0) tree.pathOf[device.id * depthMax + depth - 1] = spot;
        if (depth === depthMax) tree.deviceAt[spot] = device.id;
      }
      spot++;
    }
  }
  linkChildren(tree);
  return tree;
}

/** Leaves and childless spots get an empty range: the start of the next one's. */
function linkChildren(tree: Tree): void {
  let next = tree.spots;
  const first = new Int32Array(tree.spots).fill(-1);
  for (let spot = tree.spots - 1; spot > 0; spot--) first[tree.parent[spot] as number] = spot;
  for (let spot = tree.spots - 1; spot >= 0; spot--) {
    const own = first[spot] as number;
    if (own >= 0) next = own;
    tree.firstChild[spot] = next;
  }
}

/** Adds up `leafValue` of every device over all spots above it. */
export function sumUp(tree: Tree, values: Int32Array | Float64Array): void {
  for (let spot = tree.spots - 1; spot > 0; spot--) {
    const parent = tree.parent[spot] as number;
    values[parent] = (values[parent] as number) + (values[spot] as number);
  }
}

/** An invariant of the builder: what breaks it is a mistake in this room, never in its input. */
export function must(truth: boolean, what: string): asserts truth {
  if (!truth)
    throw new Failure('bug', 'ring-invariant', `The ring builder broke a promise: ${what}`);
}
