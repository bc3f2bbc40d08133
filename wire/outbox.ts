/**
 * What one end of a stream sends: frames gathered into messages. All frames of one turn of the event loop go in one message;
 * a frame that is alone is not made to wait for others.
 */
import { Encoder } from './codec/encoder.ts';
import { writeFrame } from './codec/frames.ts';
import type { Link } from './link.ts';

export interface OutboxParts {
  readonly link: Link;
  readonly batchBytesMax: number;
  /** More than a few calls are in flight: then waiting for the turn's end gathers more than it delays. */
  readonly busy: () => boolean;
  /** Called whenever something was sent. */
  readonly drained: () => void;
}

const spareBytes = 1024;

export class Outbox {
  private readonly parts: OutboxParts;
  private encoder: Encoder | undefined;
  private scheduled = false;
  private unsentBytes = 0;
  private closed = false;
  private lastBytes = 0;

  constructor(parts: OutboxParts) {
    this.parts = parts;
  }

  /** Bytes that have not left yet. */
  get pendingBytes(): number {
    return this.unsentBytes + (this.encoder?.length ?? 0);
  }

  /** A frame in a message of its own; `left` when all its bytes have, and never if that is not certain. */
  sendAlone(id: number, device: number, write: (to: Encoder) => void, left?: () => void): void {
    if (this.closed) return;
    this.flush();
    this.encoder = new Encoder(spareBytes, this.parts.link.headBytes);
    writeFrame(this.encoder, id, device, write);
    this.flush(left);
  }

  send(id: number, device: number, write: (to: Encoder) => void): void {
    if (this.closed) return;
    // Sized like the message before: growing would copy, and a large one for each small frame would cost memory.
    const sizeBytes = Math.min(this.lastBytes, this.parts.batchBytesMax) + spareBytes;
    this.encoder ??= new Encoder(sizeBytes, this.parts.link.headBytes);
    writeFrame(this.encoder, id, device, write);
    if (this.encoder.length >= this.parts.batchBytesMax) this.flush();
    else if (!this.scheduled) this.schedule();
  }

  close(): void {
    this.closed = true;
    this.encoder = undefined;
  }

  private schedule(): void {
    this.scheduled = true;
    if (this.parts.busy()) setImmediate(this.turn);
    else process.nextTick(this.turn);
  }

  private readonly turn = (): void => {
    this.scheduled = false;
    this.flush();
  };

  private flush(left?: () => void): void {
    const { encoder } = this;
    if (encoder === undefined || encoder.length === 0) return;
    this.encoder = undefined;
    const { length } = encoder;
    const pieces = encoder.pieces();
    this.lastBytes = pieces.length === 1 ? length : 0;
    this.unsentBytes += length;
    this.parts.link.write(pieces, (error) => {
      this.unsentBytes -= length;
      if (error === undefined || error === null) left?.();
      this.parts.drained();
    });
  }
}
