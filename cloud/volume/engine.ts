/**
 * What the volume service asks of its neighbours; `cli/` hands them in. The block gateway's volume service has the shape of
 * `VolumeEngine`, whose calls may be repeated with the same id.
 */
import type { AnyTransaction } from '#cloud/state';

export interface EngineQos {
  readonly iops?: number;
  readonly readIops?: number;
  readonly writeIops?: number;
  readonly bytesPerS?: number;
  readonly readBytesPerS?: number;
  readonly writeBytesPerS?: number;
  readonly iopsPerGib?: number;
  readonly bytesPerSPerGib?: number;
}

/** Bytes that the gateway shares where it can, and reads otherwise; only handed through. */
export interface EngineBytes {
  readonly sizeBytes: number;
  hold(
    name: string,
  ): Promise<readonly { readonly id: string; readonly length: number }[] | undefined>;
  read(): AsyncIterable<Buffer>;
}

export type EngineSource =
  | { readonly volume: string }
  | { readonly volume: string; readonly snapshot: string }
  | { readonly volume: string; readonly atMs: number }
  | { readonly bytes: EngineBytes };

/** What of a volume's type the gateway keeps to. */
export interface EngineTerms {
  readonly qos: EngineQos;
  /** For how long any instant of it is kept; 0 for not at all. */
  readonly retentionS: number;
  /** What a flush waits for; the gateway's own choice when left out. */
  readonly durability?: 'local' | 'replicated';
}

export interface EngineVolume {
  readonly id: string;
  readonly name: string;
  readonly sizeBytes: number;
  /** `ready`, or what is being done to it. */
  readonly state: string;
  /** It is the disk of an image, and only read. */
  readonly sealed: boolean;
  readonly encryption?: EngineEncryption;
  /** The oldest instant that it can be read as of, in milliseconds since 1970; absent when it keeps no past. */
  readonly oldestMs?: number;
}

export interface EngineListed {
  readonly id: string;
}

export interface EngineSnapshot {
  readonly id: string;
  readonly name: string;
  readonly sizeBytes: number;
}

/** What a client of NBD needs. */
export interface EngineCredentials {
  readonly id: string;
  readonly volume: string;
  readonly mode: 'rw' | 'ro';
  readonly exportName: string;
  readonly pskIdentity: string;
  readonly pskKey: string;
}

export interface EngineBackupStore {
  put(name: string, chunks: readonly Buffer[]): Promise<void>;
  get(name: string): Promise<Buffer>;
  delete(name: string): Promise<void>;
}

export interface EngineBackupRecord {
  readonly id: string;
  readonly volume: string;
  readonly snapshot: string;
  readonly sizeBytes: number;
  readonly createdUs: number;
  readonly prefix: string;
  readonly chain: readonly string[];
  readonly objects: number;
  readonly changedBytes: number;
  readonly shippedBytes: number;
}

export interface EngineProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface EngineEncryption {
  readonly keyId: string;
  readonly cipher: 'aes-256-xts';
}

export interface VolumeEngine {
  get(id: string): Promise<EngineVolume>;
  /** A project's volumes by id, a page of them behind the marker. */
  list(
    project: string,
    page: { readonly marker?: string },
  ): Promise<{ readonly entries: readonly EngineListed[]; readonly next: string | undefined }>;
  create(wanted: {
    readonly id: string;
    readonly name: string;
    readonly project: string;
    readonly sizeBytes: number;
    readonly from?: EngineSource;
    readonly qos?: EngineQos;
    readonly retentionS?: number;
    readonly durability?: 'local' | 'replicated';
    readonly encryption?: EngineEncryption;
    readonly sealed?: boolean;
  }): Promise<EngineVolume>;
  delete(id: string, options?: { readonly force?: boolean }): Promise<void>;
  extend(id: string, sizeBytes: number): Promise<EngineVolume>;
  change(
    id: string,
    change: Partial<EngineTerms> & { readonly name?: string; readonly project?: string },
  ): Promise<EngineVolume>;
  snapshot(
    volume: string,
    wanted: { readonly id?: string; readonly name?: string; readonly atMs?: number },
  ): Promise<EngineSnapshot>;
  listSnapshots(volume: string): Promise<readonly EngineSnapshot[]>;
  deleteSnapshot(volume: string, snapshot: string): Promise<void>;
  revert(volume: string, to: { readonly snapshot: string }): Promise<EngineVolume>;
  attach(request: {
    readonly id?: string;
    readonly volume: string;
    readonly mode?: 'rw' | 'ro';
    readonly note?: string;
  }): Promise<EngineCredentials>;
  credentials(volume: string, attachment: string): Promise<EngineCredentials>;
  detach(volume: string, attachment: string, options?: { readonly force?: boolean }): Promise<void>;
  backup(request: {
    readonly id: string;
    readonly volume: string;
    readonly snapshot: string;
    readonly parent?: EngineBackupRecord;
    readonly store: EngineBackupStore;
    readonly prefix: string;
    readonly onProgress?: (progress: EngineProgress) => void;
    readonly signal?: AbortSignal;
  }): Promise<EngineBackupRecord>;
  /** Removes a backup's objects; what later backups of its chain need is refused (`conflict`). */
  deleteBackup(request: {
    readonly record: EngineBackupRecord;
    readonly store: EngineBackupStore;
  }): Promise<void>;
  restore(request: {
    readonly record: EngineBackupRecord;
    readonly store: EngineBackupStore;
    readonly id?: string;
    readonly name: string;
    readonly project: string;
    readonly sizeBytes?: number;
    /** The key that it must be sealed with, null for none. */
    readonly keyId: string | null;
    readonly onProgress?: (progress: EngineProgress) => void;
    readonly signal?: AbortSignal;
  }): Promise<EngineVolume>;
}

