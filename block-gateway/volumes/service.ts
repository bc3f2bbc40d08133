/**
 * The face of the block gateway: what the volume API, the image service, the compute hooks and the command line ask of volumes.
 *
 * Every call that makes something takes an id and may be repeated with it: what is there already is returned as it is, so
 * the step of a resumed operation does no harm. Calls are refused by `Failure`:
 *   `missing`  volume-missing · snapshot-missing · attachment-missing
 *   `conflict` volume-in-use · volume-not-ready · volume-sealed · snapshot-in-use · volume-name-ambiguous · not-in-retention · reverted
 *   `invalid`  bad-volume · bad-image · bad-snapshot · bad-qos · shrink · bad-backup
 *   `busy`     too-many-volumes, too-many-snapshots
 *   `denied`   fenced (another gateway took the volume), bad-credentials
 */
import type { Pin } from '../volume/pin-rows.ts';
import type { ReadOnlyVolume } from '../volume/read-only-volume.ts';
import type { Volume } from '../volume/volume.ts';
import type { BackupRecord, BackupRequest, RestoreRequest } from './backup-types.ts';
import type { StoredBytes } from './stored-bytes.ts';

export type Durability = 'local' | 'replicated';

/** Limits on what guests may ask of one volume; absent means none. A bucket of `burstS` seconds' worth may be spent at once. */
export interface VolumeQos {
  readonly iops?: number;
  readonly readIops?: number;
  readonly writeIops?: number;
  readonly bytesPerS?: number;
  readonly readBytesPerS?: number;
  readonly writeBytesPerS?: number;
  /** Each of them again for every GiB of the volume, added to the above (`*_per_gb` in Cinder's words). */
  readonly iopsPerGib?: number;
  readonly bytesPerSPerGib?: number;
  readonly burstS?: number;
}

/** Which key of the key store a volume's data is sealed with. */
export interface VolumeEncryption {
  readonly keyId: string;
  readonly cipher: 'aes-256-xts';
}

/** Where a new volume's content comes from. All but `stream`, `file` and some `bytes` take constant time and copy nothing. */
export type VolumeSource =
  | { readonly stream: AsyncIterable<Buffer> }
  /** Raw or qcow2, told by its content. */
  | { readonly file: string }
  /** As it is now: everything acknowledged is in it. */
  | { readonly volume: string }
  | { readonly volume: string; readonly snapshot: string }
  /** As it was at an instant within its retention (milliseconds since 1970). */
  | { readonly volume: string; readonly atMs: number }
  /** What lies in blobs of the store, such as an object: they are shared where that can be, and read otherwise. */
  | { readonly bytes: StoredBytes };

export interface CreateVolume {
  /** A UUID; made up when left out. */
  readonly id?: string;
  readonly name: string;
  readonly project: string;
  /** Rounded up to whole sectors; at least the source's, and the source's when left out. */
  readonly sizeBytes?: number;
  readonly from?: VolumeSource;
  /** Never to be written: the content of an image. Clones of it are ordinary volumes. */
  readonly sealed?: boolean;
  readonly durability?: Durability;
  readonly qos?: VolumeQos;
  readonly encryption?: VolumeEncryption;
  /** For how long any instant can be branched from or read; 0 keeps nothing. */
  readonly retentionS?: number;
}

/** `gone`: deleted, and kept out of sight for what clones share. */
export type VolumeState = 'creating' | 'ready' | 'deleting' | 'gone';

export interface VolumeInfo {
  readonly id: string;
  readonly name: string;
  readonly project: string;
  readonly sizeBytes: number;
  readonly createdUs: number;
  readonly state: VolumeState;
  readonly sealed: boolean;
  readonly durability: Durability;
  readonly qos: VolumeQos;
  readonly retentionS: number;
  readonly encryption?: VolumeEncryption;
  /** Raised by each opening: whoever held an older one can change nothing any more. */
  readonly epoch: number;
  /** Which gateway has it open; empty when none does. */
  readonly gateway: string;
  /** The oldest instant that it can be read as of, in milliseconds since 1970; absent when it keeps no past. */
  readonly oldestMs?: number;
  /** It was made over blobs that something else stored, and shares them. */
  readonly shares?: boolean;
  /** The volume and the point of it that this one is a clone of. */
  readonly parent?: { readonly volume: string; readonly snapshot: string };
}

export interface SnapshotInfo {
  readonly id: string;
  readonly volume: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly createdUs: number;
}

export interface VolumeUsage {
  readonly sizeBytes: number;
  /** What reads as something else than "never written". */
  readonly liveBytes: number;
  /** What lies in the store under this volume's own name, snapshots and history included. */
  readonly storedBytes: number;
  readonly snapshots: number;
  /** Oldest instant that can be branched from, in milliseconds since 1970; undefined without retention. */
  readonly oldestMs: number | undefined;
}

/** Who may reach a volume by NBD, how, and until when. Bound to one volume; ends with `detach`. */
export interface Attachment {
  readonly id: string;
  readonly volume: string;
  readonly mode: 'rw' | 'ro';
  /** Free words of the caller: server id, host. */
  readonly note: string;
  readonly createdUs: number;
}

