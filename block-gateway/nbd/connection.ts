/** One NBD client, from its first byte to its last. */
import type { Socket } from 'node:net';
import { type Clock, Failure, isFailure, type Logger, messageOf } from '#common';
import type { BlockGatewaySettings } from '../settings.ts';
import type { NbdAttachment, NbdClient, NbdExports } from './exports.ts';
import { handshakeBytesMax, negotiate } from './handshake.ts';
import { HandshakeInput } from './input.ts';
import { Link } from './link.ts';
import { type IoBuffers, ReplyWriter } from './reply-writer.ts';
import type { NbdTls } from './tls.ts';
import { Transmission } from './transmission.ts';

export interface ConnectionOptions {
  readonly socket: Socket;
  /** Who comes this way. */
  readonly client: Pick<NbdClient, 'local' | 'host'>;
  readonly exports: NbdExports;
  readonly settings: BlockGatewaySettings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly tls?: NbdTls;
  readonly buffers: IoBuffers;
  /** The handshake is over, one way or the other. */
  readonly negotiated: () => void;
  /** The client is gone. */
  readonly ended: () => void;
}

export class Connection {
  private readonly options: ConnectionOptions;
  private readonly input = new HandshakeInput(handshakeBytesMax);
  private readonly link: Link;
  private transmission: Transmission | undefined;
  private attachment: NbdAttachment | undefined;
  /** What came while no more requests could be begun. */
  private carried: Buffer = Buffer.alloc(0);
  private closed = false;

  constructor(options: ConnectionOptions) {
    this.options = options;
    this.link = new Link(options.socket, {
      received: (bytes) => this.receive(bytes),
      ended: () => this.end(),
      failed: (error) => options.log.debug({ err: error }, 'an NBD socket failed'),
    });
  }

  /** The whole handshake; what follows happens as bytes come in. */
  async start(): Promise<void> {
    const { exports, settings, clock, tls, client } = this.options;
    // A host has proven who it is before it comes here.
    const known = client.local || client.host !== undefined;
    const timer = clock.after(settings.handshakeTimeoutMs, () =>
      this.fail(new Failure('invalid', 'nbd-handshake-slow', 'The NBD handshake took too long')),
    );
    try {
      const done = await negotiate({
        input: this.input,
        exports,
        client: { ...client, tls: false },
        tlsNeeded: settings.nbdTls !== 'offered' && !known,
        proofNeeded: settings.nbdTls === 'mutual' && !known,
        send: (bytes) => {
          if (!this.closed) this.link.write(bytes);
        },
        cut: () => this.destroy(),
        ...(tls === undefined ? {} : { secure: () => this.link.secure(tls) }),
      });
      if (done === undefined) this.link.end();
      else this.transmit(done);
    } catch (error) {
      this.fail(isFailure(error) ? error : brokenTls(error));
    } finally {
      timer.cancel();
      this.options.negotiated();
    }
  }

  /** Cuts the client off. */
  destroy(): void {
    this.link.destroy();
  }

  /** Takes bytes that are valid during the call only; false when no more may come until the socket is resumed. */
  private receive(bytes: Buffer): boolean {
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
  private end(): void {
    this.options.ended();
    if (this.closed) return;
    this.closed = true;
    this.input.end(new Failure('closed', 'nbd-gone', 'The NBD client is gone'));
    this.attachment?.release();
    this.attachment = undefined;
  }

  private transmit(done: Awaited<ReturnType<typeof negotiate>> & object): void {
    const { settings, buffers, log } = this.options;
    if (this.closed) {
      done.attachment.release();
      return;
    }
    this.attachment = done.attachment;
    const { link } = this;
    link.transmit();
    const replies = new ReplyWriter(link.stream, buffers, () => this.transmission?.noteSent());
    this.transmission = new Transmission({
      attachment: done.attachment,
      contexts: done.contexts,
      replies,
      buffers,
      structured: done.structured,
      requestsMax: settings.requestsInFlightMax,
      bytesMax: settings.requestBytesInFlightMax,
      log,
      ended: () => link.end(),
      resume: () => this.resume(),
    });
    const rest = this.input.rest();
    if (rest.length > 0 && !this.receive(rest)) link.pause();
  }

  private feed(bytes: Buffer): boolean {
    const taken = this.transmission?.receive(bytes) ?? 0;
    if (taken === bytes.length) return true;
    this.carried = Buffer.from(bytes.subarray(taken));
    return false;
  }

  private resume(): void {
    // A socket that was destroyed calls back for all it didn't send; nobody waits for the replies to what is carried.
    if (this.closed || !this.link.writable) return;
    const { carried } = this;
    this.carried = Buffer.alloc(0);
    if (carried.length === 0 || this.receive(carried)) this.link.resume();
  }

  private fail(error: unknown): void {
    const { log } = this.options;
    if (!this.closed) log.info({ reason: messageOf(error) }, 'an NBD connection was cut');
    this.link.destroy();
    this.end();
    if (!(error instanceof Failure) || error.kind === 'bug') throw error;
  }
}

/** Whatever OpenSSL complains of, the client is to blame for. */
function brokenTls(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error;
  return new Failure('invalid', 'nbd-tls', 'The TLS handshake failed', { cause: error });
}
