/** A raw image that lies in the store as blobs one after another, as a large object does. */

export interface ImageMap {
  /** In order; the image is their bytes one after another. */
  readonly blobs: readonly { readonly id: string; readonly length: number }[];
  /** Keeps the blobs from being deleted while any volume made from them, or from its snapshots, lives. */
  readonly hold: string;
}
