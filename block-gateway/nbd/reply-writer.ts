/**
 * The replies of one connection. Those of one turn of the event loop go out in one write, from a buffer that is taken from a pool and goes
 * back when the socket has sent it.
 */

import type { Socket } from 'node:net';
import { nextTick } from 'node:process';
import { giveBack, lendForeign } from '#common';
import type { StatusRun } from './exports.ts';
import { chunk, replyFlagDone, simpleReplyMagic, structuredReplyMagic } from './protocol.ts';

const bufferBytes = 1024 * 1024 + 4096;
const sparesMax = 24;

/** Buffers for replies and for payloads that come in pieces, shared by all connections; they spare the collector a megabyte a request. */
export class IoBuffers {
  private readonly spares: Buffer[] = [];

  /** At least so long; a longer one than usual is made for the purpose and won't come back. */
  take(bytes = bufferBytes): Buffer {
    if (bytes > bufferBytes) return Buffer.allocUnsafeSlow(bytes);
    return this.spares.pop() ?? Buffer.allocUnsafeSlow(bufferBytes);
  }

  /** Of just that length. A large one is part of a shared buffer; memory of others is let go when it comes back. */
  takeExactly(bytes: number): Buffer {
    if (bytes <= bufferBytes / 2 || bytes > bufferBytes)
      return lendForeign(Buffer.allocUnsafeSlow(bytes));
    return this.take().subarray(0, bytes);
  }

  /** What was taken, when nobody looks at it any more. */
  giveBack(buffer: Buffer): void {
    if (buffer.buffer.byteLength !== bufferBytes) giveBack(buffer);
    else if (this.spares.length < sparesMax) this.spares.push(Buffer.from(buffer.buffer));
  }
}

/** What the client calls its request: 64 bits that are only ever sent back. */
export interface Cookie {
  readonly high: number;
  readonly low: number;
}

export class ReplyWriter {
  private readonly socket: Socket;
  private readonly buffers: IoBuffers;
  /** Called when the socket has sent something. */
  private readonly sent: () => void;
  private current: Buffer | undefined;
  private used = 0;
  private scheduled = false;
  /** Bytes that the socket hasn't sent yet. */
  unsentBytes = 0;

  constructor(socket: Socket, buffers: IoBuffers, sent: () => void) {
    this.socket = socket;
    this.buffers = buffers;
    this.sent = sent;
  }

  /** Where the next `bytes` of a reply go; undefined when they are too many for a shared buffer. */
  reserve(bytes: number): { readonly buffer: Buffer; readonly at: number } | undefined {
    if (bytes > bufferBytes) return undefined;
    if (this.current !== undefined && this.used + bytes > bufferBytes) this.flush();
    this.current ??= this.buffers.take();
    return { buffer: this.current, at: this.used };
  }

  /** What was reserved last is filled. */
  commit(bytes: number): void {
    this.used += bytes;
    this.unsentBytes += bytes;
    this.schedule();
  }

  simple(cookie: Cookie, error: number): void {
    const place = this.reserve(16);
    if (place === undefined) return;
    place.buffer.writeUInt32BE(simpleReplyMagic, place.at);
    place.buffer.writeUInt32BE(error, place.at + 4);
    writeCookie(place.buffer, place.at + 8, cookie);
    this.commit(16);
  }

  /** An error in reply to a read or block status of a client that speaks structured replies. */
  structuredError(cookie: Cookie, error: number): void {
    const place = this.reserve(26);
    if (place === undefined) return;
    writeChunkHeader(place.buffer, place.at, chunk.error, cookie, 6);
    place.buffer.writeUInt32BE(error, place.at + 20);
    place.buffer.writeUInt16BE(0, place.at + 24);
    this.commit(26);
  }

  hole(cookie: Cookie, offset: number, length: number): void {
    const place = this.reserve(32);
    if (place === undefined) return;
    writeChunkHeader(place.buffer, place.at, chunk.offsetHole, cookie, 12);
    writeOffset(place.buffer, place.at + 20, offset);
    place.buffer.writeUInt32BE(length, place.at + 28);
    this.commit(32);
  }

  /** One chosen context's answer; `done` when no other follows. */
  blockStatus(
    cookie: Cookie,
    told: { readonly id: number; readonly runs: readonly StatusRun[]; readonly done: boolean },
  ): void {
    const { id, runs, done } = told;
    const bytes = 24 + runs.length * 8;
    const place = this.reserve(bytes);
    if (place === undefined) return;
    writeChunkHeader(place.buffer, place.at, chunk.blockStatus, cookie, bytes - 20);
    if (!done) place.buffer.writeUInt16BE(0, place.at + 4);
    place.buffer.writeUInt32BE(id, place.at + 20);
    for (const [index, run] of runs.entries()) {
      place.buffer.writeUInt32BE(run.bytes, place.at + 24 + index * 8);
      place.buffer.writeUInt32BE(run.flags, place.at + 28 + index * 8);
    }
    this.commit(bytes);
  }

  /** A reply that lies in a buffer of its own, taken from the pool. */
  own(bytes: Buffer): void {
    this.flush();
    this.unsentBytes += bytes.length;
    this.write(bytes, bytes);
  }

  /** Sends what has gathered. */
  flush(): void {
    const { current, used } = this;
    if (current === undefined) return;
    this.current = undefined;
    this.used = 0;
    if (used === 0) this.buffers.giveBack(current);
    else this.write(current.subarray(0, used), current);
  }

  private write(bytes: Buffer, pooled: Buffer | undefined): void {
    this.socket.write(bytes, (error) => {
      this.unsentBytes -= bytes.length;
      // After an error the kernel may still read from it, so such a buffer is left to the collector.
      if (pooled !== undefined && (error === null || error === undefined))
        this.buffers.giveBack(pooled);
      this.sent();
    });
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    // Ticks run when all promises that a turn settled have been followed up, so their replies go together.
    nextTick(() => {
      this.scheduled = false;
      this.flush();
    });
  }
}

export function writeChunkHeader(
  target: Buffer,
  at: number,
  type: number,
  cookie: Cookie,
  length: number,
): void {
  target.writeUInt32BE(structuredReplyMagic, at);
  target.writeUInt16BE(replyFlagDone, at + 4);
  target.writeUInt16BE(type, at + 6);
  writeCookie(target, at + 8, cookie);
  target.writeUInt32BE(length, at + 16);
}

export function writeOffset(target: Buffer, at: number, offset: number): void {
  target.writeUInt32BE(Math.floor(offset / 2 ** 32), at);
  target.writeUInt32BE(offset % 2 ** 32, at + 4);
}

function writeCookie(target: Buffer, at: number, cookie: Cookie): void {
  target.writeUInt32BE(cookie.high, at);
  target.writeUInt32BE(cookie.low, at + 4);
}
