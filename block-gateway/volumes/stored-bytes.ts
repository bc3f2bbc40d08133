/** Bytes that lie in blobs of the store, one blob after the other, as those of a large object do. */

export interface StoredBlob {
  readonly id: string;
  readonly length: number;
}

export interface StoredBytes {
  readonly sizeBytes: number;
  /**
   * The blobs, in order, kept under this name until it is released, whoever else deletes what they are of; undefined when the bytes can only be
   * read (small ones, encrypted ones). May be repeated.
   */
  hold(name: string): Promise<readonly StoredBlob[] | undefined>;
  /** All of them. */
  read(): AsyncIterable<Buffer>;
}

/** Who keeps blobs for volumes. */
export interface BlobHolds {
  /** Nothing of this name is needed any more; may be repeated. */
  release(name: string): Promise<void>;
}
