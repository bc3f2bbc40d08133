/**
 * How many replicas of each partition, on average, every failure domain should hold.
 *
 * 1. `byWeight`: what the weights alone ask for. A device can hold at most one replica of a partition, so
 *    what a very heavy device cannot take is shared out among the rest.
 * 2. `bySpread`: what spreading as widely as possible asks for: no domain holds fewer than the floor or more
 *    than the ceiling of an even split among its siblings; weights decide between these bounds.
 * 3. The overload says how far a device may be filled beyond 1 to come nearer to 2.
 */
import { Failure } from '#common';
import type { Tree } from './tree.ts';
import { must } from './tree.ts';

/** Slack for sums of fractions that should be whole. */
const epsilon = 1e-9;

/** Replicas per spot; the root holds `replicas`, and each spot the sum of its children. */
export function planTargets(tree: Tree, replicas: number, overload: number): Float64Array {
  const weighted = tree.weighted[0] as number;
  // Half a millionth: a fraction of a replica that no ring within our bounds can express.
  if (weighted + 5e-7 < replicas) {
    throw new Failure(
      'invalid',
      'too-few-devices',
      'There are more replicas than devices to hold them',
      {
        facts: { replicas, devices: weighted },
      },
    );
  }
  const byWeight = weightTargets(tree, replicas);
  const bySpread = spreadTargets(tree, replicas, byWeight);
  const needed = requiredOverload(tree, byWeight, bySpread);
  if (needed <= overload) return bySpread;
  const nearer = overload / needed;
  return byWeight.map((value, spot) => value + ((bySpread[spot] as number) - value) * nearer);
}

/** The least overload that lets the ring spread as widely as its shape allows. */
export function requiredOverload(
  tree: Tree,
  byWeight: Float64Array,
  bySpread: Float64Array,
): number {
  let needed = 0;
  for (let spot = 0; spot < tree.spots; spot++) {
    if (tree.deviceAt[spot] === -1 || tree.weighted[spot] === 0) continue;
    const fair = byWeight[spot] as number;
    needed = Math.max(needed, ((bySpread[spot] as number) - fair) / fair);
  }
  return needed;
}

export function weightTargets(tree: Tree, replicas: number): Float64Array {
  const leaves: number[] = [];
  for (let spot = 0; spot < tree.spots; spot++) {
    if (tree.deviceAt[spot] !== -1 && tree.weighted[spot] === 1) leaves.push(spot);
  }
  const shares = shareOut(
    leaves.map((spot) => ({ weight: tree.weight[spot] as number, least: 0, most: 1 })),
    replicas,
  );
  const targets = new Float64Array(tree.spots);
  for (const [index, spot] of leaves.entries()) targets[spot] = shares[index] as number;
  for (let spot = tree.spots - 1; spot > 0; spot--) {
    const parent = tree.parent[spot] as number;
    targets[parent] = (targets[parent] as number) + (targets[spot] as number);
  }
  return targets;
}

export function spreadTargets(tree: Tree, replicas: number, byWeight: Float64Array): Float64Array {
  const even = evenSplit(tree, replicas);
  const targets = new Float64Array(tree.spots);
  targets[0] = replicas;
  for (let spot = 0; spot < tree.spots; spot++) {
    const children = weightedChildren(tree, spot);
    if (children.length === 0) continue;
    const bounds = children.map((child) => {
      const room = tree.weighted[child] as number;
      const share = even[child] as number;
      return {
        weight: byWeight[child] as number,
        least: Math.min(room, Math.floor(share + epsilon)),
        most: Math.min(room, Math.ceil(share - epsilon)),
        room,
      };
    });
    const wanted = targets[spot] as number;
    const most = bounds.reduce((sum, bound) => sum + bound.most, 0);
    // Too few devices to keep the ceilings: all are reached, and what is left goes where there is room.
    const crowded = bounds.map((bound) => ({ ...bound, least: bound.most, most: bound.room }));
    const shares = shareOut(most < wanted - epsilon ? crowded : bounds, wanted);
    for (const [index, child] of children.entries()) targets[child] = shares[index] as number;
  }
  return targets;
}

/**
 * Replicas per spot if siblings shared evenly, whatever they weigh: the measure of being well spread. A device
 * counts once; `round` is applied at every step down.
 */
export function evenSplit(
  tree: Tree,
  replicas: number,
  round: (share: number) => number = (share) => share,
): Float64Array {
  const even = new Float64Array(tree.spots);
  even[0] = replicas;
  for (let spot = 0; spot < tree.spots; spot++) {
    const children = weightedChildren(tree, spot);
    for (const child of children) {
      const share = round((even[spot] as number) / children.length);
      even[child] = tree.deviceAt[child] === -1 ? share : Math.min(1, share);
    }
  }
  return even;
}

export function weightedChildren(tree: Tree, spot: number): number[] {
  const children: number[] = [];
  const end = tree.firstChild[spot + 1] as number;
  for (let child = tree.firstChild[spot] as number; child < end; child++) {
    if ((tree.weighted[child] as number) > 0) children.push(child);
  }
  return children;
}

interface Claim {
  readonly weight: number;
  readonly least: number;
  readonly most: number;
}

/**
 * Splits `total` in proportion to the weights, each share kept within its bounds: share = clamp(weight × λ)
 * with the one λ that makes the sum right. Walks the places where a share enters or leaves its bounds.
 */
export function shareOut(claims: readonly Claim[], total: number): number[] {
  const steps = claims.flatMap((claim) => [
    { at: claim.least / claim.weight, slope: claim.weight, free: 1 },
    { at: claim.most / claim.weight, slope: -claim.weight, free: -1 },
  ]);
  steps.sort((a, b) => a.at - b.at);
  let sum = claims.reduce((all, claim) => all + claim.least, 0);
  let slope = 0;
  let free = 0;
  let lambda = 0;
  for (const step of steps) {
    const reached = sum + slope * (step.at - lambda);
    if (reached >= total && free > 0) break;
    sum = reached;
    lambda = step.at;
    free += step.free;
    slope = free === 0 ? 0 : slope + step.slope;
  }
  if (free > 0 && slope > 0) lambda += (total - sum) / slope;
  const shares = claims.map((claim) =>
    Math.min(claim.most, Math.max(claim.least, claim.weight * lambda)),
  );
  return settle(claims, shares, total);
}

/** Puts the last rounding error of the sum onto the shares that have room for it. */
function settle(claims: readonly Claim[], shares: number[], total: number): number[] {
  let rest = total - shares.reduce((sum, share) => sum + share, 0);
  for (const [index, claim] of claims.entries()) {
    const share = shares[index] as number;
    const settled = Math.min(claim.most, Math.max(claim.least, share + rest));
    rest -= settled - share;
    shares[index] = settled;
  }
  must(Math.abs(rest) < 1e-6, 'shares add up');
  return shares;
}
