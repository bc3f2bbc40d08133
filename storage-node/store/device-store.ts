/** A device on disk: checks what it is asked, whether there is room, and hands it to rows, blobs or fences. */
import {
  type Clock,
  type Gate,
  type Logger,
  type Metrics,
  type RunningWorker,
  startWorker,
} from '#common';
import type {
  AcceptOutcome,
  Aggregate,
  BlobInfo,
  BlobKey,
  BlobWriteOptions,
  BlobWriter,
  DeviceService,
  DeviceStatus,
  Fence,
  PrepareOutcome,
  Row,
  RowKey,
  RowWrite,
  ScanPage,
  ScanRequest,
  SurveyReply,
  SurveyRequest,
  Version,
} from '#wire';
import type { Slots } from '../blobs/slots.ts';
import {
  checkBlobKey,
  checkBlobLength,
  checkBlobList,
  checkBlobRead,
  checkBlobWrite,
  checkFence,
  checkPartition,
  checkRowKey,
  checkRowWrite,
  checkScan,
  checkVersion,
  totalLength,
} from '../checks.ts';
import { refusalOf } from '../failures.ts';
import type { IndexStore } from '../index/index-store.ts';
import { cleanKey } from '../index/keys.ts';
import type { Log } from '../log/log.ts';
import type { StorageNodeSettings } from '../settings.ts';
import { checkSurvey } from '../survey.ts';
import type { Blobs } from './blobs.ts';
import type { Committer } from './committer.ts';
import type { Compaction } from './compaction.ts';
import { unwatchDevice, watchDevice } from './device-metrics.ts';
import type { Fences } from './fences.ts';
import type { DeviceIdentity } from './identity.ts';
import type { Ledger } from './ledger.ts';
import { checkpoint } from './open-index.ts';
import { writeClean } from './open-slots.ts';
import type { RefillMark } from './refill-mark.ts';
import type { Rows } from './rows.ts';
import { asDeviceFailure, type Space } from './space.ts';
import type { Surveys } from './survey.ts';

/** A device that was opened, and must be closed. */
export interface DeviceStore extends DeviceService {
  readonly identity: DeviceIdentity;
  /** What failed its checksum and waits for repair: index names and whether row or blob. */
  listQuarantined(limit: number): Promise<readonly { name: string; what: string }[]>;
  /** Rewrites log files until none is worth it; the background worker does the same at its own pace. */
  compactNow(): Promise<void>;
  close(): Promise<void>;
}

export interface DeviceParts {
  readonly index: IndexStore;
  readonly log: Log;
  readonly ledger: Ledger;
  readonly committer: Committer;
  readonly slots: Slots;
  readonly space: Space;
  readonly scans: Gate;
  readonly rows: Rows;
  readonly blobs: Blobs;
  readonly fences: Fences;
  readonly compaction: Compaction;
  readonly surveys: Surveys;
  readonly refill: RefillMark;
  readonly identity: DeviceIdentity;
}

