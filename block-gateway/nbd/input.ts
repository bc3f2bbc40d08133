/** The bytes of a handshake as they come in, taken in pieces of the sizes that the protocol says. */
import type { Failure } from '#common';

export class HandshakeInput {
  private pieces: Buffer[] = [];
  private available = 0;
  private ended: Failure | undefined;
  private waiting:
    | { readonly bytes: number; resolve(piece: Buffer): void; reject(failure: Failure): void }
    | undefined;
  private readonly bytesMax: number;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** False when more came than any handshake has. */
  push(piece: Buffer): boolean {
    this.pieces.push(Buffer.from(piece));
    this.available += piece.length;
    this.serve();
    return this.available <= this.bytesMax;
  }

  end(failure: Failure): void {
    this.ended ??= failure;
    this.waiting?.reject(failure);
    this.waiting = undefined;
  }

  take(bytes: number): Promise<Buffer> {
    if (this.ended !== undefined) return Promise.reject(this.ended);
    return new Promise((resolve, reject) => {
      this.waiting = { bytes, resolve, reject };
      this.serve();
    });
  }

  /** What came after the handshake. */
  rest(): Buffer {
    const rest = Buffer.concat(this.pieces);
    this.pieces = [];
    this.available = 0;
    return rest;
  }

  private serve(): void {
    const waiting = this.waiting;
    if (waiting === undefined || this.available < waiting.bytes) return;
    const whole = Buffer.concat(this.pieces);
    this.pieces = [whole.subarray(waiting.bytes)];
    this.available -= waiting.bytes;
    this.waiting = undefined;
    waiting.resolve(whole.subarray(0, waiting.bytes));
  }
}
