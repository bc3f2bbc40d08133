/** The key manager's tables. Times are microseconds since 1970; `owner` of access lists and consumers is a secret or a container. */

export type SecretRow = {
  readonly id: string;
  readonly project_id: string;
  readonly creator_id: string;
  readonly name: string | null;
  readonly secret_type: string;
  readonly algorithm: string | null;
  readonly bit_length: number | null;
  readonly mode: string | null;
  /** Normalized; null as long as there is no payload. */
  readonly content_type: string | null;
  /** Sealed (`sealing.ts`), as base64. */
  readonly payload: string | null;
  /** The payload's key, sealed by the cloud's key store. */
  readonly sealed_key: string | null;
  readonly expires_at_us: number | null;
  readonly created_at_us: number;
  readonly updated_at_us: number;
};

export type OwnerKind = 'secret' | 'container';

export type MetadatumRow = {
  readonly secret_id: string;
  readonly name: string;
  readonly value: string;
};

export type AclRow = {
  readonly owner_id: string;
  readonly operation: string;
  readonly project_access: number;
  readonly users_json: string;
  readonly created_at_us: number;
  readonly updated_at_us: number;
};

/** Of a secret `name`, `kind`, `target` are service, resource type and resource id; of a container name and URL. */
export type ConsumerRow = {
  readonly id: string;
  readonly owner_id: string;
  readonly project_id: string;
  readonly name: string;
  readonly kind: string;
  readonly target: string;
  readonly created_at_us: number;
  readonly updated_at_us: number;
};

export type ContainerRow = {
  readonly id: string;
  readonly project_id: string;
  readonly creator_id: string;
  readonly name: string | null;
  readonly type: string;
  readonly created_at_us: number;
  readonly updated_at_us: number;
};

export type MemberRow = {
  readonly container_id: string;
  readonly secret_id: string;
  /** '' for one without a name. */
  readonly name: string;
};

/** What an order's status is follows from what it led to, or why it did not. */
export type OrderRow = {
  readonly id: string;
  readonly project_id: string;
  readonly creator_id: string;
  readonly type: string;
  readonly meta_json: string;
  readonly secret_id: string | null;
  readonly container_id: string | null;
  readonly failure: string | null;
  readonly created_at_us: number;
  readonly updated_at_us: number;
};

export type StoreRow = {
  readonly id: string;
  readonly name: string;
  readonly created_at_us: number;
};

export type PreferredStoreRow = {
  readonly project_id: string;
  readonly store_id: string;
};

export type SecretTables = {
  readonly secret: SecretRow;
  readonly secret_metadatum: MetadatumRow;
  readonly secret_acl: AclRow;
  readonly secret_consumer: ConsumerRow;
  readonly secret_container: ContainerRow;
  readonly secret_container_member: MemberRow;
  readonly secret_order: OrderRow;
  readonly secret_store: StoreRow;
  readonly secret_preferred_store: PreferredStoreRow;
};
