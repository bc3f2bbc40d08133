/**
 * The byte stream under a connection, in its three forms: plain while the handshake lasts, TLS once the client asked for it, and, when it
 * stayed plain, with a receive buffer of its own during transmission. That one needs `onread`, which Node offers for outgoing sockets only: a new
 * socket takes over the handle of the accepted one. It saves an allocation of 64 KiB for every read.
 */
import { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { Failure } from '#common';
import { assert } from '../volume/assert.ts';
import type { NbdClient } from './exports.ts';
import { type NbdTls, pskHint } from './tls.ts';

const receiveBytes = 256 * 1024;

export interface LinkEvents {
  /** Bytes that are valid during the call only; false when no more may come until `resume`. */
  readonly received: (bytes: Buffer) => boolean;
  readonly ended: () => void;
  readonly failed: (error: Error) => void;
}

export class Link {
  private readonly accepted: Socket;
  private readonly events: LinkEvents;
  private socket: Socket;
  private over = false;

  constructor(accepted: Socket, events: LinkEvents) {
    this.accepted = accepted;
    this.events = events;
    this.socket = accepted;
    this.listen(accepted);
    accepted.on('data', this.hear);
    accepted.resume();
  }

  /** Where replies are written. */
  get stream(): Socket {
    return this.socket;
  }

  get writable(): boolean {
    return this.socket.writable;
  }

  write(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  end(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy();
    this.accepted.destroy();
  }

  /** From the next byte on everything is TLS, in both directions. Resolves with what is known of the client then. */
  async secure(tls: NbdTls): Promise<Pick<NbdClient, 'tls' | 'identity' | 'subject'>> {
    const { accepted } = this;
    accepted.off('data', this.hear);
    let identity: string | undefined;
    const { pskOf } = tls;
    const psk =
      pskOf === undefined
        ? {}
        : {
            pskIdentityHint: pskHint,
            pskCallback: (_socket: unknown, claimed: string) => {
              identity = claimed;
              return pskOf(claimed) ?? null;
            },
          };
    const secured: TLSSocket = new TLSSocket(accepted, {
      isServer: true,
      secureContext: tls.context,
      requestCert: tls.certified,
      rejectUnauthorized: false,
      ...psk,
    });
    this.socket = secured;
    this.listen(secured);
    await new Promise<void>((resolve, reject) => {
      secured.once('secure', resolve);
      secured.once('error', reject);
      secured.once('close', () => reject(new Failure('closed', 'nbd-gone', 'The client is gone')));
    });
    secured.on('data', this.hear);
    const subject = secured.authorized ? subjectOf(secured) : undefined;
    return {
      tls: true,
      ...(identity === undefined ? {} : { identity }),
      ...(subject === undefined ? {} : { subject }),
    };
  }

  /** The handshake is over: a plain stream gets its receive buffer. Nothing may be waited for between this and taking what came before. */
  transmit(): void {
    if (this.socket !== this.accepted || this.over) return;
    const { accepted } = this;
    accepted.off('data', this.hear);
    const handle: unknown = Reflect.get(accepted, '_handle');
    if (handle === null || handle === undefined) return;
    const stop: unknown = Reflect.get(handle as object, 'readStop');
    if (typeof stop === 'function') stop.call(handle);
    // Or the new socket would believe that somebody reads already.
    Reflect.set(handle as object, 'reading', false);
    // What the handshake wrote went out at once, or waits in the kernel's queue of the handle itself.
    Reflect.set(accepted, '_handle', null);
    const buffer = Buffer.allocUnsafeSlow(receiveBytes);
    const socket: unknown = Reflect.construct(Socket, [
      {
        handle,
        allowHalfOpen: true,
        onread: { buffer, callback: (count: number) => this.hear(buffer.subarray(0, count)) },
      },
    ]);
    assert(socket instanceof Socket, 'a socket was constructed');
    socket.setNoDelay(true);
    this.socket = socket;
    this.listen(socket);
    socket.resume();
  }

  private readonly hear = (bytes: Buffer): boolean => {
    const more = this.events.received(bytes);
    if (!more) this.socket.pause();
    return more;
  };

  private listen(socket: Socket): void {
    socket.on('error', this.events.failed);
    socket.on('end', () => {
      if (socket === this.socket) socket.end();
    });
    socket.on('close', () => {
      if (socket !== this.socket || this.over) return;
      this.over = true;
      // Without a handle, or under TLS, the listener still counts it.
      this.accepted.destroy();
      this.events.ended();
    });
  }
}

function subjectOf(socket: TLSSocket): string | undefined {
  const { subject } = socket.getPeerCertificate();
  const name: unknown = subject?.CN;
  return typeof name === 'string' ? name : undefined;
}
