/** Replicated rows: the interface that object service, volumes and the rest stand on. */
import type { Version } from '#wire';

export interface RowRef {
  readonly table: string;
  readonly partition: string;
  readonly sort: string;
}

/** What is stored in a row. Its buffers are handed over for good: a slow replica may take them after the write was answered. */
export interface RowValue {
  readonly meta: Buffer;
  /** What the row adds to its partition key's `bytes`. */
  readonly bytes: number;
  /** The inline body; empty for none. */
  readonly body: Buffer;
}

/** A row as read: never a tombstone. */
export interface StoredRow {
  readonly sort: string;
  readonly version: Version;
  readonly meta: Buffer;
  readonly bytes: number;
  readonly bodyLength: number;
  /** There when it was asked for and `bodyLength` > 0. */
  readonly body?: Buffer;
}

/**
 * `strict`: a majority of the primaries, or the write fails `unreachable` (no-quorum) and may or may not take effect.
 * `available`: when primaries are out of reach, handoff devices stand in (Dynamo's sloppy quorum); the row may be seen late.
 */
export type WriteMode = 'strict' | 'available';

export interface WriteOptions {
  readonly mode?: WriteMode;
}

export interface WriteOutcome {
  readonly version: Version;
  /** The newest live row that this write replaced on a replica that answered, without body. */
  readonly previous: StoredRow | undefined;
}

/**
 * Decides, from the present row, what is to be there: a value, `delete`, or `keep` (no change). May be called again with a newer row;
 * throwing ends the update with nothing changed.
 */
export type RowChange = (present: StoredRow | undefined) => RowValue | 'delete' | 'keep';

export interface UpdateOutcome {
  /** The version in force after the update; undefined when there was and is no row. */
  readonly version: Version | undefined;
  readonly changed: boolean;
  readonly previous: StoredRow | undefined;
}

export interface ListRequest {
  readonly table: string;
  readonly partition: string;
  readonly prefix?: string;
  /** Collapses names that share a prefix up to and including the delimiter (searched for after `prefix`). */
  readonly delimiter?: string;
  /** Exclusive start (names > marker; in reverse, names < marker). */
  readonly marker?: string;
  /** Inclusive start, the alternative to `marker`. */
  readonly from?: string;
  /** Exclusive end (in reverse, names > endMarker). */
  readonly endMarker?: string;
  readonly reverse?: boolean;
  /** Entries (rows and collapsed prefixes together), 1 to 10,000. */
  readonly limit: number;
}

export type ListEntry =
  | { readonly row: StoredRow; readonly prefix?: never }
  | { readonly prefix: string; readonly row?: never };

export interface ListPage {
  readonly entries: readonly ListEntry[];
  /** True when at least one more entry follows. */
  readonly more: boolean;
}

export interface PartitionTotals {
  readonly rows: number;
  readonly bytes: number;
}

/**
 * Failures: `unreachable` no-quorum (carries what each replica said), `conflict` update-contended (a compare-and-set lost
 * too often, or it cannot be known whether it took effect), `invalid` row-too-large, and whatever a `RowChange` throws.
 */
export interface Tables {
  /** The newest row a majority knows of; undefined when there is none. Bodies only with `body`. */
  get(ref: RowRef, want?: { readonly body?: boolean }): Promise<StoredRow | undefined>;
  /** Writes whatever is there. Acknowledged when a majority has it on disk. */
  put(ref: RowRef, value: RowValue, options?: WriteOptions): Promise<WriteOutcome>;
  /** Leaves a tombstone; deleting what is not there is fine. */
  delete(ref: RowRef, options?: WriteOptions): Promise<WriteOutcome>;
  /** Linearizable compare-and-set over the primaries (always `strict`). `body`: the present row is handed over with its body. */
  update(
    ref: RowRef,
    change: RowChange,
    want?: { readonly body?: boolean },
  ): Promise<UpdateOutcome>;
  list(request: ListRequest): Promise<ListPage>;
  /** Exact totals of one partition key. */
  totals(table: string, partition: string): Promise<PartitionTotals>;
}
