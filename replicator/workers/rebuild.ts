/**
 * Keeps erasure-coded blobs whole.
 *
 * One pass:
 * 1. Every device lists what it has; fragments of one blob come together, and what an owner lacks is noted.
 * 2. After `settleMs` it is looked at again: most of it is writes on their way.
 * 3. What is still lacking is brought from whoever stood in for its owner, or made anew from k others.
 * 4. A stand-in's fragment goes when its owner has it.
 *
 * A device that does not answer is left out: nothing is made for it, and nothing is called lost while one is away.
 */
import { fragmentId } from '#cluster';
import { type Clock, isFailure, type StepOutcome } from '#common';
import { type Amiss, amissIn, type Stripe, stripesOn } from '../compare/stripes.ts';
import { copyBlob, holdingOf } from '../copy/blob-copy.ts';
import { makeFragment } from '../copy/fragment-copy.ts';
import type { Pace } from '../copy/pace.ts';
import type { CopyOutcome } from '../copy/row-copy.ts';
import { Window } from '../copy/window.ts';
import type { IrreparableList } from '../irreparable.ts';
import type { Layout } from '../layout.ts';
import type { Peer } from '../peer.ts';
import type { ReplicatorSettings } from '../settings.ts';
import type { Tally } from '../tally.ts';

export interface RebuildParts {
  readonly layout: Layout;
  readonly pace: Pace;
  readonly tally: Tally;
  readonly irreparable: IrreparableList;
  readonly clock: Clock;
  readonly nowUs: () => number;
  readonly settings: Pick<
    ReplicatorSettings,
    'settleMs' | 'passEveryMs' | 'restRatio' | 'copiesInFlightMax'
  >;
}

export interface RebuildProgress {
  /** Since the last pass began that heard of every device; undefined before the first. */
  readonly lagMs: number | undefined;
  /** Erasure-coded blobs seen by the last pass. */
  readonly stripes: number;
  /** Fragments that were not where they belong when it ended. */
  readonly lacking: number;
  readonly passes: number;
}

interface Task {
  readonly stripe: Stripe;
  readonly amiss: Amiss;
}

/** More are left to the next pass, which follows at once. */
const tasksMax = 10_000;

export class Rebuild {
  private readonly parts: RebuildParts;
  private nextPassMs = 0;
  private wholeSinceMs: number | undefined;
  private stripes = 0;
  private lacking = 0;
  private passes = 0;
  private named: ReadonlyMap<string, number> = new Map();

  constructor(parts: RebuildParts) {
    this.parts = parts;
  }

  progress(): RebuildProgress {
    const { wholeSinceMs, stripes, lacking, passes } = this;
    const nowMs = this.parts.clock.monotonicMs();
    const lagMs = wholeSinceMs === undefined ? undefined : nowMs - wholeSinceMs;
    return { lagMs, stripes, lacking, passes };
  }

  async step(signal: AbortSignal): Promise<StepOutcome> {
    const { clock, settings } = this.parts;
    const startedMs = clock.monotonicMs();
    if (startedMs < this.nextPassMs) return 'idle';
    await this.pass(signal);
    const endedMs = clock.monotonicMs();
    const restMs = Math.max(settings.passEveryMs, (endedMs - startedMs) * settings.restRatio);
    // What could not be mended now waits for its time; what was, may have hidden more.
    this.nextPassMs = endedMs + (this.lacking > 0 ? Math.min(restMs, 1000) : restMs);
    return 'idle';
  }

  /** One pass, now. */
  async pass(signal: AbortSignal): Promise<void> {
    const { layout, clock, settings } = this.parts;
    const startedMs = clock.monotonicMs();
    const peers = await this.present();
    const isWhole = peers.length === layout.peers.length;
    const tasks: Task[] = [];
    this.stripes = 0;
    for await (const stripe of stripesOn(peers)) {
      signal.throwIfAborted();
      this.stripes += 1;
      const amiss = this.within(amissIn(layout, stripe), stripe, peers);
      if (amiss.lacking.length + amiss.strange.length > 0) tasks.push({ stripe, amiss });
      if (tasks.length >= tasksMax) break;
    }
    const named = new Map<string, number>();
    this.lacking = tasks.reduce((sum, { amiss }) => sum + amiss.lacking.length, 0);
    if (tasks.length > 0) await clock.sleep(settings.settleMs, signal);
    const window = new Window(Math.max(1, settings.copiesInFlightMax >> 3));
    for (const task of tasks) {
      signal.throwIfAborted();
      await window.run(() => this.mend(task, { isWhole, named, signal }));
    }
    await window.drained();
    this.forgetOthers(named);
    if (isWhole) this.wholeSinceMs = startedMs;
    this.passes += 1;
  }

  /** Replaces a fragment that went bad where it is. */
  async heal(peer: Peer, fragment: { id: string; hash: number }): Promise<CopyOutcome> {
    const peers = await this.present();
    for await (const stripe of stripesAt(peers, fragment)) {
      const index = Number.parseInt(fragment.id.slice(-2), 16);
      return await this.make(stripe, index, peer, new AbortController().signal);
    }
    return { outcome: 'irreparable', reason: 'no other fragment is left' };
  }