/** An object as it was when its reader asked for a volume of it. */
export interface ObjectSource {
  readonly account: string;
  readonly container: string;
  readonly object: string;
  /** What it must still be when its turn comes. */
  readonly etag: string;
  readonly sizeBytes: number;
  readonly isManifest?: boolean | undefined;
}

/** The objects of the cloud's users. */
export interface VolumeObjects {
  /**
   * The object that a URI means, when it is one of this cloud's; undefined for every other URI. Fails `missing` for what is not there or the reader may not
   * read, without telling which.
   */
  find(
    uri: string,
    reader: { readonly token: string; readonly projectId: string | undefined },
  ): Promise<ObjectSource | undefined>;
  /** Its first bytes. */
  head(source: ObjectSource): Promise<Buffer>;
  bytes(source: ObjectSource): EngineBytes;
}

/** An image as a volume can be made of it. */
export interface ImageSource {
  readonly id: string;
  readonly name: string;
  readonly virtualBytes: number;
  readonly minDiskGib: number;
  readonly minRamMib: number;
  readonly sizeBytes: number;
  readonly checksum: string | null;
  readonly containerFormat: string;
  readonly diskFormat: string;
  readonly properties: Readonly<Record<string, string>>;
}

export interface NewImage {
  readonly name: string;
  readonly containerFormat: string;
  readonly diskFormat: string;
  readonly visibility: string;
  readonly protected: boolean;
  readonly properties: Readonly<Record<string, string>>;
}

/** The image service, as far as volumes need it. */
export interface VolumeImages {
  /** Fails `missing` when the caller may not see it, `conflict` when it is not active. */
  find(imageId: string, token: string): Promise<ImageSource>;
  /** The sealed volume that holds its bytes; undefined while it is being made. */
  volumeOf(imageId: string): Promise<string | undefined>;
  /** Registers a queued image; its bytes come by `fill`. Returns its id. */
  create(image: NewImage, token: string): Promise<string>;
  /** The content of the image is that of the volume's snapshot, by reference. */
  fill(
    imageId: string,
    source: { readonly volume: string; readonly snapshot: string },
  ): Promise<void>;
  /** The bytes will not come: the image is deleted, or says why it has none. */
  abandon(imageId: string): Promise<void>;
}

/** Who needs a key: a volume, a backup of it, an image made of it. */
export interface KeyHolder {
  readonly kind: 'volumes' | 'backups' | 'images';
  readonly id: string;
}

/** The keys of encrypted volumes, as secrets of the key manager. */
export interface VolumeKeys {
  /** Makes a key of this id when there is none; `denied` when it is another project's. */
  ensure(wanted: {
    readonly id: string;
    readonly name: string;
    readonly projectId: string;
    readonly userId: string;
  }): Promise<void>;
  /** The key stays for as long as somebody holds it. */
  hold(id: string, holder: KeyHolder): Promise<void>;
  release(id: string, holder: KeyHolder): Promise<void>;
  /** Whether there is such a key and it is the project's. */
  owned(id: string, projectId: string): Promise<boolean>;
  /** Whether somebody else needs it too. */
  heldByOthers(id: string, holder: KeyHolder): Promise<boolean>;
  /** With its volume, in the same transaction, to another project, where nobody of the last one reads it. */
  move(
    transaction: AnyTransaction,
    id: string,
    to: { readonly projectId: string; readonly userId: string },
  ): Promise<void>;
}

/** Where backups of a project go: a container of the object store, as that project, or a bucket elsewhere. */
export interface BackupStores {
  /** Throws `invalid` when no new backup of the project may go there, or be found there. */
  check(project: string, container: string): void;
  /** What is there goes on being read and deleted when `check` would refuse a new one. */
  open(project: string, container: string): EngineBackupStore;
}

/** Names and ids of identity, for tenants that a request names. */
export interface Projects {
  exists(projectId: string): Promise<boolean>;
}
