/**
 * Tombstones that have done their work: older than `tombstoneAgeMs` by the clock, seen on all owners and nowhere else, and seen so again after
 * `tombstoneSettleMs` by a clock that only rises, so that a jump of the clock hurries nothing. What may still be under way is kept out by the
 * time that a device remembers of what it forgot.
 */
import { type Clock, isFailure } from '#common';
import { compareVersions, type RowKey, type Version } from '#wire';
import { rowName } from '../irreparable.ts';
import type { Layout } from '../layout.ts';
import type { Peer } from '../peer.ts';

export interface TombstoneParts {
  readonly layout: Layout;
  readonly clock: Clock;
  readonly settings: {
    readonly tombstoneAgeMs: number;
    readonly tombstoneSettleMs: number;
    readonly reclaimCandidatesMax: number;
  };
}

interface Seen {
  readonly key: RowKey;
  readonly version: Version;
  readonly sinceMs: number;
}

export class Tombstones {
  private readonly parts: TombstoneParts;
  private before = new Map<string, Seen>();
  private now = new Map<string, Seen>();

  constructor(parts: TombstoneParts) {
    this.parts = parts;
  }

  begin(): void {
    this.before = this.now.size > 0 ? this.now : this.before;
    this.now = new Map();
  }

  note(key: RowKey, version: Version): void {
    const { clock, settings } = this.parts;
    if (version.timeUs > clock.nowUs() - settings.tombstoneAgeMs * 1000) return;
    if (this.now.size >= settings.reclaimCandidatesMax) return;
    const name = `${rowName(key)} ${version.timeUs} ${version.coordinator}`;
    const seen = this.before.get(name) ?? { key, version, sinceMs: clock.monotonicMs() };
    this.now.set(name, seen);
  }

  /** Returns how many went. */
  async forget(rest: () => Promise<void>): Promise<number> {
    const { clock, settings } = this.parts;
    const dueMs = clock.monotonicMs() - settings.tombstoneSettleMs;
    let count = 0;
    for (const [name, { key, version, sinceMs }] of this.now) {
      if (sinceMs > dueMs) continue;
      this.now.delete(name);
      if (await this.forgetOne(key, version)) count += 1;
      await rest();
    }
    return count;
  }

  /** Invariant: a tombstone goes only when at that moment every owner has it, and no other device has anything of the row. */
  private async forgetOne(key: RowKey, version: Version): Promise<boolean> {
    const { layout } = this.parts;
    const owners = layout.primariesOfHash(key.hash);
    const held = await Promise.all(layout.peers.map((peer) => lookAt(peer, key)));
    const may = layout.peers.every((peer, at) => {
      const one = held[at];
      if (one === undefined) return false;
      if (!owners.includes(peer.device)) return one.version === undefined;
      return one.version !== undefined && compareVersions(one.version, version) === 0;
    });
    if (!may || layout.peersOf(owners).length < owners.length) return false;
    const rows = [{ key, version }];
    await Promise.all(layout.peersOf(owners).map((peer) => peer.survey({ what: 'forget', rows })));
    return true;
  }
}

/** Undefined when it cannot be said. */
async function lookAt(
  peer: Peer,
  key: RowKey,
): Promise<{ readonly version: Version | undefined } | undefined> {
  try {
    const row = await peer.call((service) => service.readRow(key, { body: false }));
    return { version: row?.version };
  } catch (error) {
    if (!isFailure(error)) throw error;
    return undefined;
  }
}
