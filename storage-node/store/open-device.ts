/**
 * Opens a device: identity, index (which locks the folder against other processes), log, recovery of what the index
 * has not seen, blob files, and then the background upkeep.
 */
import { crc32c } from '@node-rs/crc32';
import {
  type Clock,
  type Disk,
  Gate,
  joinPath,
  LentBuffers,
  type Logger,
  type Metrics,
  type Random,
} from '#common';
import type { Slots } from '../blobs/slots.ts';
import type { IndexPlace } from '../index/index-store.ts';
import { cleanKey, formatKey, indexFormat } from '../index/keys.ts';
import { levelIndex } from '../index/level-index.ts';
import { Log } from '../log/log.ts';
import type { StorageNodeSettings } from '../settings.ts';
import { Blobs } from './blobs.ts';
import { Committer } from './committer.ts';
import { Compaction } from './compaction.ts';
import { type DeviceParts, type DeviceStore, DiskDevice } from './device-store.ts';
import { Fences } from './fences.ts';
import { Forgetting } from './forgetting.ts';
import { Holdings } from './holdings.ts';
import { type DeviceIdentity, ensureIdentity } from './identity.ts';
import { type OpenedIndex, openIndex } from './open-index.ts';
import { openSlots } from './open-slots.ts';
import { recover } from './recovery.ts';
import { RefillMark } from './refill-mark.ts';
import { Registers } from './registers.ts';
import { RowCache } from './row-cache.ts';
import { Rows } from './rows.ts';
import { Scrub } from './scrub.ts';
import { Space } from './space.ts';
import { Surveys } from './survey.ts';

export interface OpenDeviceOptions {
  readonly folder: string;
  readonly settings: StorageNodeSettings;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Refuse the folder when it belongs to another device or cluster; an empty folder takes these. */
  readonly deviceId?: string;
  readonly clusterId?: string;
  /** The disk that was last in this device's place; a folder with another mark is refused. */
  readonly mark?: string;
  /** What an empty folder is marked with. */
  readonly newMark?: string;
  /** An empty folder stands in the place of one that was filled: it answers no reader until it is refilled. */
  readonly replaced?: boolean;
  /** Where the index is kept; LevelDB in the folder unless told otherwise. */
  readonly index?: IndexPlace;
}

export async function openDevice(options: OpenDeviceOptions): Promise<DeviceStore> {
  const { disk, folder, settings, random } = options;
  await disk.makeDirectory(folder);
  const expected = {
    ...(options.deviceId === undefined ? {} : { device: options.deviceId }),
    ...(options.clusterId === undefined ? {} : { cluster: options.clusterId }),
    ...(options.mark === undefined ? {} : { mark: options.mark }),
  };
  const refill = await RefillMark.open(disk, folder, options.replaced === true);
  const identity = await ensureIdentity(disk, folder, {
    ...{ expected, random, newMark: options.newMark },
  });
  const place =
    options.index ??
    levelIndex(disk, joinPath(folder, 'index'), {
      cacheBytes: settings.indexCacheBytes,
      writeBufferBytes: settings.indexWriteBufferBytes,
    });
  const opened = await openIndex(place, options.log);
  try {
    const log = await Log.open({
      disk,
      folder: joinPath(folder, 'log'),
      deviceId: identity.device,
      fileBytes: settings.logFileBytes,
      aheadBytes: settings.logAheadBytes,
    });
    return await assemble(options, { identity, opened, log, refill });
  } catch (error) {
    await opened.index.close();
    throw error;
  }
}

interface Opened {
  readonly identity: DeviceIdentity;
  readonly opened: OpenedIndex;
  readonly log: Log;
  readonly refill: RefillMark;
}

/** What the head checksums of this device's records begin with. */
export function seedOf(identity: DeviceIdentity): number {
  return crc32c(Buffer.from(`pileus device ${identity.device}`));
}

