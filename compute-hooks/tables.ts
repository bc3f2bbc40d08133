/**
 * The compute service's tables as rows. Times are microseconds since 1970, flags 0 or 1, `…_json` columns JSON text.
 *
 * Invariant: no row holds a status. What a server *is* follows from whether it was made, what it is meant to be (`power`, `mode`), the
 * operation at work on it and why the last one failed (`status.ts`).
 */

export type Power = 'running' | 'stopped' | 'paused' | 'suspended';
export type Mode = 'normal' | 'rescued' | 'shelved' | 'offloaded' | 'resized' | 'soft-deleted';

export type ServerRow = {
  readonly id: string;
  readonly project_id: string;
  readonly user_id: string;
  readonly name: string;
  readonly hostname: string;
  readonly description: string | null;
  readonly flavor_id: string;
  /** The flavor as it was when it was chosen (`FlavorFacts`). */
  readonly flavor_json: string;
  readonly image_id: string | null;
  /** Properties of the image it was made of. */
  readonly image_json: string;
  readonly key_name: string | null;
  readonly key_data: string | null;
  readonly user_data: string | null;
  readonly config_drive: number;
  readonly metadata_json: string;
  readonly tags_json: string;
  readonly zone: string | null;
  readonly host: string | null;
  readonly reservation_id: string;
  readonly launch_index: number;
  readonly access_ip_v4: string;
  readonly access_ip_v6: string;
  readonly disk_config: string;
  readonly locked_by: string | null;
  readonly locked_reason: string | null;
  readonly power: string;
  readonly mode: string;
  readonly group_id: string | null;
  readonly groups_json: string;
  readonly hints_json: string;
  /** What a resize, shelving or rescue may go back to. */
  readonly before_json: string;
  readonly made: number;
  readonly operation_id: string | null;
  readonly operation_kind: string | null;
  readonly failure: string | null;
  readonly failed_at_us: number | null;
  readonly created_at_us: number;
  readonly updated_at_us: number;
  readonly launched_at_us: number | null;
  /** What its guest has told, sealed with the owner's key. */
  readonly password: string | null;
  /** Servers that are gone are kept for their usage. */
  readonly deleted_at_us: number | null;
};

/** A disk that a server has; `volume` ones are volumes of the volume service. */
export type DiskRow = {
  /** Of the engine's volume for `root`, `ephemeral`, `swap`; of the attachment for `volume`. */
  readonly id: string;
  readonly server_id: string;
  readonly kind: string;
  readonly volume_id: string;
  readonly device: string;
  readonly boot_index: number | null;
  readonly size_gib: number;
  /** The engine's volume that it is a copy of, when it is one. */
  readonly source_id: string | null;
  readonly delete_on_termination: number;
  readonly tag: string | null;
  readonly connected: number;
  readonly created_at_us: number;
};

export type PortRow = {
  readonly port_id: string;
  readonly server_id: string;
  readonly position: number;
  readonly network_id: string;
  /** A port that the user made is given back; the others are deleted. */
  readonly adopted: number;
  readonly fixed_ip: string | null;
  readonly tag: string | null;
  readonly made: number;
};

export type FlavorRow = {
  readonly id: string;
  readonly name: string;
  readonly memory_mib: number;
  readonly vcpus: number;
  readonly disk_gib: number;
  readonly ephemeral_gib: number;
  readonly swap_mib: number;
  readonly rxtx_factor: string;
  readonly is_public: number;
  readonly is_disabled: number;
  readonly description: string | null;
  readonly specs_json: string;
  readonly created_at_us: number;
};

export type FlavorAccessRow = { readonly flavor_id: string; readonly project_id: string };

export type KeypairRow = {
  readonly id: string;
  readonly number: number;
  readonly user_id: string;
  readonly name: string;
  readonly type: string;
  readonly public_key: string;
  readonly fingerprint: string;
  readonly created_at_us: number;
};

export type HostRow = {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly version: number;
  readonly vcpus: number;
  readonly memory_mib: number;
  readonly disk_gib: number;
  readonly facts_json: string;
  readonly disabled: number;
  readonly disabled_reason: string | null;
  readonly forced_down: number;
  readonly seen_at_us: number;
  readonly created_at_us: number;
  /** Grows with each change of what is given out here, of what there is to give, and of who may have it. */
  readonly generation: number;
};

/** What a server takes of a host, from the transaction that chose the host to the one that leaves it. */
export type AllocationRow = {
  readonly consumer_id: string;
  readonly provider_id: string;
  readonly resource_class: string;
  readonly amount: number;
  readonly project_id: string;
  readonly user_id: string;
};

export type GroupRow = {
  readonly id: string;
  readonly project_id: string;
  readonly user_id: string;
  readonly name: string;
  readonly policy: string;
  readonly rules_json: string;
  readonly created_at_us: number;
};

export type AggregateRow = {
  readonly id: string;
  readonly number: number;
  readonly name: string;
  readonly zone: string | null;
  readonly metadata_json: string;
  readonly hosts_json: string;
  readonly created_at_us: number;
  readonly updated_at_us: number | null;
};

/** What was asked of a server, by whom, and what became of it. */
export type ActionRow = {
  readonly id: string;
  readonly server_id: string;
  readonly request_id: string;
  readonly action: string;
  readonly project_id: string;
  readonly user_id: string;
  readonly host: string | null;
  readonly message: string | null;
  readonly detail: string | null;
  readonly started_at_us: number;
  readonly ended_at_us: number | null;
};

export type ConsoleRow = {
  readonly id: string;
  readonly server_id: string;
  readonly kind: string;
  readonly until_us: number;
};

export type MigrationRow = {
  readonly id: string;
  readonly number: number;
  readonly server_id: string;
  readonly kind: string;
  readonly status: string;
  readonly source_host: string;
  readonly target_host: string;
  readonly old_flavor: string;
  readonly new_flavor: string;
  readonly project_id: string;
  readonly user_id: string;
  readonly created_at_us: number;
  readonly updated_at_us: number;
};

/** A host in another process, as it may join. */
export type MemberRow = {
  readonly name: string;
  /** Its address among the hosts, with the prefix length; the first of the range is the controller's own machine. */
  readonly tunnel: string;
  /** SHA-256 of the one certificate that counts. */
  readonly fingerprint: string;
  readonly created_at_us: number;
};

export type ComputeTables = {
  compute_server: ServerRow;
  compute_disk: DiskRow;
  compute_port: PortRow;
  compute_flavor: FlavorRow;
  compute_flavor_access: FlavorAccessRow;
  compute_keypair: KeypairRow;
  compute_host: HostRow;
  compute_allocation: AllocationRow;
  compute_group: GroupRow;
  compute_aggregate: AggregateRow;
  compute_action: ActionRow;
  compute_console: ConsoleRow;
  compute_migration: MigrationRow;
  compute_member: MemberRow;
};
