/**
 * Turns targets (fractions) into partitions per device and per failure domain (whole numbers).
 *
 * Every device gets the floor or the ceiling of its target, and so does every domain above it; that is what
 * lets a ring meet its quotas exactly. Among the roundings that do so and keep the worst deviation from the
 * weights tolerable, the one nearest to what devices hold already is chosen, so that rounding moves nothing.
 */
import { weightedChildren } from './targets.ts';
import { tradeQuotas } from './trades.ts';
import { must, sumUp, type Tree } from './tree.ts';

const epsilon = 1e-6;

export interface QuotaInput {
  readonly tree: Tree;
  /** Average replicas per spot. */
  readonly targets: Float64Array;
  readonly partitions: number;
  /** Replicas of one partition that a well spread ring would put in each spot at most. */
  readonly allowed: Float64Array;
  /** All replicas of all partitions. */
  readonly slots: number;
  /** What each device holds now, by spot. */
  readonly held: Int32Array;
}

/** One device whose target is not whole, so that it may be rounded either way. */
interface Choice {
  readonly spot: number;
  readonly floorError: number;
  readonly ceilError: number;
  readonly prefersCeil: boolean;
}

export function planQuotas(input: QuotaInput): Int32Array {
  const { tree, targets, partitions } = input;
  const quotas = new Int32Array(tree.spots);
  const choices: Choice[] = [];
  for (let spot = 0; spot < tree.spots; spot++) {
    if (tree.deviceAt[spot] === -1) continue;
    const exact = (targets[spot] as number) * partitions;
    quotas[spot] = Math.floor(exact + epsilon);
    if (exact - (quotas[spot] as number) > epsilon) choices.push(weigh(input, spot, exact));
  }
  sumUp(tree, quotas);
  const { extras, tolerated } = chooseBounds(input, quotas, choices);
  const rank = (choice: Choice): number => {
    if (choice.floorError > tolerated) return 0;
    if (choice.ceilError > tolerated) return 3;
    return choice.prefersCeil ? 1 : 2;
  };
  const order = choices.toSorted((a, b) => rank(a) - rank(b) || byWorstFirst(a, b));
  const taken = extras.take(order);
  must(taken !== undefined, 'every rounding up found a device');
  for (const spot of taken) {
    for (let at = spot; at >= 0; at = tree.parent[at] as number) {
      quotas[at] = (quotas[at] as number) + 1;
    }
  }
  const fair = (leaf: number): number => fairShare(input, leaf);
  tradeQuotas({ ...input, quotas, tolerated, fairShare: fair });
  must(quotas[0] === input.slots, 'quotas add up to all replicas');
  return quotas;
}

/**
 * The bounds to keep, and the deviation from its weight that any device may have. The latter is what plain
 * rounding would reach anyway; within it, fewer moves and wider spread are worth more than balance.
 * Rounding crowded domains down leaves fewer partitions at risk, so that is done where it is tolerable.
 */
function chooseBounds(
  input: QuotaInput,
  floors: Int32Array,
  choices: readonly Choice[],
): { extras: Extras; tolerated: number } {
  const order = choices.toSorted(byWorstFirst);
  const plain = plainWorst(input);
  const [loose, tight] = [false, true].map((crowdedDown) => {
    const extras = new Extras(input, floors, crowdedDown);
    const taken = extras.take(order);
    if (taken === undefined) return undefined;
    const errors = choices.map((choice) =>
      taken.has(choice.spot) ? choice.ceilError : choice.floorError,
    );
    return { extras, tolerated: errors.reduce((most, error) => Math.max(most, error), plain) };
  });
  must(loose !== undefined, 'every rounding up found a device');
  return tight !== undefined && tight.tolerated <= loose.tolerated ? tight : loose;
}

/** The worst deviation if every domain split its partitions by floors, the rest going to the smallest first. */
function plainWorst(input: QuotaInput): number {
  const { tree, targets, partitions } = input;
  const given = new Int32Array(tree.spots);
  given[0] = input.slots;
  let worst = 0;
  for (let spot = 0; spot < tree.spots; spot++) {
    const children = weightedChildren(tree, spot);
    let rest = given[spot] as number;
    for (const child of children) {
      given[child] = Math.min(rest, Math.floor((targets[child] as number) * partitions + epsilon));
      rest -= given[child] as number;
    }
    children.sort((a, b) => (targets[a] as number) - (targets[b] as number));
    for (let index = 0; rest > 0; index++, rest--) {
      const child = children[index % children.length] as number;
      given[child] = (given[child] as number) + 1;
    }
    if (tree.deviceAt[spot] === -1 || tree.weighted[spot] === 0) continue;
    worst = Math.max(worst, Math.abs((given[spot] as number) / fairShare(input, spot) - 1));
  }
  return worst;
}

