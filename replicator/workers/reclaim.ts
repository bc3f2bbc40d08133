/**
 * Frees what nothing needs: blobs that no row refers to, and tombstones that have done their work.
 *
 * One pass:
 * 1. All devices must be at home, whole, and hold no row that cannot be read; otherwise nothing is done, and `blocked` says why.
 * 2. Blobs on any device, up to so many from the cursor on, are candidates. What is written from now on is none.
 * 3. All rows of all devices are read (`readRoots`); what they refer to is no candidate any more. Any failure ends the pass without effect.
 * 4. What is left is under suspicion. Only what stays so for `orphanGraceMs`, and is found so by two more whole passes after that, is deleted, from all devices.
 *
 * Why three passes: a reference may move from one row to another while a pass reads (a part becomes an object, an object a version, or back), and that
 * pass sees neither place if the move falls between its looks at the two, in the right direction. It would have to do so in every pass within the grace and
 * twice after it. What is lent from object to object, as fast as anybody likes, is looked at once more, by name, before it goes (`stillNeeded`).
 * Why the grace: a body's blobs are there before its row.
 */
import { codeOfId, fragmentId, fragmentOf, isFragmentId, type Referrers } from '#cluster';
import { type Clock, Failure, isFailure, type Logger, messageOf, type StepOutcome } from '#common';
import type { BlobKey } from '#wire';
import { blobPages, compareBlobs } from '../compare/blob-differences.ts';
import { merged, paged } from '../compare/merge.ts';
import type { CursorStore } from '../cursor.ts';
import type { Layout } from '../layout.ts';
import { readRoots } from '../reclaim/roots.ts';
import { Suspects } from '../reclaim/suspects.ts';
import { Tombstones } from '../reclaim/tombstones.ts';
import type { ReplicatorSettings } from '../settings.ts';
import type { Tally } from '../tally.ts';

export interface ReclaimParts {
  readonly layout: Layout;
  readonly clock: Clock;
  readonly cursors: CursorStore;
  readonly tally: Tally;
  readonly log: Logger;
  readonly settings: ReplicatorSettings;
  /** Undefined where the rows of nobody are known: then nothing is ever reclaimed. */
  readonly referrers: Referrers | undefined;
  readonly stillNeeded: (blobId: string) => Promise<boolean>;
}

export interface ReclaimProgress {
  readonly passes: number;
  /** Since the last pass that read everything began. */
  readonly lagMs: number | undefined;
  readonly suspects: number;
  /** Those of them that would have been deleted, were it not for `report` mode or a failure. */
  readonly due: number;
  readonly mode: ReplicatorSettings['reclaim'];
  /** Why the last attempt freed nothing. */
  readonly blocked: string | undefined;
}

const cursorName = 'reclaim';
const confirmations = 2;
/** So few are deleted whatever share of all they are. */
const dueAlways = 1000;
const reportedMax = 100;
const passRestMsMax = 86_400_000;

export class Reclaim {
  private readonly parts: ReclaimParts;
  private readonly suspects: Suspects;
  private readonly tombstones: Tombstones;
  private passes = 0;
  private nextPassMs: number;
  private wholeSinceMs: number | undefined;
  private blocked: string | undefined;

  constructor(parts: ReclaimParts) {
    const { clock, cursors, settings } = parts;
    this.parts = parts;
    this.suspects = new Suspects({ clock, cursors, most: settings.reclaimCandidatesMax });
    this.tombstones = new Tombstones(parts);
    // Nothing here is urgent: a start has enough to do.
    this.nextPassMs = clock.monotonicMs() + settings.reclaimEveryMs;
  }

  progress(): ReclaimProgress {
    const { passes, wholeSinceMs, blocked } = this;
    const lagMs =
      wholeSinceMs === undefined ? undefined : this.parts.clock.monotonicMs() - wholeSinceMs;
    const { size: suspects } = this.suspects;
    const mode = this.parts.settings.reclaim;
    return { passes, lagMs, suspects, due: this.suspects.due(confirmations), mode, blocked };
  }

  async step(signal: AbortSignal): Promise<StepOutcome> {
    if (this.parts.clock.monotonicMs() < this.nextPassMs) return 'idle';
    await this.pass(signal);
    return 'idle';
  }

  /** One pass, now. */
  async pass(signal: AbortSignal): Promise<void> {
    const { clock, settings, log, referrers } = this.parts;
    if (referrers === undefined || settings.reclaim === 'off') return;
    const startedMs = clock.monotonicMs();
    try {
      await this.run(referrers, signal);
      this.blocked = undefined;
      this.wholeSinceMs = startedMs;
      this.passes += 1;
    } catch (error) {
      if (signal.aborted || !isFailure(error)) throw error;
      this.blocked = messageOf(error);
      log.info({ reason: this.blocked }, 'nothing was reclaimed in this pass');
    }
    const endedMs = clock.monotonicMs();
    const restMs = Math.max(settings.reclaimEveryMs, (endedMs - startedMs) * 2);
    this.nextPassMs = endedMs + Math.min(restMs, passRestMsMax);
  }