async function assemble(options: OpenDeviceOptions, from: Opened): Promise<DeviceStore> {
  const { settings, disk, clock, folder } = options;
  const { opened, log, identity, refill } = from;
  const { index, ledger } = opened;
  const space = new Space({ disk, clock, folder, reserveBytes: settings.reserveBytes });
  await space.refresh();
  const seed = seedOf(identity);
  const onIndexDamage = () => {
    options.log.error(
      { folder },
      'an index entry failed its checksum; the next start makes it anew',
    );
    // Failing to note it is no worse than not having met it; the entry stays refused.
    index.apply(new Map([[formatKey, undefined]])).catch(() => {});
  };
  const cache = new RowCache(settings.rowCacheBytes);
  const registers = new Registers({ index, ledger, cache, onIndexDamage });
  let slots: Slots | undefined;
  const onSlotFreed = (slot: number, bytes: number) => {
    // Before the slots are opened nothing needs telling: they look at what the index names.
    slots?.release({ slot, bytes }, space.state === 'ok').catch((error: unknown) => {
      options.log.warn({ err: error, slot }, 'a blob file could not be removed');
    });
  };
  const cacheMax = settings.blobCacheMax;
  const holdings = new Holdings({ index, ledger, onIndexDamage, onSlotFreed, cacheMax });
  const fences = new Fences(index, ledger);
  const committer = new Committer({
    ...{ log, index, ledger, seed },
    groupBytesMax: settings.groupBytesMax,
    waitingBytesMax: settings.waitingBytesMax,
    nextGroup: opened.link.group + 1,
    nextBatch: opened.batch + 1,
    onOutcome: (failure) => space.note(failure),
  });
  await forgetGoneFiles(from);
  const recovered = await recover(
    {
      ...{ log, seed, logger: options.log, lastGroup: opened.link.group },
      parts: { registers, holdings, fences },
      apply: (replayed, reached, group) => committer.applyReplayed(replayed, reached, group),
    },
    opened.link,
  );
  if (recovered.records > 0)
    options.log.info({ folder, records: recovered.records }, 'the index was brought up to the log');
  await log.resume(recovered.end);
  const isClean = opened.clean !== undefined && recovered.records === 0;
  slots = await openSlots(
    {
      ...{ disk, folder: joinPath(folder, 'blobs'), batch: 8 },
      freeMax: settings.freeSlotsMax,
      freeBytesMax: settings.freeSlotBytesMax,
      openMax: settings.openBlobFilesMax,
    },
    index,
    isClean ? opened.clean : undefined,
  );
  await index.apply(
    new Map([
      [formatKey, indexFormat],
      [cleanKey, undefined],
    ]),
  );
  const rows = new Rows({
    ...{ registers, committer, log, fences },
    cachedBodyBytesMax: settings.cachedBodyBytesMax,
  });
  const { diskCallsMax, scansMax, waitingMax } = settings;
  const gate = new Gate({ name: 'disk', inFlightMax: diskCallsMax, waitingMax });
  const scans = new Gate({ name: 'scans', inFlightMax: scansMax, waitingMax });
  const blobs = new Blobs({
    ...{ holdings, fences, committer, log, slots, gate },
    readBuffers: new LentBuffers(settings.readBufferBytes),
    ownFileBytesMin: settings.ownFileBytesMin,
    gatherBytes: settings.gatherBytes,
    checkRoom: (bytes) => space.charge(bytes),
  });
  const forgetting = new Forgetting({ registers, committer, fences, rows });
  const compaction = new Compaction({
    ...{
      log,
      index,
      ledger,
      committer,
      rows,
      blobs,
      fences,
      forgetting,
      seed,
      logger: options.log,
    },
    // On a full device a little gain is worth the work.
    liveFractionMax: () => (space.state === 'ok' ? settings.compactBelowFraction : 0.9),
  });
  const scrub = new Scrub({ index, rows, blobs, onIndexDamage });
  const refilled = () => refill.end();
  const surveys = new Surveys({ index, scans, scrub, forgetting, onIndexDamage, refilled });
  const stores = { index, log, ledger, committer, slots, space, scans };
  const parts: DeviceParts = {
    ...stores,
    rows,
    blobs,
    fences,
    compaction,
    identity,
    surveys,
    refill,
  };
  return new DiskDevice(parts, { settings, clock, logger: options.log, metrics: options.metrics });
}

/** Files that compaction had struck from the ledger but not yet unlinked go; ledger entries without a file too. */
async function forgetGoneFiles({ opened, log }: Opened): Promise<void> {
  const { ledger, link } = opened;
  for (const number of log.numbers())
    if (number < link.file && !ledger.files.has(number)) await log.remove(number);
  for (const number of [...ledger.files.keys()])
    if (log.find(number) === undefined) ledger.forget(number);
}
