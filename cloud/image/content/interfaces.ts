/** What the image service needs of storage; `cli/` hands it in. */

export interface StoredContent {
  readonly sizeBytes: number;
  /** Leaving the iteration early stops reading. */
  read(offset: number, length: number): AsyncIterable<Buffer>;
}

/** Whole files by name, kept under a service account. */
export interface ContentStore {
  /** An error thrown by `body` ends it with nothing stored. Returns the MD5 (hex) when the store computes one anyway. */
  put(
    name: string,
    body: AsyncIterable<Buffer>,
    lengthBytes?: number,
  ): Promise<{ readonly md5: string }>;
  /** Fails `missing`. */
  open(name: string): Promise<StoredContent>;
  /** May be repeated: what is not there is deleted already. */
  delete(name: string): Promise<void>;
}

export interface NewImageVolume {
  readonly id: string;
  readonly sizeBytes: number;
  readonly bytes: AsyncIterable<Buffer>;
}

/** Volumes that hold what a guest sees of an image. */
export interface ImageVolumes {
  /** Makes the volume, or says it is there from an earlier attempt; returns its id. */
  ensure(volume: NewImageVolume): Promise<string>;
  /** A sealed clone of a snapshot under this id, made or found; returns its volume's id. */
  clone(
    id: string,
    source: { readonly volume: string; readonly snapshot: string },
  ): Promise<string>;
  /** The content of the volume under this id. */
  open(id: string): Promise<StoredContent>;
  /** The volume that `ensure` or `clone` made under this id, if they did; may be repeated. */
  delete(id: string): Promise<void>;
}

/** An object of a user's as it was when its reader asked for it to become an image. */
export interface SourceObject {
  readonly account: string;
  readonly container: string;
  readonly object: string;
  /** What it must still be when its turn comes. */
  readonly etag: string;
  readonly sizeBytes: number;
  /** Of other objects, which its reader was asked for too; what was none must not have become one. */
  readonly isManifest?: boolean | undefined;
}

export interface SourceReader {
  readonly token: string;
  readonly projectId: string | undefined;
}

/** The objects of the cloud's users. */
export interface UserObjects {
  /**
   * The object that a URI means, when it is one of this cloud's own; undefined for every other URI. Fails `missing` for what is not
   * there or the reader may not read, without telling which.
   */
  find(uri: string, reader: SourceReader): Promise<SourceObject | undefined>;
  /** Makes the content of this name of the object's bytes, by reference; false where they can only be copied. */
  share(source: SourceObject, name: string): Promise<boolean>;
  open(source: SourceObject): Promise<StoredContent>;
}
