/** Joins the duties, each a worker of its own, and tells how far they are. */
import type { Referrers } from '#cluster';
import {
  type Clock,
  Gauge,
  type Logger,
  type Metrics,
  type RunningWorker,
  startWorker,
} from '#common';
import type { DeviceService } from '#wire';
import { Mender } from './copy/mender.ts';
import { Pace } from './copy/pace.ts';
import type { RenewRow } from './copy/row-copy.ts';
import type { CursorStore } from './cursor.ts';
import { type Irreparable, IrreparableList } from './irreparable.ts';
import { Layout, type ReplicatorRing } from './layout.ts';
import { measureMoves } from './measure.ts';
import type { ReplicatorSettings } from './settings.ts';
import { Tally } from './tally.ts';
import { Heal } from './workers/heal.ts';
import { type MoveProgress, Moves } from './workers/moves.ts';
import { Rebuild, type RebuildProgress } from './workers/rebuild.ts';
import { Reclaim, type ReclaimProgress } from './workers/reclaim.ts';
import { Repair, type RepairProgress } from './workers/repair.ts';
import { ScrubDevice } from './workers/scrub.ts';
import { Scrubs } from './workers/scrubs.ts';

export interface ReplicatorParts {
  readonly ring: ReplicatorRing;
  /** By the ring's device numbers. */
  readonly devices: ReadonlyMap<number, DeviceService>;
  readonly cursors: CursorStore;
  readonly clock: Clock;
  readonly settings: ReplicatorSettings;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Every table there is, with the blobs that its rows refer to; without it nothing is reclaimed. */
  readonly referrers?: Referrers;
  /** There may be erasure-coded blobs; without it nobody looks for them. */
  readonly hasFragments?: boolean;
  /** `Cluster.renew`, for rows that owners take no copy of; without it they wait for somebody to write the row again. */
  readonly renew?: RenewRow;
  /** Asked about a blob before it is freed: whether something refers to it that reading all rows may have missed. */
  readonly stillNeeded?: (blobId: string) => Promise<boolean>;
}

export interface ReplicatorStatus extends RepairProgress {
  readonly copiedRows: number;
  readonly copiedBlobs: number;
  readonly copiedBytes: number;
  readonly handedBack: number;
  readonly healed: number;
  readonly scrubbedBytes: number;
  readonly foundBad: number;
  readonly irreparable: readonly Irreparable[];
  readonly reclaim: ReclaimProgress;
  readonly freedBlobs: number;
  readonly freedBytes: number;
  readonly forgottenRows: number;
  /** Partitions of which a replica moves, and how many of them need their old owner no more. */
  readonly moves: MoveProgress;
  /** Bytes brought to devices that are being given partitions. */
  readonly movedBytes: number;
  readonly fragments: RebuildProgress & { readonly rebuilt: number };
}

