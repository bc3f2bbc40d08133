/** Mends one ring partition: rows and blobs to those who lack them, and what strangers keep back to its owners. */
import { isFailure, type Logger, messageOf } from '#common';
import { type BlobInfo, compareVersions, type RowKey, type Version } from '#wire';
import { type BlobDifference, blobDifferences } from '../compare/blob-differences.ts';
import type { Difference } from '../compare/ring-digests.ts';
import {
  type KeptRow,
  type RowDifference,
  type RowSides,
  rowDifferences,
} from '../compare/row-differences.ts';
import { type IrreparableList, rowName } from '../irreparable.ts';
import type { Layout } from '../layout.ts';
import type { Peer } from '../peer.ts';
import type { Tally } from '../tally.ts';
import { copyBlob, holdingOf } from './blob-copy.ts';
import type { Pace } from './pace.ts';
import { type CopyOutcome, copyRow, type RenewRow } from './row-copy.ts';
import { Window } from './window.ts';

export interface MenderParts {
  readonly layout: Layout;
  readonly pace: Pace;
  readonly tally: Tally;
  readonly irreparable: IrreparableList;
  readonly log: Logger;
  readonly copiesInFlightMax: number;
  readonly nowUs: () => number;
  readonly renew: RenewRow | undefined;
}

/** What became of it: devices that something could not be brought to, or that could not be compared. */
export type Behind = ReadonlySet<number>;

export class Mender {
  private readonly parts: MenderParts;

  constructor(parts: MenderParts) {
    this.parts = parts;
  }

  /** `reachable`: who answered; the others are left for a later pass. */
  async mend(
    difference: Difference,
    reachable: ReadonlySet<number>,
    signal: AbortSignal,
  ): Promise<Behind> {
    const { layout } = this.parts;
    const among = (devices: readonly number[]) =>
      layout.peersOf(devices.filter((device) => reachable.has(device)));
    const sides: RowSides = {
      owners: among(layout.primariesOf(difference.partition)),
      strangers: among(difference.strangers),
    };
    const hashes = layout.hashesOf(difference.partition);
    const behind = new Set<number>();
    const strange = difference.strangers.length > 0;
    try {
      if (difference.rows || strange)
        await this.mendRows(rowDifferences(sides, hashes), behind, signal);
      if (difference.blobs || strange)
        await this.mendBlobs(blobDifferences(sides, hashes), sides.owners, { behind, signal });
    } catch (error) {
      if (!isFailure(error) || signal.aborted) throw error;
      const facts = { partition: difference.partition, reason: messageOf(error) };
      this.parts.log.info(facts, 'a partition could not be compared');
      for (const { device } of sides.owners) behind.add(device);
    }
    return behind;
  }

  private async mendRows(
    differences: AsyncIterable<RowDifference>,
    behind: Set<number>,
    signal: AbortSignal,
  ): Promise<void> {
    const window = new Window(this.parts.copiesInFlightMax);
    const wait = (bytes: number) => this.parts.pace.wait(bytes, signal);
    for await (const { key, holders, behind: targets, kept } of differences) {
      signal.throwIfAborted();
      await window.run(async () => {
        if (targets.length > 0) {
          const outcome = await copyRow(key, holders, targets, {
            ...{ wait, renew: this.parts.renew },
            isNewcomer: ({ device }) => this.isNewcomer(device, key.hash),
          });
          this.settle('row', rowName(key), key.hash, { targets, outcome, behind });
          if (outcome.outcome !== 'copied') return;
        }
        if (kept.length > 0) await this.handBackRow(key, kept);
      });
    }
    await window.drained();
  }

  /** Invariant: what a stranger keeps goes only when every owner, all of the ring's, has that version or a newer one at that moment. */
  private async handBackRow(key: RowKey, kept: readonly KeptRow[]): Promise<void> {
    const { layout, tally } = this.parts;
    const devices = layout.primariesOfHash(key.hash);
    const owners = layout.peersOf(devices);
    if (owners.length < devices.length) return;
    const held = await Promise.all(owners.map((owner) => versionAt(owner, key)));
    for (const { peer, version } of kept) {
      if (!held.every((one) => one !== undefined && compareVersions(one, version) >= 0)) continue;
      const { records } = await peer.survey({ what: 'forget', rows: [{ key, version }] });
      tally.handedBack += records;
    }
  }

