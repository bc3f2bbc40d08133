/**
 * A socket as a link. First the two ends prove themselves (`proof.ts`); what is written before that waits. Then messages,
 * each behind its length, both ways. An end that has sent nothing for `keepaliveMs` says so with a length of 0, and one
 * that has heard nothing for twice as long gives the connection up.
 */
import type { Socket } from 'node:net';
import { type Clock, Failure, LentBuffers, type Random, type Timer } from '#common';
import { Encoder } from '../codec/encoder.ts';
import { messageBytesMax, writeFrame } from '../codec/frames.ts';
import { writeFailed } from '../codec/replies.ts';
import { blobReadBytesMax } from '../device-service.ts';
import type { Link, LinkEvents, Sent } from '../link.ts';
import type { WireSettings } from '../settings.ts';
import { lengthBytes, MessageReader } from './message-reader.ts';
import { Proof } from './proof.ts';

export interface SocketLinkParts {
  readonly side: 'client' | 'server';
  readonly peer: string;
  readonly secret: Buffer;
  readonly settings: WireSettings;
  readonly clock: Clock;
  readonly random: Random;
}

interface Waiting {
  readonly pieces: readonly Buffer[];
  readonly sent: Sent;
}

const nonceBytes = 32;
/** Intervals of silence after which the other end is given up. */
const silenceMax = 2;
const alive = Buffer.alloc(lengthBytes);
const neverSent = new Failure('unreachable', 'connection-lost', 'The connection has ended');

export class SocketLink implements Link {
  readonly headBytes = lengthBytes;
  // Whole reads of a blob: its bytes are not copied here, and arrive in one buffer there.
  readonly partBytesMax = blobReadBytesMax;
  readonly peer: string;
  readonly buffers: LentBuffers;
  private readonly parts: SocketLinkParts;
  private readonly reader: MessageReader;
  private socket: Socket | undefined;
  private events: LinkEvents | undefined;
  private proof: Proof | undefined;
  private waiting: Waiting[] = [];
  private ending = false;
  private failure: unknown;
  private paused = false;
  private quietRounds = 0;
  private wrote = false;
  private heartbeat: Timer | undefined;

  constructor(parts: SocketLinkParts) {
    this.parts = parts;
    this.peer = parts.peer;
    this.buffers = new LentBuffers(parts.settings.receiveBufferBytes);
    this.reader = new MessageReader({
      bytesMax: messageBytesMax,
      buffers: this.buffers,
      take: (message) => this.events?.message(message),
    });
    const nonce = parts.random.bytes(nonceBytes);
    const send = (bytes: Buffer) => this.socket?.write(bytes);
    this.proof = new Proof({ side: parts.side, secret: parts.secret, nonce, send });
  }

  /** For a socket that reads into buffers of its receiver's. */
  readonly onread = {
    buffer: (): Buffer => this.reader.room(),
    callback: (count: number, room: Uint8Array): boolean => {
      // Node hands back what `buffer` gave.
      this.guarded(() => this.arrived(room as Buffer, count));
      return !this.paused;
    },
  };

  attach(socket: Socket): void {
    this.socket = socket;
    socket.on('error', (error) => {
      this.failure ??= error;
    });
    socket.on('end', () => socket.end());
    socket.on('close', () => this.finish());
    this.proof?.start();
    this.beatLater();
  }

  /** For a socket that brings buffers of its own. */
  receive(bytes: Buffer): void {
    this.guarded(() => this.takeBytes(bytes));
  }

  start(events: LinkEvents): void {
    this.events = events;
  }

  write(pieces: readonly Buffer[], sent: Sent): void {
    if (this.proof !== undefined) this.waiting.push({ pieces, sent });
    else this.writeNow(pieces, sent);
  }

  pause(): void {
    this.paused = true;
    this.socket?.pause();
  }

  resume(): void {
    this.paused = false;
    this.quietRounds = 0;
    this.socket?.resume();
  }

  refuse(why: Failure): void {
    if (this.proof === undefined) {
      const encoder = new Encoder(1024, lengthBytes);
      writeFrame(encoder, 0, 0, (to) => writeFailed(to, why));
      this.writeNow(encoder.pieces(), () => undefined);
    }
    this.end();
  }

  end(): void {
    this.ending = true;
    this.reader.stop();
    this.socket?.end();
    // So that the other end's goodbye is noticed.
    this.resume();
  }

  destroy(): void {
    this.reader.stop();
    this.socket?.destroy();
  }

  private arrived(room: Buffer, count: number): void {
    this.quietRounds = 0;
    if (this.proof === undefined) this.reader.arrived(room, count);
    else this.takeBytes(room.subarray(0, count));
  }

  private takeBytes(bytes: Buffer): void {
    this.quietRounds = 0;
    if (this.proof === undefined) {
      this.reader.push(bytes);
      return;
    }
    const rest = this.proof.push(bytes);
    if (rest === undefined) return;
    this.proof = undefined;
    const { waiting } = this;
    this.waiting = [];
    for (const { pieces, sent } of waiting) this.writeNow(pieces, sent);
    if (rest.length > 0) this.reader.push(rest);
  }

  /** Whatever cannot be read ends this connection, and says why. */
  private guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.failure ??= error;
      if (error instanceof Failure) this.refuse(error);
      else this.destroy();
    }
  }

  private writeNow(pieces: readonly Buffer[], sent: Sent): void {
    const { socket } = this;
    const last = pieces.length - 1;
    if (socket === undefined || !socket.writable || last < 0) {
      sent(neverSent);
      return;
    }
    this.wrote = true;
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    pieces[0]?.writeUInt32BE(bytes - lengthBytes, 0);
    if (last > 0) socket.cork();
    pieces.forEach((piece, index) => {
      if (index < last) socket.write(piece);
      else socket.write(piece, sent);
    });
    if (last > 0) socket.uncork();
  }

  private beatLater(): void {
    this.heartbeat = this.parts.clock.after(this.parts.settings.keepaliveMs, () => this.beat());
  }

  private beat(): void {
    if (this.ending || this.quietRounds >= silenceMax) {
      this.failure ??= new Failure('unreachable', 'peer-silent', 'The other end has fallen silent');
      this.destroy();
      return;
    }
    if (!this.paused) this.quietRounds += 1;
    if (!this.wrote && this.proof === undefined) this.socket?.write(alive);
    this.wrote = false;
    this.beatLater();
  }

  private finish(): void {
    this.heartbeat?.cancel();
    this.reader.stop();
    const unsent = this.waiting;
    this.waiting = [];
    for (const { sent } of unsent) sent(neverSent);
    this.events?.ended(this.failure);
  }
}