export interface Replicator {
  status(): ReplicatorStatus;
  /** Everything once, now; for tests and operators who will not wait. */
  runOnce(signal?: AbortSignal): Promise<void>;
  /** One whole comparison, with what it finds mended. */
  repairOnce(signal?: AbortSignal): Promise<void>;
  /** One search for what nothing refers to. */
  reclaimOnce(signal?: AbortSignal): Promise<void>;
  /** Goes by another ring, over these devices. Resolves when nothing is done by the one before any more. */
  follow(ring: ReplicatorRing, devices: ReadonlyMap<number, DeviceService>): Promise<void>;
  /** Before the old owners are let go: new ones hear of every fence. */
  bringFences(): Promise<void>;
  /** Bytes of rows and blobs of each of these partitions, by what its owners have now. */
  measure(
    partitions: readonly number[],
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<number, number>>;
  close(): Promise<void>;
}

const idleMs = 1000;

export function createReplicator(parts: ReplicatorParts): Replicator {
  const { clock, settings, cursors } = parts;
  const log = parts.log.child({ room: 'replicator' });
  const layout = new Layout({ ...parts, timeoutMs: settings.callTimeoutMs });
  const tally = new Tally();
  const irreparable = new IrreparableList(settings.irreparableMax);
  const pace = new Pace(clock, settings.copyBytesPerSecond);
  const nowUs = () => clock.nowUs();
  const common = { layout, pace, tally, irreparable, nowUs, clock, cursors, settings };
  const { copiesInFlightMax } = settings;
  const moves = new Moves(layout);
  const repair = new Repair({
    ...common,
    moves,
    mender: new Mender({ ...common, log, copiesInFlightMax, renew: parts.renew }),
  });
  const rebuild = new Rebuild(common);
  const heal = new Heal({
    ...common,
    healFragment: (peer, fragment) => rebuild.heal(peer, fragment),
  });
  const reclaim = new Reclaim({
    ...{ ...common, log, referrers: parts.referrers },
    stillNeeded: parts.stillNeeded ?? (async () => false),
  });
  const closing = new AbortController();
  const healNow = () => {
    heal.step(closing.signal).catch((err: unknown) => log.info({ err }, 'healing was put off'));
  };
  const status = (): ReplicatorStatus => ({
    ...repair.progress(),
    ...{ copiedRows: tally.rows, copiedBlobs: tally.blobs, copiedBytes: tally.bytes },
    ...{ handedBack: tally.handedBack, healed: tally.healed },
    ...{ scrubbedBytes: tally.scrubbedBytes, foundBad: tally.foundBad },
    irreparable: irreparable.list(),
    reclaim: reclaim.progress(),
    ...{ freedBlobs: tally.freedBlobs, freedBytes: tally.freedBytes },
    forgottenRows: tally.forgottenRows,
    moves: moves.progress,
    movedBytes: tally.movedBytes,
    fragments: { ...rebuild.progress(), rebuilt: tally.rebuilt },
  });
  declareMetrics(parts.metrics, status);
  const start = (
    name: string,
    step: (signal: AbortSignal) => Promise<'busy' | 'idle' | 'throttled'>,
    restRatio: number,
  ) => startWorker({ name, step }, { clock, log, restRatio, idleMs });
  const workers: RunningWorker[] = settings.enabled
    ? [
        // It rests within its steps, less while something is being refilled.
        start('repair', (signal) => repair.step(signal), 0),
        ...(parts.hasFragments === true
          ? [start('rebuild', (signal) => rebuild.step(signal), 0)]
          : []),
        start('heal', (signal) => heal.step(signal), settings.restRatio),
        // It rests within its steps as well.
        start('reclaim', (signal) => reclaim.step(signal), 0),
      ]
    : [];
  const scrubs = new Scrubs({
    make: (peer) => new ScrubDevice({ ...common, peer, onBad: healNow }),
    start: (scrub) =>
      settings.enabled
        ? start(`scrub-${scrub.device}`, (signal) => scrub.step(signal), settings.scrubRestRatio)
        : undefined,
  });
  scrubs.follow(layout.peers);
  const repairOnce = async (signal = new AbortController().signal) => {
    const { passes } = repair;
    repair.hurry();
    while (repair.passes === passes) await repair.step(signal);
  };
  return {
    status,
    repairOnce,
    reclaimOnce: (signal = new AbortController().signal) => reclaim.pass(signal),
    runOnce: async (signal = new AbortController().signal) => {
      await repairOnce(signal);
      for (const scrub of scrubs.all) while ((await scrub.step(signal)) === 'busy');
      await heal.step(signal);
      if (parts.hasFragments === true) await rebuild.pass(signal);
    },
    follow: async (ring, devices) => {
      layout.follow(ring, devices);
      await scrubs.follow(layout.peers);
      await repair.changed();
    },
    bringFences: () => moves.bringFences(),
    measure: (partitions, signal = new AbortController().signal) =>
      measureMoves(layout, partitions, signal),
    close: async () => {
      closing.abort();
      await Promise.all([...workers.map((worker) => worker.stop()), scrubs.close()]);
    },
  };
}

function declareMetrics(metrics: Metrics, status: () => ReplicatorStatus): void {
  const gauge = (name: string, help: string, of: (now: ReplicatorStatus) => number) =>
    new Gauge({
      name: `pileus_replicator_${name}`,
      help,
      registers: [metrics],
      collect() {
        this.set(of(status()));
      },
    });
  gauge(
    'lag_seconds',
    'Since the last pass began that compared all copies; -1 before the first',
    (now) => (now.lagMs === undefined ? -1 : now.lagMs / 1000),
  );
  gauge('partitions_compared', 'Ring partitions compared in this pass', ({ done }) => done);
  gauge('partitions', 'Ring partitions', ({ partitions }) => partitions);
  gauge(
    'refilling_devices',
    'Devices that were put in place empty',
    ({ refilling }) => refilling.length,
  );
  gauge('irreparable', 'Records without any good copy', (now) => now.irreparable.length);
  gauge('copied_rows', 'Rows brought to devices that lacked them', (now) => now.copiedRows);
  gauge('copied_blobs', 'Blobs brought to devices that lacked them', (now) => now.copiedBlobs);
  gauge('copied_bytes', 'Bytes copied from device to device', (now) => now.copiedBytes);
  gauge('fragments_rebuilt', 'Fragments made anew from others', (now) => now.fragments.rebuilt);
  gauge(
    'fragments_lacking',
    'Fragments that are not where they belong',
    (now) => now.fragments.lacking,
  );
  gauge('rebuild_lag_seconds', 'Since the last look at all fragments began; -1 before', (now) =>
    now.fragments.lagMs === undefined ? -1 : now.fragments.lagMs / 1000,
  );
  gauge('handed_back', 'Blobs that stand-ins kept and gave back', (now) => now.handedBack);
  gauge('healed', 'Bad copies replaced by good ones', (now) => now.healed);
  gauge('scrubbed_bytes', 'Stored bytes read and checked', (now) => now.scrubbedBytes);
  gauge('reclaim_lag_seconds', 'Since the last whole search for orphans began; -1 before', (now) =>
    now.reclaim.lagMs === undefined ? -1 : now.reclaim.lagMs / 1000,
  );
  gauge('reclaim_suspects', 'Blobs that no row refers to, so far', (now) => now.reclaim.suspects);
  gauge(
    'reclaim_due',
    'Blobs that nothing held back when last looked for, and that are still there',
    (now) => now.reclaim.due,
  );
  gauge('freed_blobs', 'Blobs without a row that were deleted', (now) => now.freedBlobs);
  gauge('freed_bytes', 'Bytes of their copies', (now) => now.freedBytes);
  gauge('forgotten_rows', 'Tombstones that were forgotten', (now) => now.forgottenRows);
  gauge(
    'moved_bytes',
    'Bytes brought to devices that are being given partitions',
    (now) => now.movedBytes,
  );
  gauge(
    'moving_partitions',
    'Partitions of which a replica moves and is not whole yet',
    ({ moves }) => moves.partitions - moves.settled,
  );
  gauge('found_bad', 'Records that the scrub found bad', (now) => now.foundBad);
}