  private async mendBlobs(
    differences: AsyncIterable<BlobDifference>,
    owners: readonly Peer[],
    { behind, signal }: { readonly behind: Set<number>; readonly signal: AbortSignal },
  ): Promise<void> {
    const window = new Window(Math.max(1, this.parts.copiesInFlightMax >> 3));
    const wait = (bytes: number) => this.parts.pace.wait(bytes, signal);
    for await (const { blob, strangers } of differences) {
      signal.throwIfAborted();
      await window.run(() => this.mendBlob(blob, { owners, strangers, behind, wait }));
    }
    await window.drained();
  }

  private async mendBlob(
    blob: BlobInfo,
    context: {
      readonly owners: readonly Peer[];
      readonly strangers: readonly Peer[];
      readonly behind: Set<number>;
      readonly wait: (bytes: number) => Promise<void>;
    },
  ): Promise<void> {
    const { owners, strangers, behind, wait } = context;
    const info = new Map<Peer, boolean>();
    for (const owner of owners) info.set(owner, (await holdingOf(owner, blob)) === 'good');
    const sources = [...owners.filter((owner) => info.get(owner) === true), ...strangers];
    // Deleted from everywhere since it was listed.
    if (sources.length === 0) return;
    for (const owner of owners) {
      if (info.get(owner) === true) continue;
      const outcome = await copyBlob(blob, sources, owner, wait);
      this.settle('blob', blob.id, blob.hash, { targets: [owner], outcome, behind });
    }
    if (strangers.length > 0) await this.handBack(blob, strangers);
  }

  /** Invariant: what a stranger keeps goes only when every owner, all of the ring's, has a good copy at that moment. */
  private async handBack(blob: BlobInfo, strangers: readonly Peer[]): Promise<void> {
    const { layout, tally } = this.parts;
    const devices = layout.primariesOfHash(blob.hash);
    const owners = layout.peersOf(devices);
    if (owners.length < devices.length) return;
    for (const owner of owners) if ((await holdingOf(owner, blob)) !== 'good') return;
    for (const stranger of strangers) {
      await stranger.call((service) => service.deleteBlob({ id: blob.id, hash: blob.hash }));
      tally.handedBack += 1;
    }
  }

  private isNewcomer(device: number, hash: number): boolean {
    const { layout } = this.parts;
    return layout.isNewcomer(device, layout.partitionOfHash(hash));
  }

  private settle(
    what: 'row' | 'blob',
    name: string,
    hash: number,
    { targets, outcome, behind }: Copied,
  ): void {
    const { tally, irreparable, nowUs, log } = this.parts;
    for (const { device } of targets) {
      if (outcome.outcome === 'copied') {
        const bytes = outcome.bytes / targets.length;
        if (outcome.written > 0) tally.copied(what, bytes);
        if (this.isNewcomer(device, hash)) tally.movedBytes += bytes;
        irreparable.remove({ what, name, device });
        continue;
      }
      behind.add(device);
      if (outcome.outcome === 'irreparable') {
        irreparable.add({ what, name, device, reason: outcome.reason, sinceUs: nowUs() });
        log.warn({ what, name, device, reason: outcome.reason }, 'no good copy was found');
      } else log.debug({ what, name, device, err: outcome.error }, 'a copy failed');
    }
  }
}

interface Copied {
  readonly targets: readonly Peer[];
  readonly outcome: CopyOutcome;
  readonly behind: Set<number>;
}

/** Undefined when the device has none, has a bad one, or cannot be asked. */
async function versionAt(owner: Peer, key: RowKey): Promise<Version | undefined> {
  try {
    const row = await owner.call((service) => service.readRow(key, { body: false }));
    return row?.version;
  } catch (error) {
    if (!isFailure(error)) throw error;
    return undefined;
  }
}
