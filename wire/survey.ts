/**
 * What those who keep copies whole ask of a device: digests of ring partitions, what is in them, what has gone bad.
 * One call with several questions, so that devices behind filters and wires need only one more method.
 */
import type { Aggregate, BlobKey, Fence, RowKey } from './device-service.ts';
import type { Version } from './versions.ts';

/** All rows of one partition key. */
export interface PartitionName {
  readonly table: string;
  readonly partition: string;
  readonly hash: number;
}

export const digestsMax = 4096;
export const surveyEntriesMax = 10_000;
/** Bytes of one digest: two lanes of 32 bits, little-endian. */
export const digestBytes = 8;

export type SurveyRequest =
  /**
   * One digest of rows and one of blobs (bad copies left out) for each of `count` ring partitions from `first`, of 2^`power`.
   * With `within`: one digest for each of that partition key's 2^`power` buckets of sort keys from `first`, no blobs.
   */
  | {
      readonly what: 'digests';
      readonly power: number;
      readonly first: number;
      readonly count: number;
      readonly within?: PartitionName;
    }
  /** Partition keys with their aggregates, by (hash, name), `from` ≤ hash < `until` (at most 2^32). */
  | {
      readonly what: 'partitions';
      readonly from: number;
      readonly until: number;
      readonly after?: PartitionName;
      readonly limit: number;
    }
  /** The versions of a partition key's rows in order; with `buckets`, of those whose sort key falls in one (of 2^`power`). */
  | {
      readonly what: 'versions';
      readonly of: PartitionName;
      readonly after?: string;
      readonly limit: number;
      readonly power?: number;
      readonly buckets?: readonly number[];
    }
  /** Rows and blobs that failed their checksum and wait for a good copy, after `after` (`next` of the page before). */
  | { readonly what: 'quarantined'; readonly after?: string; readonly limit: number }
  /** Fences in force, by scope. */
  | { readonly what: 'fences'; readonly after?: string; readonly limit: number }
  /** Reads stored bytes after `after` and checks them, about `bytesMax` of them; what is bad is quarantined. */
  | { readonly what: 'scrub'; readonly after?: string; readonly bytesMax: number }
  /**
   * Forgets rows, each only while it has that very version. A tombstone that is forgotten leaves its time behind: rows that the device does
   * not know must be newer, unless they are copies (`RowWrite.copied`). Rows that are live are forgotten by stand-ins alone.
   */
  | { readonly what: 'forget'; readonly rows: readonly ForgottenRow[] }
  /** The device that was put in an empty one's place holds again what it should: it answers readers from now on. */
  | { readonly what: 'refilled' };

export interface SurveyedPartition extends PartitionName {
  readonly aggregate: Aggregate;
}

export interface SurveyedVersion {
  readonly sort: string;
  readonly version: Version;
  /** Present for tombstones. */
  readonly deleted?: true;
}

export interface ForgottenRow {
  readonly key: RowKey;
  readonly version: Version;
}

export const forgottenMax = 1000;

/** The fence that carries the time of the newest forgotten tombstone, so that it lasts as fences do. */
export const forgottenScope = 'rows-forgotten';

export type Quarantined =
  | { readonly row: RowKey; readonly blob?: never }
  | { readonly blob: BlobKey; readonly row?: never };

/** What was not asked for is empty. */
export interface SurveyReply {
  /** Rows' digest then blobs' digest per partition; with `within`, one per bucket. */
  readonly digests: Buffer;
  readonly partitions: readonly SurveyedPartition[];
  readonly versions: readonly SurveyedVersion[];
  readonly quarantined: readonly Quarantined[];
  readonly fences: readonly Fence[];
  /** There is more after this; undefined at the end. */
  readonly next: string | undefined;
  /** Versions: bytes of these rows' metas and bodies. Scrub: records that were read, their bytes, and how many of them were bad. Forget: rows that were forgotten. */
  readonly records: number;
  readonly bytes: number;
  readonly bad: number;
}

export const emptySurvey: SurveyReply = Object.freeze({
  digests: Buffer.alloc(0),
  partitions: [],
  versions: [],
  quarantined: [],
  fences: [],
  next: undefined,
  records: 0,
  bytes: 0,
  bad: 0,
});
