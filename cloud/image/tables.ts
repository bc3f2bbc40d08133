/** The image service's tables as rows. Times are microseconds since 1970, flags 0 or 1, documents JSON text. */

/** What is settled about an image; what it is doing right now follows from its transfer, its task and its staged content. */
export type SettledState = 'queued' | 'active' | 'deactivated' | 'killed';

export type ImageRow = {
  id: string;
  owner: string | null;
  name: string | null;
  visibility: string;
  container_format: string | null;
  disk_format: string | null;
  protected: number;
  os_hidden: number;
  min_disk: number;
  min_ram: number;
  state: SettledState;
  /** Why the last attempt to give it data failed; empty when none did. */
  reason: string;
  size: number | null;
  virtual_size: number | null;
  checksum: string | null;
  os_hash_value: string | null;
  content_id: string | null;
  staged_id: string | null;
  created_at_us: number;
  updated_at_us: number;
};

export type PropertyRow = { image_id: string; name: string; value: string };
export type TagRow = { image_id: string; value: string };

export type MemberRow = {
  image_id: string;
  member_id: string;
  status: string;
  created_at_us: number;
  updated_at_us: number;
};

/**
 * Bytes in the object store. `filling`: an upload writes them now. `stored`: whole, and `sha512` is unique among these.
 * `dropping`: nothing refers to them and nothing ever will again; their object is deleted, then the row.
 */
export type ContentRow = {
  id: string;
  state: 'filling' | 'stored' | 'dropping';
  size: number | null;
  md5: string | null;
  sha512: string | null;
  /** What the content was found to be, and what a guest would see of it. */
  format: string | null;
  virtual_size: number | null;
  /** The volume made of it: `none`, `wanted` (an operation makes it), `made`, or `failed` for `volume_reason`. */
  volume_state: 'none' | 'wanted' | 'made' | 'failed';
  volume_id: string | null;
  volume_reason: string;
  /** Where the bytes are when they are no object of ours: JSON, `{"kind":"volume"}` for the volume itself. Null for an object. */
  source: string | null;
  created_at_us: number;
};

/** Somebody is sending an image's bytes right now: alive as long as the lease is renewed. */
export type TransferRow = {
  image_id: string;
  kind: 'saving' | 'uploading';
  content_id: string;
  holder: string;
  lease_until_us: number;
};

export type TaskRow = {
  id: string;
  type: string;
  status: 'pending' | 'processing' | 'success' | 'failure';
  owner: string | null;
  image_id: string | null;
  user_id: string;
  request_id: string;
  input: string;
  result: string | null;
  message: string;
  created_at_us: number;
  updated_at_us: number;
  expires_at_us: number | null;
};

export type NamespaceRow = {
  id: string;
  namespace: string;
  owner: string;
  visibility: string;
  protected: number;
  display_name: string | null;
  description: string | null;
  created_at_us: number;
  updated_at_us: number;
};

export type MetadefKind = 'object' | 'property' | 'tag' | 'resource_type';

export type MetadefRow = {
  namespace_id: string;
  kind: MetadefKind;
  name: string;
  /** JSON object: everything but the name. */
  document: string;
  created_at_us: number;
  updated_at_us: number;
};

export type ImageTables = {
  image_image: ImageRow;
  image_property: PropertyRow;
  image_tag: TagRow;
  image_member: MemberRow;
  image_content: ContentRow;
  image_transfer: TransferRow;
  image_task: TaskRow;
  image_metadef_namespace: NamespaceRow;
  image_metadef_item: MetadefRow;
};
