/**
 * What one storage device does for a cluster: rows and blobs. The disk store, its memory twin and the client
 * all are a `DeviceService`, and pass the same contract (`device-service.contract.ts`).
 *
 * Common to all methods: they throw `Failure`s of these kinds and codes:
 *   `busy` device-full, device-read-only, device-refilling, too-many-waiting · `corrupt` row-corrupt, blob-corrupt ·
 *   `closed` device-closed · `unreachable` disk-error, deadline-passed and whatever the connection says ·
 *   `denied` fenced · `missing` blob-missing · `conflict` blob-exists (other content) · `invalid` bad-request.
 */
import type { SurveyReply, SurveyRequest } from './survey.ts';
import type { Version } from './versions.ts';

export interface RowKey {
  /** Which table, `[a-z][a-z0-9-]{0,15}`. */
  readonly table: string;
  /** Rows of one partition key live on the same replicas and are listed together. Well-formed, at most 1,024 bytes of UTF-8. */
  readonly partition: string;
  /** Order inside the partition key, by UTF-8 bytes. Well-formed, at most 2,048 bytes. */
  readonly sort: string;
  /** The upper 32 bits of the cluster's salted hash of (table, partition); its top `part_power` bits are the ring partition. */
  readonly hash: number;
}

export interface Row {
  readonly sort: string;
  readonly version: Version;
  /** A tombstone: the row is gone, and this says since when. Its `meta` is empty and `bytes` 0. */
  readonly deleted: boolean;
  /** Opaque to storage; at most `rowMetaBytesMax`. */
  readonly meta: Buffer;
  /** What the row counts for in its partition key's aggregate; a whole number below 2^53. */
  readonly bytes: number;
  /** Length of the inline body, 0 for none. */
  readonly bodyLength: number;
  /** The inline body, where it was asked for; at most `rowBodyBytesMax`. */
  readonly body?: Buffer;
}

export const rowMetaBytesMax = 4 * 1024 * 1024;
export const rowBodyBytesMax = 64 * 1024;
export const blobBytesMax = 64 * 1024 * 1024;
/** The most that one `readBlob` returns. */
export const blobReadBytesMax = 1024 * 1024;
export const scanRowsMax = 10_000;

export interface RowWrite {
  readonly key: RowKey;
  /** The ballot under which this value is accepted. */
  readonly version: Version;
  readonly deleted: boolean;
  readonly meta: Buffer;
  readonly bytes: number;
  /** Empty for none. */
  readonly body: Buffer;
  /**
   * What another device holds, brought by a reader or the replicator: taken although it is no newer than what this device was told to
   * forget. A write of a coordinator's own is refused then (`superseded`), since it may be one that a forgotten tombstone came after.
   */
  readonly copied?: boolean;
}

/**
 * `ok`: on disk. `previous` is the row this one replaced (without body), if any.
 * `superseded`: nothing changed, because a newer version was accepted or promised here: `by`.
 * Accepting the version that is there already is `ok` (a repeated or repairing write), and replaces a corrupt copy.
 */
export type AcceptOutcome =
  | { readonly outcome: 'ok'; readonly previous: Row | undefined }
  | { readonly outcome: 'superseded'; readonly by: Version };

/**
 * A CASPaxos prepare (Rystsov, "CASPaxos: Replicated State Machines without logs", 2018), durable before it answers.
 * `promised`: nothing older than the ballot will be accepted; `row` is what is accepted so far, body and tombstones included.
 */
export type PrepareOutcome =
  | { readonly outcome: 'promised'; readonly row: Row | undefined }
  | { readonly outcome: 'superseded'; readonly by: Version };

export interface ScanRequest {
  readonly table: string;
  readonly partition: string;
  readonly hash: number;
  /** Rows with `sort` > this, or ≥ this when `inclusive`; undefined starts at the (reverse: last) end. */
  readonly from?: string;
  readonly inclusive?: boolean;
  /** Rows with `sort` < this (when `reverse`: > this) only; exclusive. */
  readonly until?: string;
  readonly reverse?: boolean;
  /** Between 1 and `scanRowsMax`; tombstones count. */
  readonly limit: number;
}

export interface ScanPage {
  /** In order, tombstones included, without bodies. */
  readonly rows: readonly Row[];
  /** True when rows may follow the last one. */
  readonly more: boolean;
  /** The aggregate at the instant of this scan's snapshot. */
  readonly aggregate: Aggregate;
}