/** What a client needs; shown once to who asked, and again by `credentials`. */
export interface AttachmentCredentials extends Attachment {
  /** The name of the export; it holds a secret and is worth a password. */
  readonly exportName: string;
  /** TLS with a pre-shared key: identity and key (hexadecimal), as QEMU's `tls-creds-psk` wants them. */
  readonly pskIdentity: string;
  readonly pskKey: string;
}

export interface AttachRequest {
  readonly id?: string;
  readonly volume: string;
  readonly mode?: 'rw' | 'ro';
  readonly note?: string;
}

export interface OpenVolume {
  readonly volume: Volume;
  /** Once, when this user is done. */
  release(): void;
}

export interface OpenPoint {
  readonly volume: ReadOnlyVolume;
  readonly pin: Pin;
  /** Once, when this reader is done. */
  release(): Promise<void>;
}

export interface ListedVolume {
  readonly id: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly createdUs: number;
}

export interface VolumePage {
  readonly entries: readonly ListedVolume[];
  /** Ask for what follows this; undefined at the end. */
  readonly next: string | undefined;
}

export interface DeleteVolume {
  /** Whoever uses it. */
  readonly force?: boolean;
  /** Its snapshots too. */
  readonly cascade?: boolean;
}

export interface VolumeService {
  create(wanted: CreateVolume): Promise<VolumeInfo>;
  get(id: string): Promise<VolumeInfo>;
  /** By id, or by a name that only one volume of the project has. */
  find(project: string, idOrName: string): Promise<VolumeInfo | undefined>;
  list(
    project: string,
    page?: { readonly marker?: string; readonly limit?: number },
  ): Promise<VolumePage>;
  /**
   * Refused (`conflict` volume-in-use) while a client here uses it, unless forced, and (`snapshot-in-use`) while it has snapshots. Clones don't
   * stand in the way: what they share stays until the last of them is gone.
   */
  delete(id: string, options?: DeleteVolume): Promise<void>;
  /** May be done while it is attached, and is in force at once. `invalid` shrink when smaller than it is. */
  extend(id: string, sizeBytes: number): Promise<VolumeInfo>;
  /**
   * Cuts the connections of those who have the volume attached, who may come back at once: NBD tells a size when a client connects. QEMU does so by itself with
   * `reconnect-delay`, losing no request, and takes the new size by `block_resize`.
   */
  reconnect(id: string): void;
  /** Changes name, project (a transfer), QoS, retention, durability; in force at once, attached or not. */
  change(
    id: string,
    change: Partial<
      Pick<CreateVolume, 'name' | 'project' | 'qos' | 'retentionS' | 'durability' | 'sealed'>
    >,
  ): Promise<VolumeInfo>;
  usage(id: string): Promise<VolumeUsage>;

  /** Of what was acknowledged until now, or was there at an instant that is kept; attached or not. */
  snapshot(
    volume: string,
    wanted: { readonly id?: string; readonly name?: string; readonly atMs?: number },
  ): Promise<SnapshotInfo>;
  findSnapshot(volume: string, snapshot: string): Promise<SnapshotInfo | undefined>;
  listSnapshots(volume: string): Promise<readonly SnapshotInfo[]>;
  /** Clones made from it live on. */
  deleteSnapshot(volume: string, snapshot: string): Promise<void>;
  /** The content becomes that of the snapshot or instant; nobody may have it attached. Snapshots, later ones too, stay. */
  revert(
    volume: string,
    to: { readonly snapshot: string } | { readonly atMs: number },
  ): Promise<VolumeInfo>;

  /** Opens it here, taking it away from any other gateway. */
  open(id: string): Promise<OpenVolume>;
  /** A snapshot, an instant or a sealed volume, for reading; writes fail `denied`. */
  openReadOnly(
    id: string,
    at?: { readonly snapshot: string } | { readonly atMs: number },
  ): Promise<OpenPoint>;

  attach(request: AttachRequest): Promise<AttachmentCredentials>;
  credentials(volume: string, attachment: string): Promise<AttachmentCredentials>;
  listAttachments(volume: string): Promise<readonly Attachment[]>;
  /** Ends its connections; with `force` the epoch is raised too, so that not even a frozen gateway can write any more. */
  detach(volume: string, attachment: string, options?: { readonly force?: boolean }): Promise<void>;
  /** What the next holder of an attachment opens it by, while the present one still has it: for a guest that moves while it runs. */
  offerAttachment(volume: string, attachment: string): Promise<AttachmentCredentials>;
  /** Of two holders one stays; the other's connections are cut, and its secrets are worth nothing. Repeatable. */
  settleAttachment(volume: string, attachment: string, keep: 'next' | 'present'): Promise<void>;

  /** Ships a snapshot to a backup store: whole, or what changed since `parent`. The volume itself is not read for what is shared. */
  backup(request: BackupRequest): Promise<BackupRecord>;
  /** A new volume out of a backup and the ones it builds on. */
  restore(request: RestoreRequest): Promise<VolumeInfo>;

  /** Checkpoints and closes every volume. */
  close(): Promise<void>;
}