  private async run(referrers: Referrers, signal: AbortSignal): Promise<void> {
    const { settings, cursors } = this.parts;
    const rest = this.resting(signal);
    await this.suspects.load();
    const { generation } = this.parts.layout;
    await this.checkHome();
    const { candidates, next, within } = await this.listCandidates(rest);
    const lookedAt = candidates.size;
    this.tombstones.begin();
    await readRoots({
      ...{ layout: this.parts.layout, referrers, rest },
      found: (id) => candidates.delete(id),
      onTombstone: (key, version) => this.tombstones.note(key, version),
    });
    // A device that left or was replaced meanwhile may have taken a root with it.
    await this.checkHome();
    if (generation !== this.parts.layout.generation) throw ringChanged();
    const grace = { graceMs: settings.orphanGraceMs, confirmations };
    const over = this.suspects.judge(within, candidates, grace);
    await this.suspects.save();
    if (settings.reclaim === 'report') this.report(over);
    else {
      this.checkShare(over.length, lookedAt);
      await this.freeAll(over, rest);
      this.parts.tally.forgottenRows += await this.tombstones.forget(rest);
    }
    await this.suspects.save();
    await cursors.save(cursorName, next);
  }

  private async freeAll(blobs: readonly BlobKey[], rest: () => Promise<void>): Promise<void> {
    for (const blob of blobs) {
      if (!(await this.parts.stillNeeded(blob.id))) await this.free(blob);
      this.suspects.remove(blob.id);
      await rest();
    }
  }

  private report(blobs: readonly BlobKey[]): void {
    const ids = blobs.slice(0, reportedMax).map(({ id }) => id);
    if (ids.length > 0) this.parts.log.info({ count: blobs.length, ids }, 'blobs without a row');
  }

  /** So much garbage at once is more likely a mistake of ours. */
  private checkShare(due: number, lookedAt: number): void {
    const { reclaimShareMax } = this.parts.settings;
    if (due <= dueAlways || due * 100 <= lookedAt * reclaimShareMax) return;
    throw new Failure('busy', 'reclaim-share', 'Too large a share of all blobs would be deleted', {
      facts: { due, lookedAt, reclaimShareMax },
    });
  }

  /** Works for a tenth of the time, or whatever `reclaimRestRatio` says. */
  private resting(signal: AbortSignal): () => Promise<void> {
    const { clock, settings } = this.parts;
    let sinceMs = clock.monotonicMs();
    return async () => {
      signal.throwIfAborted();
      const workedMs = clock.monotonicMs() - sinceMs;
      if (workedMs < 10) return;
      await clock.sleep(Math.min(workedMs * settings.reclaimRestRatio, 60_000), signal);
      sinceMs = clock.monotonicMs();
    };
  }

  private async checkHome(): Promise<void> {
    const { layout } = this.parts;
    if (layout.moves.size > 0) throw ringChanged();
    for (const peer of layout.peers) {
      const { device } = peer;
      const status = await peer.call((service) => service.status());
      if (status.refilling === true) throw notHome('is being refilled', device);
      const { quarantined } = await peer.survey({ what: 'quarantined', limit: 1000 });
      if (quarantined.some(({ row }) => row !== undefined))
        throw notHome('holds a row that cannot be read', device);
      // Bad blobs may hide bad rows behind them.
      if (quarantined.length === 1000) throw notHome('holds too much that is bad', device);
    }
    for (let partition = 0; partition < layout.partitionCount; partition++)
      for (const device of layout.primariesOf(partition))
        if (layout.peersOf([device]).length === 0) throw notHome('cannot be reached', device);
  }

  private async listCandidates(rest: () => Promise<void>): Promise<{
    readonly candidates: Map<string, number>;
    readonly next: string | undefined;
    readonly within: readonly [from: number, until: number];
  }> {
    const { layout, settings, cursors } = this.parts;
    const most = settings.reclaimCandidatesMax;
    const from = Number((await cursors.load(cursorName)) ?? 0);
    const found = new Map<string, number>();
    let until = 2 ** 32;
    const lists = layout.peers.map((peer) => paged(blobPages(peer, [from, 2 ** 32])));
    for await (const held of merged(lists, compareBlobs)) {
      const blob = held.find((one) => one !== undefined);
      if (blob === undefined) continue;
      // Shares end between two hashes, and hold one at the least.
      if (found.size >= most && blob.hash > from) {
        until = blob.hash;
        break;
      }
      // A blob in fragments goes as a whole.
      found.set(isFragmentId(blob.id) ? fragmentOf(blob.id).blobId : blob.id, blob.hash);
      await rest();
    }
    for (const [id, hash] of found) if (hash >= until) found.delete(id);
    const next = until === 2 ** 32 ? undefined : String(until);
    return { candidates: found, next, within: [from, until] };
  }

  private async free({ id, hash }: BlobKey): Promise<void> {
    const { layout, tally } = this.parts;
    const code = codeOfId(id);
    const ids =
      code === undefined
        ? [id]
        : Array.from({ length: code.k + code.m }, (_, index) => fragmentId(id, index));
    let bytes = 0;
    for (const peer of layout.peers)
      for (const one of ids) {
        const key = { id: one, hash };
        const info = await peer.call((service) => service.statBlob(key));
        if (info === undefined) continue;
        await peer.call((service) => service.deleteBlob(key));
        bytes += info.length;
      }
    tally.freedBlobs += 1;
    tally.freedBytes += bytes;
  }
}

function ringChanged(): Failure {
  return new Failure('busy', 'reclaim-waits', 'The ring is being changed');
}

function notHome(why: string, device: number): Failure {
  return new Failure('busy', 'reclaim-waits', `A device ${why}`, { facts: { device } });
}