/** What a device holds under one partition key. */
export interface Aggregate {
  /** Rows that are not tombstones. */
  readonly rows: number;
  /** Sum of their `bytes`. */
  readonly bytes: number;
  /** Order-independent digest of (sort, version) of all rows and tombstones: equal digests mean equal contents. 16 hex digits. */
  readonly digest: string;
}

/** Writes under a fence are refused (`denied` fenced) once a higher epoch was raised for the scope on this device. */
export interface Fence {
  /** For example a volume's id. At most 64 bytes. */
  readonly scope: string;
  readonly epoch: number;
}

/** 16 bytes, or 20 of a fragment: see `BlobKey`. */
export const blobIdPattern: RegExp = /^[0-9a-f]{32}(?:[0-9a-f]{8})?$/;

export interface BlobKey {
  /**
   * 16 bytes as 32 lower-case hex digits; of a fragment of an erasure-coded blob 20 bytes, the last four of which say how it is coded, and
   * which fragment it is. A device takes them as they are; but fragments are no copies of each other, and have no part in digests.
   */
  readonly id: string;
  /** The upper 32 bits of the cluster's salted hash of the first 16 bytes of the id. */
  readonly hash: number;
}

export interface BlobWriteOptions {
  readonly fence?: Fence;
  /** What is known of the length beforehand, to choose where to put it and to preallocate. */
  readonly lengthHint?: number;
}

/** A blob being streamed in. Nothing of it can be seen until `commit` returns, and then all of it is on disk. */
export interface BlobWriter {
  /**
   * Resolves when the device can take more. The chunks may not be changed until `commit` or `abort` has returned, or until
   * `onReleased` is called: nobody looks at these chunks any more. It may never be called.
   */
  append(chunks: readonly Buffer[], onReleased?: () => void): Promise<void>;
  commit(): Promise<void>;
  /** Forgets what was written; never throws. */
  abort(): Promise<void>;
}

export interface BlobInfo {
  readonly id: string;
  readonly hash: number;
  readonly length: number;
}

export type DeviceState = 'ok' | 'full' | 'read-only' | 'failed' | 'closed';

export interface DeviceStatus {
  readonly state: DeviceState;
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** Bytes of log and blob files. */
  readonly usedBytes: number;
  /** Of these, bytes that nothing refers to any more and compaction will give back. */
  readonly deadBytes: number;
  readonly rows: number;
  readonly blobs: number;
  /** Records that failed their checksum and wait for repair. */
  readonly quarantined: number;
  /**
   * It was put in place empty and does not yet hold what it should: it takes writes, but answers no reader and promises nothing
   * (`busy` device-refilling), since what it does not have it may have forgotten.
   */
  readonly refilling?: boolean;
}

export interface DeviceService {
  /** The row, tombstones included, or undefined when this device never saw it. `body`: also the inline body. */
  readRow(key: RowKey, want: { readonly body: boolean }): Promise<Row | undefined>;
  acceptRow(write: RowWrite): Promise<AcceptOutcome>;
  prepareRow(key: RowKey, ballot: Version): Promise<PrepareOutcome>;
  scanRows(request: ScanRequest): Promise<ScanPage>;
  aggregate(table: string, partition: string, hash: number): Promise<Aggregate>;

  /** Stores a blob whole. Storing the same id again with the same content is fine. */
  putBlob(key: BlobKey, chunks: readonly Buffer[], options: BlobWriteOptions): Promise<void>;
  openBlob(key: BlobKey, options: BlobWriteOptions): Promise<BlobWriter>;
  /** Verified bytes from `offset`; `length` at most `blobReadBytesMax`; fewer only at the blob's end. */
  readBlob(key: BlobKey, offset: number, length: number): Promise<Buffer>;
  statBlob(key: BlobKey): Promise<BlobInfo | undefined>;
  /** A missing blob is fine. */
  deleteBlob(key: BlobKey): Promise<void>;
  /** Blobs by (hash, id), after `after`, for the replicator. */
  listBlobs(request: {
    readonly after?: BlobKey;
    readonly limit: number;
  }): Promise<readonly BlobInfo[]>;

  /** Durably refuses writes of the scope below `epoch`; returns the epoch in force, which may be higher. */
  raiseFence(fence: Fence): Promise<number>;
  status(): Promise<DeviceStatus>;
  /** For the replicator; a device that is being refilled answers it too. */
  survey(request: SurveyRequest): Promise<SurveyReply>;
}
