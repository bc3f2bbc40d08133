/** One NBD client, from its first byte to its last. */
import type { Socket } from 'node:net';
import { type Clock, Failure, type Logger, messageOf } from '#common';
import type { BlockGatewaySettings } from '../settings.ts';
import type { NbdAttachment, NbdExports } from './exports.ts';
import { handshakeBytesMax, negotiate } from './handshake.ts';
import { HandshakeInput } from './input.ts';
import { type IoBuffers, ReplyWriter } from './reply-writer.ts';
import { Transmission } from './transmission.ts';

export interface ConnectionOptions {
  readonly socket: Socket;
  readonly exports: NbdExports;
  readonly settings: BlockGatewaySettings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly buffers: IoBuffers;
  /** The handshake is over, one way or the other. */
  readonly negotiated: () => void;
}

export class Connection {
  private readonly options: ConnectionOptions;
  private readonly input = new HandshakeInput(handshakeBytesMax);
  private transmission: Transmission | undefined;
  private attachment: NbdAttachment | undefined;
  /** What came while no more requests could be begun. */
  private carried: Buffer = Buffer.alloc(0);
  private closed = false;

  constructor(options: ConnectionOptions) {
    this.options = options;
  }

  /** The whole handshake; what follows happens as bytes come in. */
  async start(): Promise<void> {
    const { socket, exports, settings, clock } = this.options;
    const timer = clock.after(settings.handshakeTimeoutMs, () =>
      this.fail(new Failure('invalid', 'nbd-handshake-slow', 'The NBD handshake took too long')),
    );
    try {
      const send = (bytes: Buffer) => {
        if (!this.closed) socket.write(bytes);
      };
      const done = await negotiate({ input: this.input, send, exports });
      if (done === undefined) socket.end();
      else this.transmit(done);
    } catch (error) {
      this.fail(error);
    } finally {
      timer.cancel();
      this.options.negotiated();
    }
  }

  /** Takes bytes that are valid during the call only; false when no more may come until the socket is resumed. */
  receive(bytes: Buffer): boolean {
    if (this.closed) return false;
    try {
      if (this.transmission === undefined) {
        if (this.input.push(bytes)) return true;
        throw new Failure('invalid', 'nbd-handshake', 'The NBD handshake is too long');
      }
      return this.feed(bytes);
    } catch (error) {
      this.fail(error);
      return false;
    }
  }

  /** The socket is gone. */
  end(): void {
    if (this.closed) return;
    this.closed = true;
    this.input.end(new Failure('closed', 'nbd-gone', 'The NBD client is gone'));
    this.attachment?.release();
    this.attachment = undefined;
  }

  private transmit(done: Awaited<ReturnType<typeof negotiate>> & object): void {
    const { socket, settings, buffers, log } = this.options;
    if (this.closed) {
      done.attachment.release();
      return;
    }
    this.attachment = done.attachment;
    const replies = new ReplyWriter(socket, buffers, () => this.transmission?.noteSent());
    this.transmission = new Transmission({
      device: done.attachment.device,
      replies,
      buffers,
      structured: done.structured,
      allocationContext: done.allocationContext,
      requestsMax: settings.requestsInFlightMax,
      bytesMax: settings.requestBytesInFlightMax,
      log,
      ended: () => socket.end(),
      resume: () => this.resume(),
    });
    const rest = this.input.rest();
    if (rest.length > 0 && !this.receive(rest)) socket.pause();
  }

  private feed(bytes: Buffer): boolean {
    const taken = this.transmission?.receive(bytes) ?? 0;
    if (taken === bytes.length) return true;
    this.carried = Buffer.from(bytes.subarray(taken));
    return false;
  }

  private resume(): void {
    // A socket that was destroyed calls back for all it didn't send; nobody waits for the replies to what is carried.
    if (this.closed || !this.options.socket.writable) return;
    const { carried } = this;
    this.carried = Buffer.alloc(0);
    if (carried.length === 0 || this.receive(carried)) this.options.socket.resume();
  }

  private fail(error: unknown): void {
    const { socket, log } = this.options;
    if (!this.closed) log.info({ reason: messageOf(error) }, 'an NBD connection was cut');
    socket.destroy();
    this.end();
    if (!(error instanceof Failure) || error.kind === 'bug') throw error;
  }
}
