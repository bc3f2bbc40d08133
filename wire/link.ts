/**
 * What carries messages between two nodes, in order, until it ends: a gRPC stream or a socket with frames. Everything above
 * (requests, replies, deadlines, bounds) is the same over both.
 */
import type { Failure, LentBuffers } from '#common';

export interface LinkEvents {
  /** A message of one frame or more; it belongs to the receiver. */
  message(message: Buffer): void;
  /** Called once, when nothing more will come; `why` is absent when the other end left in good order. */
  ended(why?: unknown): void;
}

export type Sent = (error?: Error | null) => void;

export interface Link {
  /** Blank bytes that a message must begin with, for the link's own use. */
  readonly headBytes: number;
  /** A blob is sent in parts of at most this size. */
  readonly partBytesMax: number;
  /** Where the memory of large messages comes from, when it may be given back. */
  readonly buffers?: LentBuffers;
  /** Who is at the other end, for logs. */
  readonly peer: string;
  /** Must be called in the turn in which the link was made. */
  start(events: LinkEvents): void;
  /** Sends one message that lies in pieces; `sent` is called when it has left, or with an error when it may not have. */
  write(pieces: readonly Buffer[], sent: Sent): void;
  /** Stops reading, and so in time holds the other end back. */
  pause(): void;
  resume(): void;
  /** Tells the other end why, and ends. */
  refuse(why: Failure): void;
  /** Ends when everything written has left. */
  end(): void;
  /** Ends at once. */
  destroy(): void;
}