/** Partitions that a device's weight alone entitles it to. */
function fairShare(input: QuotaInput, leaf: number): number {
  return ((input.tree.weight[leaf] as number) / (input.tree.weight[0] as number)) * input.slots;
}

function weigh(input: QuotaInput, spot: number, exact: number): Choice {
  const fair = fairShare(input, spot);
  const floor = Math.floor(exact + epsilon);
  return {
    spot,
    floorError: Math.abs(floor / fair - 1),
    ceilError: Math.abs((floor + 1) / fair - 1),
    prefersCeil: (input.held[spot] as number) > floor,
  };
}

/** Devices that suffer most from being rounded down come first; those that suffer from being rounded up, last. */
function byWorstFirst(a: Choice, b: Choice): number {
  const aCeil = a.floorError > a.ceilError;
  const bCeil = b.floorError > b.ceilError;
  if (aCeil !== bCeil) return aCeil ? -1 : 1;
  return aCeil ? b.floorError - a.floorError : a.ceilError - b.ceilError;
}

/**
 * Hands out the roundings up. Each domain must get between the floor and the ceiling of its own target; such
 * families of sets form a laminar matroid, so taking choices in order of preference, whenever the rest can
 * still be completed, is optimal for any order.
 */
class Extras {
  private readonly tree: Tree;
  private readonly least: Int32Array;
  private readonly most: Int32Array;

  constructor(input: QuotaInput, floors: Int32Array, crowdedDown: boolean) {
    const { tree, targets, partitions } = input;
    this.tree = tree;
    this.least = new Int32Array(tree.spots);
    this.most = new Int32Array(tree.spots);
    for (let spot = 0; spot < tree.spots; spot++) {
      const exact = (targets[spot] as number) * partitions;
      this.least[spot] = Math.floor(exact + epsilon) - (floors[spot] as number);
      const down = crowdedDown && (targets[spot] as number) > (input.allowed[spot] as number);
      this.most[spot] = down
        ? (this.least[spot] as number)
        : Math.ceil(exact - epsilon) - (floors[spot] as number);
    }
    this.least[0] = input.slots - (floors[0] as number);
    this.most[0] = this.least[0];
  }

  /** The leaves to round up; undefined when the bounds cannot all be kept. */
  take(order: readonly Choice[]): Set<number> | undefined {
    const { tree } = this;
    const taken = new Int32Array(tree.spots);
    const owedBelow = new Int32Array(tree.spots);
    for (let spot = tree.spots - 1; spot > 0; spot--) {
      const parent = tree.parent[spot] as number;
      const owed = this.owed(spot, taken[spot] as number, owedBelow[spot] as number);
      owedBelow[parent] = (owedBelow[parent] as number) + owed;
    }
    const chosen = new Set<number>();
    for (const { spot } of order) {
      if (!this.fits(spot, taken, owedBelow)) continue;
      chosen.add(spot);
      this.record(spot, taken, owedBelow);
    }
    const kept = this.least.every((least, spot) => (taken[spot] as number) >= least);
    return kept ? chosen : undefined;
  }

  /** Roundings up that a spot must still get, when `below` of them are owed to its children. */
  private owed(spot: number, taken: number, below: number): number {
    return Math.max(0, below, (this.least[spot] as number) - taken);
  }

  private fits(leaf: number, taken: Int32Array, owedBelow: Int32Array): boolean {
    let change = 0;
    for (let at = leaf; at >= 0; at = this.tree.parent[at] as number) {
      const before = this.owed(at, taken[at] as number, owedBelow[at] as number);
      const below = (owedBelow[at] as number) + change;
      const after = this.owed(at, (taken[at] as number) + 1, below);
      if ((taken[at] as number) + 1 + after > (this.most[at] as number)) return false;
      change = after - before;
    }
    return true;
  }

  private record(leaf: number, taken: Int32Array, owedBelow: Int32Array): void {
    let change = 0;
    for (let at = leaf; at >= 0; at = this.tree.parent[at] as number) {
      const before = this.owed(at, taken[at] as number, owedBelow[at] as number);
      taken[at] = (taken[at] as number) + 1;
      owedBelow[at] = (owedBelow[at] as number) + change;
      change = this.owed(at, taken[at] as number, owedBelow[at] as number) - before;
    }
  }
}
