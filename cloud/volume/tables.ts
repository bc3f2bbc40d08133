/**
 * The volume service's tables as rows. Times are microseconds since 1970, flags 0 or 1, `…_json` columns JSON text.
 *
 * Invariant: no row holds a status. What a volume, snapshot, backup or group *is* follows from `made`, `failure`, the operation that
 * works on it and its attachments (`status.ts`), so that no word is left behind by whoever died before changing it.
 */

/** What a row that operations work on has in common. */
export type Worked = {
  readonly id: string;
  /** 1 once it was made; 0 while its first operation has not finished. */
  readonly made: number;
  /** The operation at work on it, and what kind; null when none is. */
  readonly operation_id: string | null;
  readonly operation_kind: string | null;
  /** Why the last operation did not succeed; null when it did. */
  readonly failure: string | null;
  /** What an administrator says its status is; null when nobody does. */
  readonly said_status?: string | null | undefined;
};

export type VolumeRow = Worked & {
  readonly project_id: string;
  readonly user_id: string;
  readonly name: string | null;
  readonly description: string | null;
  readonly size_gib: number;
  readonly type_id: string;
  readonly zone: string;
  readonly bootable: number;
  readonly multiattach: number;
  /** 1: read-only; 2: somebody said that it is not; 0: nobody said anything. */
  readonly readonly: number;
  readonly metadata_json: string;
  readonly image_metadata_json: string;
  readonly snapshot_id: string | null;
  readonly source_volid: string | null;
  readonly group_id: string | null;
  readonly encryption_key_id: string | null;
  readonly created_at_us: number;
  readonly updated_at_us: number;
};

export type SnapshotRow = Worked & {
  readonly volume_id: string;
  readonly project_id: string;
  readonly user_id: string;
  readonly name: string | null;
  readonly description: string | null;
  readonly size_gib: number;
  readonly metadata_json: string;
  readonly group_snapshot_id: string | null;
  /** How far whoever makes it says that it is. */
  readonly said_progress?: string | null | undefined;
  readonly created_at_us: number;
  readonly updated_at_us: number;
};

/** How far an attachment has come: asked for, connected, in use, leaving. */
export type AttachmentStage = 'reserved' | 'attaching' | 'attached' | 'detaching';

export type AttachmentRow = {
  readonly id: string;
  readonly volume_id: string;
  readonly project_id: string;
  readonly server_id: string | null;
  readonly host: string | null;
  readonly mountpoint: string | null;
  readonly mode: string;
  readonly stage: string;
  readonly connector_json: string;
  /** Whether the engine has an attachment of this id. */
  readonly connected: number;
  readonly created_at_us: number;
  readonly attached_at_us: number | null;
};

export type BackupRow = Worked & {
  readonly volume_id: string;
  readonly project_id: string;
  readonly user_id: string;
  readonly name: string | null;
  readonly description: string | null;
  readonly size_gib: number;
  readonly container: string;
  /** Whose container it is, when that is another project's. */
  readonly place_project_id?: string | null | undefined;
  readonly parent_id: string | null;
  readonly snapshot_id: string | null;
  /** The engine's snapshot that the next incremental backup compares with; empty once it is gone. */
  readonly pin_id: string;
  readonly metadata_json: string;
  /** The engine's record; null until it was made. */
  readonly record_json: string | null;
  /** What opens its data; null when it is not sealed. */
  readonly encryption_key_id: string | null;
  /** What was known of the volume (`backed-up-volume.ts`). */
  readonly volume_json: string;
  readonly zone: string;
  readonly data_at_us: number;
  readonly created_at_us: number;
  readonly updated_at_us: number;
};

export type TypeRow = {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly is_public: number;
  readonly specs_json: string;
  readonly qos_id: string | null;
  /** Encryption of volumes of this type; null for none. */
  readonly encryption_json: string | null;
  readonly created_at_us: number;
  readonly updated_at_us: number;
};

export type TypeAccessRow = {
  readonly type_id: string;
  readonly project_id: string;
};

export type DefaultTypeRow = {
  readonly project_id: string;
  readonly type_id: string;
};

export type QosRow = {
  readonly id: string;
  readonly name: string;
  readonly consumer: string;
  readonly specs_json: string;
  readonly created_at_us: number;
};

export type TransferRow = {
  readonly id: string;
  readonly volume_id: string;
  readonly name: string | null;
  readonly salt: string;
  readonly key_hash: string;
  readonly no_snapshots: number;
  readonly source_project_id: string;
  readonly created_at_us: number;
};

export type GroupTypeRow = {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly is_public: number;
  readonly specs_json: string;
};

export type GroupRow = Worked & {
  readonly project_id: string;
  readonly user_id: string;
  readonly name: string | null;
  readonly description: string | null;
  readonly group_type_id: string;
  readonly type_ids_json: string;
  readonly zone: string;
  readonly group_snapshot_id: string | null;
  readonly source_group_id: string | null;
  readonly created_at_us: number;
};

export type GroupSnapshotRow = Worked & {
  readonly group_id: string;
  readonly group_type_id: string;
  readonly project_id: string;
  readonly user_id: string;
  readonly name: string | null;
  readonly description: string | null;
  readonly created_at_us: number;
};

export type MessageRow = {
  readonly id: string;
  readonly project_id: string;
  readonly event_id: string;
  readonly resource_type: string;
  readonly resource_id: string;
  readonly level: string;
  readonly text: string;
  readonly request_id: string;
  readonly created_at_us: number;
  readonly forget_at_us: number;
};

/** Services an administrator has taken out of use; one that is absent is enabled. */
export type DisabledServiceRow = {
  readonly id: string;
  readonly reason: string | null;
  readonly since_us: number;
};

export type VolumeTables = {
  volume: VolumeRow;
  volume_snapshot: SnapshotRow;
  volume_attachment: AttachmentRow;
  volume_backup: BackupRow;
  volume_type: TypeRow;
  volume_type_access: TypeAccessRow;
  volume_default_type: DefaultTypeRow;
  volume_qos: QosRow;
  volume_transfer: TransferRow;
  volume_group_type: GroupTypeRow;
  volume_group: GroupRow;
  volume_group_snapshot: GroupSnapshotRow;
  volume_message: MessageRow;
  volume_disabled_service: DisabledServiceRow;
};