  private async present(): Promise<Peer[]> {
    const answers = await Promise.all(
      this.parts.layout.peers.map(async (peer) => {
        try {
          await peer.call((service) => service.status());
          return [peer];
        } catch (error) {
          if (!isFailure(error)) throw error;
          return [];
        }
      }),
    );
    return answers.flat();
  }

  private within(amiss: Amiss, { code, hash }: Stripe, peers: readonly Peer[]): Amiss {
    const owners = this.parts.layout.fragmentOwners(code, hash);
    const isThere = (index: number) => {
      const owner = owners[index];
      return owner !== undefined && peers.includes(owner);
    };
    return { lacking: amiss.lacking.filter(isThere), strange: amiss.strange.filter(isThere) };
  }

  private async mend(
    { stripe, amiss }: Task,
    pass: {
      readonly isWhole: boolean;
      readonly named: Map<string, number>;
      readonly signal: AbortSignal;
    },
  ): Promise<void> {
    const { layout, tally, irreparable, nowUs } = this.parts;
    const owners = layout.fragmentOwners(stripe.code, stripe.hash);
    for (const index of amiss.lacking) {
      const owner = owners[index];
      if (owner === undefined || !(await lacks(owner, keyOf(stripe, index)))) {
        this.lacking -= 1;
        continue;
      }
      const outcome = await this.bring(stripe, index, owner, pass.signal);
      if (outcome.outcome === 'copied') {
        this.lacking -= 1;
        if (outcome.written > 0) tally.copied('blob', outcome.bytes);
      } else if (outcome.outcome === 'irreparable' && pass.isWhole) {
        const { device } = owner;
        pass.named.set(stripe.blobId, device);
        const { reason } = outcome;
        irreparable.add({ what: 'blob', name: stripe.blobId, device, reason, sinceUs: nowUs() });
        break;
      }
    }
    for (const index of amiss.strange) await this.handBack(stripe, index, owners[index]);
  }

  private async bring(
    stripe: Stripe,
    index: number,
    owner: Peer,
    signal: AbortSignal,
  ): Promise<CopyOutcome> {
    const strangers = (stripe.holders.get(index) ?? []).filter((holder) => holder !== owner);
    if (strangers.length > 0) {
      const info = { ...keyOf(stripe, index), length: stripe.fragmentLength };
      const wait = (bytes: number) => this.parts.pace.wait(bytes, signal);
      const outcome = await copyBlob(info, strangers, owner, wait);
      if (outcome.outcome === 'copied' && outcome.written > 0) return outcome;
    }
    return await this.make(stripe, index, owner, signal);
  }

  private async make(
    stripe: Stripe,
    index: number,
    target: Peer,
    signal: AbortSignal,
  ): Promise<CopyOutcome> {
    const sources = [...stripe.holders].flatMap(([at, [peer]]) =>
      at === index || peer === undefined ? [] : [{ index: at, peer }],
    );
    const outcome = await makeFragment({
      key: keyOf(stripe, index),
      length: stripe.fragmentLength,
      sources,
      target,
      wait: (bytes) => this.parts.pace.wait(bytes, signal),
    });
    if (outcome.outcome === 'copied') this.parts.tally.rebuilt += 1;
    return outcome;
  }

  /** Invariant: what a stranger keeps goes only when the fragment's owner has a good one at that moment. */
  private async handBack(stripe: Stripe, index: number, owner: Peer | undefined): Promise<void> {
    const key = keyOf(stripe, index);
    if (owner === undefined || (await holdingOf(owner, key)) !== 'good') return;
    for (const stranger of stripe.holders.get(index) ?? []) {
      if (stranger === owner) continue;
      try {
        await stranger.call((service) => service.deleteBlob(key));
        this.parts.tally.handedBack += 1;
      } catch (error) {
        // It is asked again by the next pass.
        if (!isFailure(error)) throw error;
      }
    }
  }

  /** What is gone or mended is no longer named. */
  private forgetOthers(named: ReadonlyMap<string, number>): void {
    for (const [name, device] of this.named)
      if (!named.has(name)) this.parts.irreparable.remove({ what: 'blob', name, device });
    this.named = named;
  }
}

function keyOf({ blobId, hash }: Stripe, index: number) {
  return { id: fragmentId(blobId, index), hash };
}

/** The one stripe that a fragment is of, as these devices have it. */
async function* stripesAt(peers: readonly Peer[], fragment: { id: string; hash: number }) {
  for await (const stripe of stripesOn(peers, fragment.hash))
    if (fragment.id.startsWith(stripe.blobId)) yield stripe;
}

async function lacks(peer: Peer, key: { id: string; hash: number }): Promise<boolean> {
  try {
    return (await peer.call((service) => service.statBlob(key))) === undefined;
  } catch (error) {
    if (!isFailure(error)) throw error;
    // What it does not have it cannot vouch for; it takes it all the same.
    return error.code === 'device-refilling';
  }
}
