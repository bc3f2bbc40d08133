/**
 * Cuts what comes from a socket into messages: 4 bytes of length, big-endian, then so many bytes. A length of 0 says only
 * that the other end is alive. Bytes of a large message are received where they will stay; small ones are copied
 * out of a buffer that is used again and again.
 */
import type { LentBuffers } from '#common';
import { badMessage } from '../codec/decoder.ts';

export const lengthBytes = 4;
const receiveBytes = 64 * 1024;
/** Below this, a message gets a slice of Node's pool. */
const ownMemoryMin = 4096;
/** Less than this is not worth a read of its own. */
const directBytesMin = 16 * 1024;

export interface MessageReaderParts {
  readonly bytesMax: number;
  /** Memory of large messages. */
  readonly buffers: LentBuffers;
  readonly take: (message: Buffer) => void;
}

export class MessageReader {
  private readonly parts: MessageReaderParts;
  private readonly received = Buffer.allocUnsafeSlow(receiveBytes);
  private readonly head = Buffer.alloc(lengthBytes);
  private headFilled = 0;
  private message: Buffer | undefined;
  private filled = 0;
  private stopped = false;

  constructor(parts: MessageReaderParts) {
    this.parts = parts;
  }

  /** Where the next bytes should be put. */
  room(): Buffer {
    const { message, filled } = this;
    if (message === undefined || message.length - filled < directBytesMin) return this.received;
    return message.subarray(filled);
  }

  /** So many bytes were put at the beginning of `room`, which is what `room()` gave. */
  arrived(room: Buffer, count: number): void {
    if (room.buffer === this.received.buffer) this.push(this.received.subarray(0, count));
    else this.grow(count);
  }

  /** Takes bytes that lie elsewhere; they are copied. Throws a bad-message Failure, and then it is of no more use. */
  push(bytes: Buffer): void {
    for (let at = 0; at < bytes.length && !this.stopped; ) {
      if (this.message === undefined) {
        at += this.readHead(bytes, at);
        continue;
      }
      const count = bytes.copy(this.message, this.filled, at);
      at += count;
      this.grow(count);
    }
  }

  /** Takes no more, not even what was pushed already. */
  stop(): void {
    this.stopped = true;
    this.message = undefined;
  }

  private readHead(bytes: Buffer, at: number): number {
    const count = bytes.copy(this.head, this.headFilled, at);
    this.headFilled += count;
    if (this.headFilled === lengthBytes) {
      this.headFilled = 0;
      this.begin(this.head.readUInt32BE());
    }
    return count;
  }

  private begin(length: number): void {
    if (length === 0) return;
    if (length > this.parts.bytesMax) throw badMessage('larger than messages may be');
    this.filled = 0;
    this.message =
      length < ownMemoryMin
        ? Buffer.allocUnsafe(length)
        : this.parts.buffers.take(length).subarray(0, length);
  }

  private grow(count: number): void {
    const { message } = this;
    if (message === undefined) return;
    this.filled += count;
    if (this.filled < message.length) return;
    this.message = undefined;
    this.parts.take(message);
  }
}
