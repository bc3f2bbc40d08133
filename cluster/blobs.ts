/**
 * Replicated blobs: immutable runs of bytes with a random id.
 *
 * Chunks are handed over for good: a slow replica may still be taking them after the call was answered by a majority, so
 * the caller may not change them any more.
 */
import type { Fence } from '#wire';
import type { Code } from './erasure/code.ts';

export interface BlobRef {
  /** 32 lower-case hex digits, 38 of an erasure-coded one. */
  readonly id: string;
  readonly length: number;
}

export interface BlobOptions {
  /** Given by callers that must know it beforehand (a volume's segments); otherwise random. */
  readonly id?: string;
  readonly fence?: Fence;
  /** Stored in fragments instead of copies; such a blob has no id given and no fence. */
  readonly code?: Code | undefined;
  readonly lengthHint?: number;
  /**
   * `put` only: called once, when every replica that was given the chunks has ended, those that a majority did not wait for included; it
   * may be long after `put` has ended, or never while a device hangs. Whoever uses their memory again must wait for it.
   */
  readonly onReleased?: (how: Release) => void;
}

/** `free`: nobody reads the chunks any more. `unknown`: one was out of reach, so bytes may still be on their way to it, and nothing may be written there. */
export type Release = 'free' | 'unknown';

/** A blob being streamed to its replicas; at most `blobBytesMax` in all. */
export interface ClusterBlobWriter {
  readonly id: string;
  /**
   * Resolves when a majority can take more. `onReleased` is called once, when no replica looks at these chunks any more; never
   * when one of them failed.
   */
  append(chunks: readonly Buffer[], onReleased?: () => void): Promise<void>;
  /** Resolves when a majority has the blob on disk. */
  commit(): Promise<BlobRef>;
  /** Never throws. */
  abort(): Promise<void>;
}

/** Failures: `unreachable` no-quorum, `missing` blob-missing, `corrupt` blob-corrupt (no good copy was found), `denied` fenced. */
export interface Blobs {
  put(chunks: readonly Buffer[], options?: BlobOptions): Promise<BlobRef>;
  open(options?: BlobOptions): Promise<ClusterBlobWriter>;
  /** Bytes from `offset`, at most 1 MiB; fewer only at the end. A replica that is slow or bad is passed over. */
  read(id: string, offset: number, length: number): Promise<Buffer>;
  /** The range as a stream of buffers, read ahead by one. `blobLength`, where it is known, saves asking for it. */
  stream(id: string, offset: number, length: number, blobLength?: number): AsyncIterable<Buffer>;
  stat(id: string): Promise<BlobRef | undefined>;
  delete(id: string): Promise<void>;
  /** Refuses, on a majority of every device set, writes of the scope below `epoch`. */
  raiseFence(fence: Fence): Promise<void>;
}
