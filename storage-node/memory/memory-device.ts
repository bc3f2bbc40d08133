/** The memory twin of a device: the same answers as the disk store, nothing survives it. For tests and simulations. */
import type {
  AcceptOutcome,
  Aggregate,
  BlobInfo,
  BlobKey,
  BlobWriteOptions,
  BlobWriter,
  DeviceService,
  DeviceState,
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
import { forgottenScope } from '#wire';
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
import { blobMissing, refilling, refusalOf, rowCorrupt } from '../failures.ts';
import { decideAccept, decidePrepare, forgottenInTheWay, type RegisterState } from '../register.ts';
import { checkSurvey } from '../survey.ts';
import { MemoryBlobs, MemoryBlobWriter } from './memory-blobs.ts';
import { MemoryRows, withoutBody } from './memory-rows.ts';
import { surveyOf } from './memory-survey.ts';

export interface MemoryDevice extends DeviceService {
  /** Makes the device behave as full, read-only, failed, closed, or whole again. */
  setState(state: DeviceState): void;
  /** Spoils the copy, as a flipped bit on disk would; false when there is none. */
  damageRow(key: RowKey): boolean;
  damageBlob(key: BlobKey): void;
}

/** `refilling`: it stands in the place of one that was lost. */
export function createMemoryDevice(options: { readonly refilling?: boolean } = {}): MemoryDevice {
  return new Device(options.refilling === true);
}

class Device implements MemoryDevice {
  private readonly rows = new MemoryRows();
  private readonly blobs = new MemoryBlobs();
  private state: DeviceState = 'ok';
  private refilling: boolean;

  constructor(isRefilling: boolean) {
    this.refilling = isRefilling;
  }

  setState(state: DeviceState): void {
    this.state = state;
  }

  damageRow(key: RowKey): boolean {
    const register = this.rows.find(key);
    if (register?.row === undefined) return false;
    this.rows.setCorrupt(register, true);
    return true;
  }

  damageBlob(key: BlobKey): void {
    this.blobs.damage(key);
  }

  private checkReadable(): void {
    if (this.state === 'failed' || this.state === 'closed') throw refusalOf(this.state);
  }

  /** What it does not have it may have forgotten. */
  private checkWhole(): void {
    if (this.refilling) throw refilling();
  }

  private checkWritable(): void {
    if (this.state !== 'ok') throw refusalOf(this.state);
  }

  async readRow(key: RowKey, want: { readonly body: boolean }): Promise<Row | undefined> {
    checkRowKey(key);
    this.checkReadable();
    this.checkWhole();
    const register = this.rows.find(key);
    if (register?.row === undefined) return undefined;
    if (register.corrupt) throw rowCorrupt(key, 'damaged');
    return want.body ? register.row : withoutBody(register.row);
  }

  async acceptRow(write: RowWrite): Promise<AcceptOutcome> {
    checkRowWrite(write);
    // A tombstone may use the reserve of a full device: it is how room is made.
    if (!(this.state === 'full' && write.deleted)) this.checkWritable();
    const register = this.rows.ensure(write.key);
    const state = { accepted: register.row?.version, promised: register.promised };
    const by = write.copied === true ? undefined : this.forgottenBefore(state, write.version);
    if (by !== undefined) return { outcome: 'superseded', by };
    const decision = decideAccept(state, write.version);
    if (decision.decision === 'superseded') return { outcome: 'superseded', by: decision.by };
    const previous = register.row === undefined ? undefined : withoutBody(register.row);
    const promised = register.promised;
    if (decision.decision === 'write') this.rows.replace(write.key, register, write);
    else if (register.corrupt) {
      this.rows.replace(write.key, register, write);
      register.promised = promised;
    }
    return { outcome: 'ok', previous };
  }

  private forgottenBefore(state: RegisterState, version: Version): Version | undefined {
    return forgottenInTheWay(state, version, this.blobs.fenceOf(forgottenScope));
  }

  async prepareRow(key: RowKey, ballot: Version): Promise<PrepareOutcome> {
    checkRowKey(key);
    checkVersion(ballot);
    if (this.state !== 'full') this.checkWritable();
    this.checkWhole();
    const register = this.rows.ensure(key);
    if (register.corrupt) throw rowCorrupt(key, 'damaged');
    const state = { accepted: register.row?.version, promised: register.promised };
    const by = this.forgottenBefore(state, ballot) ?? decidePrepare(state, ballot);
    if (by !== undefined) return { outcome: 'superseded', by };
    register.promised = ballot;
    return { outcome: 'promised', row: register.row };
  }

  async scanRows(request: ScanRequest): Promise<ScanPage> {
    checkScan(request);
    this.checkReadable();
    this.checkWhole();
    return this.rows.scan(request);
  }

  async aggregate(table: string, partition: string, hash: number): Promise<Aggregate> {
    checkPartition(table, partition, hash);
    this.checkReadable();
    this.checkWhole();
    return this.rows.aggregate(table, partition);
  }

  async putBlob(key: BlobKey, chunks: readonly Buffer[], options: BlobWriteOptions): Promise<void> {
    checkBlobWrite(key, options);
    checkBlobLength(totalLength(chunks));
    this.checkWritable();
    if (options.fence !== undefined) this.checkWhole();
    this.blobs.put(key, Buffer.concat(chunks), options);
  }

  async openBlob(key: BlobKey, options: BlobWriteOptions): Promise<BlobWriter> {
    checkBlobWrite(key, options);
    this.checkWritable();
    if (options.fence !== undefined) this.checkWhole();
    this.blobs.checkFence(options);
    return new MemoryBlobWriter((content) => {
      this.checkWritable();
      this.blobs.put(key, content, options);
    });
  }

  async readBlob(key: BlobKey, offset: number, length: number): Promise<Buffer> {
    checkBlobRead(key, offset, length);
    this.checkReadable();
    if (this.blobs.stat(key) === undefined) {
      this.checkWhole();
      throw blobMissing(key);
    }
    return this.blobs.get(key).subarray(offset, offset + length);
  }

  async statBlob(key: BlobKey): Promise<BlobInfo | undefined> {
    checkBlobKey(key);
    this.checkReadable();
    const info = this.blobs.stat(key);
    if (info === undefined) this.checkWhole();
    return info;
  }

  async deleteBlob(key: BlobKey): Promise<void> {
    checkBlobKey(key);
    if (this.state !== 'full') this.checkWritable();
    this.blobs.delete(key);
  }

  async listBlobs(request: {
    readonly after?: BlobKey;
    readonly limit: number;
  }): Promise<readonly BlobInfo[]> {
    checkBlobList(request.limit, request.after);
    this.checkReadable();
    return this.blobs.list(request.after, request.limit);
  }

  async raiseFence(fence: Fence): Promise<number> {
    checkFence(fence);
    if (this.state !== 'full') this.checkWritable();
    return this.blobs.raiseFence(fence.scope, fence.epoch);
  }

  async status(): Promise<DeviceStatus> {
    const usedBytes = this.blobs.bytes;
    return {
      state: this.state,
      totalBytes: 2 ** 40,
      freeBytes: 2 ** 40 - usedBytes,
      usedBytes,
      deadBytes: 0,
      rows: this.rows.rows,
      blobs: this.blobs.count,
      quarantined: this.rows.quarantined + this.blobs.quarantined,
      ...(this.refilling ? { refilling: true } : {}),
    };
  }

  async survey(request: SurveyRequest): Promise<SurveyReply> {
    checkSurvey(request);
    this.checkReadable();
    if (request.what === 'refilled') this.refilling = false;
    return surveyOf(this.rows, this.blobs, request);
  }
}
