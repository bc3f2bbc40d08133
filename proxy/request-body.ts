/**
 * The body of a request, taken off the wire as it is wanted: a few chunks are held, then the socket is paused. A client that
 * pauses for longer than `idleMs`, or leaves, ends it with a failure.
 */
import { Buffer } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Clock, lendForeign, type Timer } from '#common';
import { objectFailure } from './objects/failures.ts';

export interface RequestBodyOptions {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly clock: Clock;
  readonly idleMs: number;
  /** The client waits for `100 Continue`, which the first read sends. */
  readonly expectsContinue: boolean;
}

// Bytes held before the socket is paused; with the socket's own buffer this bounds what an unread body takes.
const heldBytesMax = 65_536;

const lengthForm = /^\d{1,15}$/;

export class RequestBody implements AsyncIterable<Buffer> {
  /** What `Content-Length` says; undefined for a chunked body. A request without either has 0. */
  readonly length: number | undefined;
  private readonly options: RequestBodyOptions;
  private held: Buffer[] = [];
  private heldBytes = 0;
  private started = false;
  private ended: boolean;
  private failure: unknown;
  private isAbandoned = false;
  private wake: (() => void) | undefined;
  private timer: Timer | undefined;
  private activeMs = 0;

  constructor(options: RequestBodyOptions) {
    this.options = options;
    const { headers } = options.request;
    const said = headers['content-length'];
    if (said !== undefined) this.length = lengthForm.test(said) ? Number(said) : 0;
    else if (headers['transfer-encoding'] === undefined) this.length = 0;
    this.ended = this.length === 0;
  }

  /** Header lines that came behind a chunked body; complete once it has ended. */
  get trailers(): readonly string[] {
    return this.options.request.rawTrailers;
  }

  /** Whether all of it was taken off the wire. */
  get isDone(): boolean {
    return this.ended;
  }

  /** The whole body, when it is at most `maxBytes`; `body-too-large` otherwise. */
  async whole(maxBytes: number): Promise<Buffer> {
    if ((this.length ?? 0) > maxBytes) throw this.tooLarge(maxBytes);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for (;;) {
      const chunk = this.held.shift() ?? (await this.next());
      if (chunk === undefined) break;
      this.took(chunk);
      bytes += chunk.length;
      if (bytes > maxBytes) throw this.tooLarge(maxBytes);
      chunks.push(chunk);
    }
    const [first] = chunks;
    return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, bytes);
  }

  /** Each chunk is lent: whoever is the last to look at it may give it back. */
  async *[Symbol.asyncIterator](): AsyncIterator<Buffer> {
    for (;;) {
      const chunk = this.held.shift() ?? (await this.next());
      if (chunk === undefined) return;
      this.took(chunk);
      yield lendForeign(chunk);
    }
  }

  private took(chunk: Buffer): void {
    this.heldBytes -= chunk.length;
    if (!this.ended && this.heldBytes < heldBytesMax && this.options.request.isPaused())
      this.options.request.resume();
  }

  private async next(): Promise<Buffer | undefined> {
    for (;;) {
      const chunk = this.held.shift();
      if (chunk !== undefined) return chunk;
      if (this.failure !== undefined) throw this.failure;
      if (this.ended) return undefined;
      this.start();
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        this.watch();
      });
    }
  }

  private start(): void {
    if (this.started) return;
    this.started = true;
    const { request, response } = this.options;
    if (this.options.expectsContinue) response.writeContinue();
    request.on('data', (chunk: Buffer) => {
      if (this.isAbandoned) return;
      this.held.push(chunk);
      this.heldBytes += chunk.length;
      if (this.heldBytes >= heldBytesMax) request.pause();
      this.stir();
    });
    request.on('end', () => {
      this.ended = true;
      this.stir();
    });
    const gone = (cause?: unknown) => {
      if (!this.ended)
        this.fail(
          objectFailure('body-aborted', 'The client left before the body ended', { cause }),
        );
    };
    request.on('error', gone);
    request.on('close', () => gone());
    // Before the first read the client may have left already, and 'close' will not be said again.
    if (request.destroyed && !request.readableEnded) gone();
  }

  private stir(): void {
    const { wake } = this;
    if (wake === undefined) return;
    this.wake = undefined;
    wake();
  }

  private fail(failure: unknown): void {
    this.failure ??= failure;
    this.timer?.cancel();
    this.stir();
  }

  // One timer per idle period, not per chunk: it looks whether anything came since it was set.
  private watch(): void {
    this.activeMs = this.options.clock.monotonicMs();
    if (this.timer === undefined) this.arm(this.options.idleMs);
  }

  private arm(delayMs: number): void {
    this.timer = this.options.clock.after(delayMs, () => {
      this.timer = undefined;
      if (this.ended || this.failure !== undefined || this.wake === undefined) return;
      const leftMs = this.activeMs + this.options.idleMs - this.options.clock.monotonicMs();
      if (leftMs > 0) return this.arm(leftMs);
      this.fail(
        objectFailure('body-timeout', 'The client paused for too long while sending', {
          facts: { idleMs: this.options.idleMs },
        }),
      );
    });
  }

  private tooLarge(maxBytes: number): Error {
    return objectFailure('body-too-large', 'The body is larger than this request may bring', {
      facts: { max: maxBytes },
    });
  }

  /** Nobody reads on: what still comes is dropped, and holds nothing up. */
  abandon(): void {
    this.isAbandoned = true;
    this.held = [];
    this.heldBytes = 0;
    this.options.request.resume();
  }

  /** Stops watching; called when the exchange is over. */
  close(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }
}
