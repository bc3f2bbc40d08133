/** Backups: what is asked for, what is remembered, and where they go. */

/** A place for backups: a container, an S3 bucket, another cluster. Names are made of letters, digits, `-`, `_`, `.` and `/`. */
export interface BackupStore {
  /** Replaces what is there; resolves when it is safe. */
  put(name: string, chunks: readonly Buffer[]): Promise<void>;
  /** The whole object; `missing` when there is none. At most `backupObjectBytesMax`. */
  get(name: string): Promise<Buffer>;
  /** Deleting what is not there is fine. */
  delete(name: string): Promise<void>;
}

/**
 * All that is needed to restore, beside the store: plain JSON, so that it can be exported, kept elsewhere and imported. What the
 * backup is made of is listed in the object `<prefix>/manifest`.
 */
export interface BackupRecord {
  readonly id: string;
  readonly volume: string;
  /** The snapshot it was made of; the next incremental one needs it still to be there. */
  readonly snapshot: string;
  readonly sizeBytes: number;
  readonly createdUs: number;
  /** Where its objects lie in the store. */
  readonly prefix: string;
  /** The prefixes of the backups that this one builds on, oldest first; empty for a full one. */
  readonly chain: readonly string[];
  readonly objects: number;
  /** Bytes of the volume that changed since the parent (all that has data, for a full one). */
  readonly changedBytes: number;
  /** Bytes sent to the store. */
  readonly shippedBytes: number;
}

export interface BackupProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface BackupRequest {
  /** Chosen by the caller; a repeated attempt with it replaces what the first one sent. */
  readonly id: string;
  readonly volume: string;
  readonly snapshot: string;
  /** The backup before, for an incremental one; its snapshot must still exist. */
  readonly parent?: BackupRecord;
  readonly store: BackupStore;
  readonly prefix: string;
  readonly onProgress?: (progress: BackupProgress) => void;
  readonly signal?: AbortSignal;
}

export interface RestoreRequest {
  readonly record: BackupRecord;
  readonly store: BackupStore;
  /** The new volume. */
  readonly id?: string;
  readonly name: string;
  readonly project: string;
  readonly sizeBytes?: number;
  /**
   * The key that the backup must be sealed with, null for none. Whoever owns the store can change what lies in it, and must not be able
   * to name a key of somebody else. Left out, any is good: for operators.
   */
  readonly keyId?: string | null;
  readonly onProgress?: (progress: BackupProgress) => void;
  readonly signal?: AbortSignal;
}
