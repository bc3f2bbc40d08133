/**
 * Shifts single partitions between quotas, within the deviation that is tolerated anyway, where that saves a
 * move or spreads replicas wider at no more moves.
 */
import type { QuotaInput } from './quotas.ts';
import { depthMax, type Tree } from './tree.ts';

/** However much is tolerated, nobody ends further than this many partitions from the exact target. */
const stepsMax = 2;

export interface TradeInput extends QuotaInput {
  /** Changed in place. */
  readonly quotas: Int32Array;
  /** The largest deviation from its weight a device may have, as a fraction. */
  readonly tolerated: number;
  readonly fairShare: (leaf: number) => number;
}

export function tradeQuotas(input: TradeInput): void {
  const market = new Market(input);
  const leaves = market.leaves();
  for (const saving of [true, false]) {
    const buyers = leaves.filter((leaf) => market.mayBuy(leaf, saving));
    for (const seller of leaves) {
      for (let at = 0; at < buyers.length && market.maySell(seller); ) {
        const buyer = buyers[at] as number;
        if (market.mayBuy(buyer, saving) && market.fits(seller, buyer, saving)) {
          market.trade(seller, buyer);
        } else at++;
      }
    }
  }
}

class Market {
  private readonly input: TradeInput;
  private readonly tree: Tree;
  private readonly floor: Int32Array;
  private readonly ceiling: Int32Array;
  private readonly crowded: Uint8Array;

  constructor(input: TradeInput) {
    const { tree, targets, allowed, partitions, quotas } = input;
    this.input = input;
    this.tree = tree;
    this.crowded = Uint8Array.from(targets, (target, spot) =>
      target > (allowed[spot] as number) ? 1 : 0,
    );
    this.floor = quotas.map((quota) => Math.floor(quota / partitions) * partitions);
    this.ceiling = quotas.map((quota, spot) =>
      this.crowded[spot] === 1 ? quota : Math.ceil(quota / partitions) * partitions,
    );
  }

  leaves(): number[] {
    const { tree } = this;
    const found: number[] = [];
    for (let spot = 0; spot < tree.spots; spot++) {
      if (tree.deviceAt[spot] !== -1 && (tree.weighted[spot] as number) > 0) found.push(spot);
    }
    return found;
  }

  /** Only a device that would otherwise receive one sells: that is the move saved or redirected. */
  maySell(leaf: number): boolean {
    const quota = this.input.quotas[leaf] as number;
    return quota > (this.input.held[leaf] as number) && this.tolerates(leaf, quota - 1);
  }

  /** Buying saves a move for a device that would otherwise have to give one away. */
  mayBuy(leaf: number, saving: boolean): boolean {
    const quota = this.input.quotas[leaf] as number;
    const full = quota < (this.input.held[leaf] as number);
    return full === saving && this.tolerates(leaf, quota + 1);
  }

  private tolerates(leaf: number, quota: number): boolean {
    const { targets, partitions, tolerated, fairShare } = this.input;
    const exact = (targets[leaf] as number) * partitions;
    if (Math.abs(quota - exact) >= stepsMax || quota > partitions) return false;
    return Math.abs(quota / fairShare(leaf) - 1) <= tolerated;
  }

  /** Domains that both share don't notice; the seller's must keep their floors, the buyer's their ceilings. */
  fits(seller: number, buyer: number, saving: boolean): boolean {
    const { quotas } = this.input;
    if (seller === buyer) return false;
    let relieved = saving;
    let from = seller;
    let to = buyer;
    for (let depth = depthMax; depth > 0 && from !== to; depth--) {
      if ((quotas[from] as number) <= (this.floor[from] as number)) return false;
      if ((quotas[to] as number) >= (this.ceiling[to] as number)) return false;
      if (this.crowded[to] === 1) return false;
      if (this.crowded[from] === 1) relieved = true;
      from = this.tree.parent[from] as number;
      to = this.tree.parent[to] as number;
    }
    return relieved;
  }

  trade(seller: number, buyer: number): void {
    const { quotas } = this.input;
    for (let at = seller; at >= 0; at = this.tree.parent[at] as number) {
      quotas[at] = (quotas[at] as number) - 1;
    }
    for (let at = buyer; at >= 0; at = this.tree.parent[at] as number) {
      quotas[at] = (quotas[at] as number) + 1;
    }
  }
}
