/** Replaces copies that failed their checksum, wherever a reader, the scrub or a recovery came upon them. */

import { isFragmentId } from '#cluster';
import { type Clock, isFailure, type StepOutcome } from '#common';
import type { BlobKey, Quarantined } from '#wire';
import { copyBlob, holdingOf } from '../copy/blob-copy.ts';
import type { Pace } from '../copy/pace.ts';
import { type CopyOutcome, copyRow } from '../copy/row-copy.ts';
import { type Irreparable, type IrreparableList, rowName } from '../irreparable.ts';
import type { Layout } from '../layout.ts';
import type { Peer } from '../peer.ts';
import type { Tally } from '../tally.ts';

export interface HealParts {
  readonly layout: Layout;
  readonly pace: Pace;
  readonly tally: Tally;
  readonly irreparable: IrreparableList;
  readonly clock: Clock;
  readonly nowUs: () => number;
  /** Makes a fragment of an erasure-coded blob anew. */
  readonly healFragment: (peer: Peer, fragment: BlobKey) => Promise<CopyOutcome>;
}

const atOnce = 100;
/** What has no good copy is looked for again after this long: a device may come back that has one. */
const hopelessEveryMs = 60_000;

export class Heal {
  private readonly parts: HealParts;
  private nextHopelessMs = 0;
  private skipsHopeless = false;

  constructor(parts: HealParts) {
    this.parts = parts;
  }

  async step(signal: AbortSignal): Promise<StepOutcome> {
    const nowMs = this.parts.clock.monotonicMs();
    this.skipsHopeless = nowMs < this.nextHopelessMs;
    if (!this.skipsHopeless) this.nextHopelessMs = nowMs + hopelessEveryMs;
    for (const peer of this.parts.layout.peers) await this.healAll(peer, signal);
    return 'idle';
  }

  private async healAll(peer: Peer, signal: AbortSignal): Promise<void> {
    let after: string | undefined;
    do {
      signal.throwIfAborted();
      try {
        const page = { what: 'quarantined', limit: atOnce } as const;
        const reply = await peer.survey(after === undefined ? page : { ...page, after });
        for (const bad of reply.quarantined) await this.heal(peer, bad, signal);
        after = reply.next;
      } catch (error) {
        // A device that is away is healed when it is back.
        if (!isFailure(error) || signal.aborted) throw error;
        return;
      }
    } while (after !== undefined);
  }

  private async heal(peer: Peer, bad: Quarantined, signal: AbortSignal): Promise<void> {
    const { layout, pace, irreparable } = this.parts;
    const { device } = peer;
    const named =
      bad.row === undefined
        ? ({ what: 'blob', name: bad.blob.id, device } as const)
        : ({ what: 'row', name: rowName(bad.row), device } as const);
    if (this.skipsHopeless && irreparable.has(named)) return;
    const { hash } = bad.row ?? bad.blob;
    const owners = layout.peersOf(layout.primariesOfHash(hash));
    const others = [...owners, ...layout.peers.filter((one) => !owners.includes(one))].filter(
      (one) => one !== peer,
    );
    const wait = (bytes: number) => pace.wait(bytes, signal);
    const outcome = await (bad.row === undefined
      ? isFragmentId(bad.blob.id)
        ? this.parts.healFragment(peer, bad.blob)
        : this.healBlob(peer, bad.blob, others, wait)
      : copyRow(bad.row, others, [peer], { wait }));
    this.settle(named, outcome);
  }

  private settle(named: Pick<Irreparable, 'what' | 'name' | 'device'>, outcome: CopyOutcome): void {
    const { tally, irreparable, nowUs } = this.parts;
    if (outcome.outcome === 'failed') return;
    if (outcome.outcome === 'copied' && outcome.written > 0) {
      tally.healed += 1;
      irreparable.remove(named);
      return;
    }
    const reason =
      outcome.outcome === 'irreparable' ? outcome.reason : 'no other device has this version';
    irreparable.add({ ...named, reason, sinceUs: nowUs() });
  }

  private async healBlob(
    peer: Peer,
    blob: NonNullable<Quarantined['blob']>,
    others: readonly Peer[],
    wait: (bytes: number) => Promise<void>,
  ): Promise<CopyOutcome> {
    for (const other of others) {
      if ((await holdingOf(other, blob)) !== 'good') continue;
      const info = await other.call((service) => service.statBlob(blob));
      if (info !== undefined) return copyBlob(info, [other], peer, wait);
    }
    return { outcome: 'irreparable', reason: 'no good copy of the blob' };
  }
}
