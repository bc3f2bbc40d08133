/** Containers, as every dialect sees them. */
import type { WriteMode } from '#cluster';
import type { Fields, Page } from './fields.ts';

/** A container as its row says; what object operations are addressed by. Obtained from `open` or `resolve`. */
export interface Container {
  readonly account: string;
  readonly name: string;
  /** A UUID: a container deleted and made again is another one. */
  readonly id: string;
  readonly createdUs: number;
  readonly modifiedUs: number;
  /** The storage policy it was made with. */
  readonly policy: string;
  /** Into how many hash shards its object rows are spread. */
  readonly shards: number;
  /** User metadata: lower-case names without any header prefix. */
  readonly metadata: Fields;
  /** What a dialect keeps for itself, for example `read-acl` and `write-acl`. */
  readonly system: Fields;
}

export interface ContainerUsage {
  readonly objects: number;
  readonly bytes: number;
  /** Older versions and delete markers, and the bytes of those versions; absent where none were ever kept. */
  readonly versions?: number;
  readonly versionBytes?: number;
}

export interface CreateContainer {
  readonly account: string;
  readonly name: string;
  readonly policy?: string;
  readonly metadata?: Fields;
  readonly system?: Fields;
  /**
   * The container must get its name in the registry that all accounts share (an S3 bucket): fails
   * `container-name-taken` when another account has it. Without it the name is registered if it is free.
   */
  readonly globalName?: boolean;
  /** Fails `container-exists` when it is there already; otherwise the present one is returned with `created: false`. */
  readonly exclusive?: boolean;
}

export interface ContainerChange {
  readonly metadata?: Fields;
  readonly system?: Fields;
}

export interface ListObjects {
  readonly prefix?: string;
  readonly delimiter?: string;
  /** Exclusive start. */
  readonly marker?: string;
  /** Inclusive start, the alternative to `marker`. */
  readonly from?: string;
  /** Exclusive end. */
  readonly endMarker?: string;
  readonly reverse?: boolean;
  /** 1 to 10,000 entries, rows and prefixes together. */
  readonly limit: number;
}

/** One line of an object listing: an object, or (`prefix`) names collapsed at the delimiter. */
export type ObjectListEntry = ObjectSummary | PrefixEntry;

export interface PrefixEntry {
  readonly prefix: string;
  readonly name?: never;
  readonly owner?: never;
}

export interface ObjectSummary {
  readonly prefix?: never;
  readonly name: string;
  /** Of what a GET returns; for a static large object the sum of its segments. */
  readonly size: number;
  /** Without quotes: 32 hex digits, `…-N` for multipart. */
  readonly etag: string;
  readonly contentType: string;
  readonly modifiedUs: number;
  /** There where versions are kept, but for the version called `null`. */
  readonly versionId?: string;
  /** There for a symlink: what `linkTarget` reads. */
  readonly link?: Fields;
  /** There for a Swift static large object: the ETag that its GET shows. */
  readonly sloEtag?: string;
  /** Absent for the standard one. */
  readonly storageClass?: string;
  /** As in the object itself: absent where it has none. */
  readonly checksums?: Fields;
  /** A dialect's own field `owner`: absent where the object is the container's account's. */
  readonly owner?: string;
}

/** One line of a listing of versions: names in order, the versions of a name from the newest on. */
export type VersionListEntry = VersionSummary | PrefixEntry;

export interface VersionSummary extends ObjectSummary {
  readonly versionId: string;
  readonly isLatest: boolean;
  /** A deletion: it has no bytes. */
  readonly isDeleteMarker: boolean;
  /** Where a listing goes on after it: `versionMarker`, which a `versionId` of `null` cannot be. */
  readonly position: string;
}

export interface ListVersions {
  readonly prefix?: string;
  readonly delimiter?: string;
  /** Exclusive start: names after this; with `versionMarker` also the name's versions after that one. */
  readonly nameMarker?: string;
  /** A version id, or an entry's `position`. */
  readonly versionMarker?: string;
  readonly limit: number;
}

/** Whether a container keeps the versions of its objects. `off`: it never did. */
export type Versioning = 'off' | 'enabled' | 'suspended';

export interface ContainerService {
  /**
   * The container, from a short-lived cache; fails `container-missing`. Changes made by this process are seen at
   * once, those of others within `containerCacheMs`.
   */
  open(account: string, name: string): Promise<Container>;
  /** The same at once, where it is remembered; undefined where it has to be asked for. */
  remembered(account: string, name: string): Container | undefined;
  /** The caller's own container of that name, or else whichever account's has it in the shared registry; `container-missing`. */
  resolve(name: string, account: string | undefined): Promise<Container>;
  /** Exact count and bytes. */
  usage(container: Container): Promise<ContainerUsage>;
  create(
    request: CreateContainer,
  ): Promise<{ readonly container: Container; readonly created: boolean }>;
  /** Changes metadata atomically; `change` sees what is there, may run again, and may throw to refuse. */
  update(
    account: string,
    name: string,
    change: (present: Container) => ContainerChange,
  ): Promise<Container>;
  /** Fails `container-missing` or `container-not-empty`. */
  delete(account: string, name: string): Promise<void>;
  list(container: Container, request: ListObjects): Promise<Page<ObjectListEntry>>;
  listVersions(container: Container, request: ListVersions): Promise<Page<VersionListEntry>>;
  /** Removes a container from the cache, or everything: for when something else changed it. */
  forget(account?: string, name?: string): void;
}

/** How a write may be acknowledged: S3 says `strict`, Swift `available`. */
export type { WriteMode };