export interface DeviceSurroundings {
  readonly settings: StorageNodeSettings;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export class DiskDevice implements DeviceStore {
  readonly identity: DeviceIdentity;
  private readonly parts: DeviceParts;
  private readonly settings: StorageNodeSettings;
  private readonly upkeep: RunningWorker;
  private readonly metrics: Metrics;
  private readonly stop = new AbortController();

  constructor(parts: DeviceParts, around: DeviceSurroundings) {
    this.parts = parts;
    this.identity = parts.identity;
    this.settings = around.settings;
    this.metrics = around.metrics;
    this.upkeep = startWorker(
      { name: 'device-upkeep', step: () => this.upkeepStep() },
      {
        clock: around.clock,
        log: around.logger,
        restRatio: around.settings.compactionRestRatio,
        idleMs: around.settings.upkeepIdleMs,
      },
    );
    watchDevice(around.metrics, this);
  }

  private async upkeepStep() {
    const { committer, index, space, slots, compaction } = this.parts;
    if (committer.sinceCheckpointBytes >= this.settings.checkpointBytes) {
      const { sinceCheckpointBytes } = committer;
      await checkpoint(index, committer.lastBatch);
      // One that failed is tried again after the worker's rest.
      committer.sinceCheckpointBytes -= sinceCheckpointBytes;
      return 'busy';
    }
    if (space.state === 'full') {
      await space.refresh();
      await slots.shed();
    }
    return compaction.step();
  }

  private async admit(bytes: number, mayUseReserve: boolean): Promise<void> {
    await this.parts.space.ensureOpen(bytes, mayUseReserve);
  }

  private checkReadable(): void {
    if (this.parts.space.closed) throw refusalOf('closed');
  }

  async readRow(key: RowKey, want: { readonly body: boolean }): Promise<Row | undefined> {
    checkRowKey(key);
    this.checkReadable();
    this.parts.refill.check();
    return this.parts.rows.read(key, want.body);
  }

  async acceptRow(write: RowWrite): Promise<AcceptOutcome> {
    checkRowWrite(write);
    const { space, committer, rows } = this.parts;
    const bytes = write.body.length + write.meta.length;
    if (!space.isOpen(bytes)) await this.admit(bytes, write.deleted);
    committer.checkRoom();
    space.charge(bytes);
    try {
      return await rows.accept(write);
    } catch (error) {
      throw asDeviceFailure(error);
    }
  }

  async prepareRow(key: RowKey, ballot: Version): Promise<PrepareOutcome> {
    checkRowKey(key);
    checkVersion(ballot);
    // A promise that was forgotten with an older disk cannot be kept.
    this.parts.refill.check();
    // A promise may use the reserve: a conditional delete begins with one.
    if (!this.parts.space.isOpen(0)) await this.admit(0, true);
    this.parts.committer.checkRoom();
    try {
      return await this.parts.rows.prepare(key, ballot);
    } catch (error) {
      throw asDeviceFailure(error);
    }
  }

  async scanRows(request: ScanRequest): Promise<ScanPage> {
    checkScan(request);
    this.checkReadable();
    this.parts.refill.check();
    return this.parts.scans.within(() => this.parts.rows.scan(request));
  }

  async aggregate(table: string, partition: string, hash: number): Promise<Aggregate> {
    checkPartition(table, partition, hash);
    this.checkReadable();
    this.parts.refill.check();
    return this.parts.rows.aggregate(table, partition, hash);
  }

  async putBlob(key: BlobKey, chunks: readonly Buffer[], options: BlobWriteOptions): Promise<void> {
    checkBlobWrite(key, options);
    const bytes = totalLength(chunks);
    checkBlobLength(bytes);
    if (options.fence !== undefined) this.parts.refill.check();
    if (!this.parts.space.isOpen(bytes)) await this.admit(bytes, false);
    this.parts.committer.checkRoom();
    try {
      await this.parts.blobs.put(key, chunks, options);
    } catch (error) {
      throw this.noted(error);
    }
  }

  async openBlob(key: BlobKey, options: BlobWriteOptions): Promise<BlobWriter> {
    checkBlobWrite(key, options);
    if (options.fence !== undefined) this.parts.refill.check();
    const bytes = options.lengthHint ?? 0;
    if (!this.parts.space.isOpen(bytes)) await this.admit(bytes, false);
    const writer = this.parts.blobs.open(key, options);
    const guarded = async (work: Promise<void>): Promise<void> => {
      try {
        await work;
      } catch (error) {
        throw this.noted(error);
      }
    };
    return {
      append: (chunks, onReleased) => guarded(writer.append(chunks, onReleased)),
      commit: () => guarded(writer.commit()),
      abort: () => writer.abort(),
    };
  }

  /** A failure met outside the log: a full or read-only disk is one for the whole device. */
  private noted(error: unknown): unknown {
    const known = asDeviceFailure(error);
    if (known !== error) this.parts.space.noteError(error);
    return known;
  }

  async readBlob(key: BlobKey, offset: number, length: number): Promise<Buffer> {
    checkBlobRead(key, offset, length);
    this.checkReadable();
    const { blobs, refill } = this.parts;
    if (refill.active && blobs.stat(key) === undefined) refill.check();
    return blobs.read(key, offset, length);
  }

  async statBlob(key: BlobKey): Promise<BlobInfo | undefined> {
    checkBlobKey(key);
    this.checkReadable();
    const info = this.parts.blobs.stat(key);
    if (info === undefined) this.parts.refill.check();
    return info;
  }

  async deleteBlob(key: BlobKey): Promise<void> {
    checkBlobKey(key);
    if (!this.parts.space.isOpen(0)) await this.admit(0, true);
    this.parts.committer.checkRoom();
    try {
      await this.parts.blobs.delete(key);
    } catch (error) {
      throw asDeviceFailure(error);
    }
  }

  async listBlobs(request: {
    readonly after?: BlobKey;
    readonly limit: number;
  }): Promise<readonly BlobInfo[]> {
    checkBlobList(request.limit, request.after);
    this.checkReadable();
    return this.parts.scans.within(() => this.parts.blobs.list(request.after, request.limit));
  }

  async raiseFence(fence: Fence): Promise<number> {
    checkFence(fence);
    if (!this.parts.space.isOpen(0)) await this.admit(0, true);
    this.parts.committer.checkRoom();
    try {
      return await this.parts.fences.raise(fence, this.parts.committer);
    } catch (error) {
      throw asDeviceFailure(error);
    }
  }

  async status(): Promise<DeviceStatus> {
    const { space } = this.parts;
    if (!space.closed) await space.refresh();
    return this.statusNow();
  }

  /** The same without asking the disk for its free space. */
  statusNow(): DeviceStatus {
    const { space, log, ledger, slots } = this.parts;
    const logBytes = log.sizeBytes;
    const blobBytes = ledger.counters.blobFileBytes + slots.freeBytes;
    const { rows, blobs, quarantined } = ledger.counters;
    return {
      state: space.state,
      totalBytes: space.totalBytes,
      freeBytes: space.freeBytes,
      usedBytes: logBytes + blobBytes,
      deadBytes: Math.max(0, logBytes - ledger.liveBytes) + slots.freeBytes,
      ...{ rows, blobs, quarantined },
      ...(this.parts.refill.active ? { refilling: true } : {}),
    };
  }

  async survey(request: SurveyRequest): Promise<SurveyReply> {
    checkSurvey(request);
    this.checkReadable();
    try {
      return await this.parts.surveys.answer(request);
    } catch (error) {
      throw asDeviceFailure(error);
    }
  }

  async listQuarantined(limit: number): Promise<readonly { name: string; what: string }[]> {
    this.checkReadable();
    const { entries } = await this.parts.index.scan({ from: 'q', until: 'r', limit });
    return entries.map(([name, what]) => ({ name: name.slice(1), what }));
  }

  async compactNow(): Promise<void> {
    while (!this.stop.signal.aborted && (await this.parts.compaction.step()) === 'busy');
  }

  async close(): Promise<void> {
    const { space, committer, index, log, slots } = this.parts;
    if (space.closed) return;
    space.closed = true;
    this.stop.abort();
    unwatchDevice(this.metrics, this);
    await this.upkeep.stop();
    await committer.close();
    try {
      if (committer.isIndexed && space.trouble === undefined) {
        await index.apply(new Map([[cleanKey, writeClean(slots)]]));
        await checkpoint(index, committer.lastBatch);
      }
    } finally {
      // Without a checkpoint the next start only takes longer; but nothing may stay open.
      await slots.close();
      await log.close();
      await index.close();
    }
  }
}
