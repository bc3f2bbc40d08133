/**
 * Writes protobuf (proto3) straight into one growing buffer. Lengths of nested messages are not known beforehand, so
 * they are reserved as 4 bytes and filled in afterwards as an overlong varint, which every decoder accepts.
 */
import { Failure } from '#common';

const lengthBytes = 4;
/** Room beyond a large field, for what follows it. */
const spareBytes = 256;
const lengthMax = 2 ** 28 - 1;

export class Encoder {
  private buffer: Buffer;
  private at = 0;

  constructor(sizeBytes = 4096) {
    this.buffer = Buffer.allocUnsafeSlow(sizeBytes);
  }

  get length(): number {
    return this.at;
  }

  /** What was written; the encoder must not be used any more. */
  finish(): Buffer {
    return this.buffer.subarray(0, this.at);
  }

  /** Forgets everything after `length`. */
  rewind(length: number): void {
    this.at = length;
  }

  uint(field: number, value: number): void {
    if (value === 0) return;
    if (!(value > 0 && Number.isSafeInteger(value))) throw unfit(field);
    this.reserve(14);
    this.varint(field * 8);
    this.varint(value);
  }

  /** One of several numbers in a field, 0 included. */
  element(field: number, value: number): void {
    this.uint(field, value);
    if (value !== 0) return;
    this.reserve(6);
    this.varint(field * 8);
    this.varint(0);
  }

  bool(field: number, value: boolean): void {
    if (value) this.uint(field, 1);
  }

  fixed32(field: number, value: number): void {
    if (!(value >= 0 && value < 2 ** 32 && Number.isInteger(value))) throw unfit(field);
    this.reserve(9);
    this.varint(field * 8 + 5);
    this.at = this.buffer.writeUInt32LE(value, this.at);
  }

  /** A whole number below 2^53. */
  fixed64(field: number, value: number): void {
    if (!(value >= 0 && Number.isSafeInteger(value))) throw unfit(field);
    this.reserve(13);
    this.varint(field * 8 + 1);
    this.at = this.buffer.writeUInt32LE(value % 2 ** 32, this.at);
    this.at = this.buffer.writeUInt32LE(Math.floor(value / 2 ** 32), this.at);
  }

  string(field: number, value: string): void {
    // A lone surrogate would arrive as another character, and so name another row.
    if (!value.isWellFormed()) throw unfit(field);
    this.reserve(value.length * 3 + 5 + lengthBytes);
    this.varint(field * 8 + 2);
    const start = this.at + lengthBytes;
    const written = this.buffer.write(value, start, 'utf8');
    this.fillLength(this.at, written);
    this.at = start + written;
  }

  bytes(field: number, value: Buffer): void {
    this.header(field, value.length);
    this.at += value.copy(this.buffer, this.at);
  }

  /** Bytes that lie in several pieces, as one field. */
  chunks(field: number, pieces: readonly Buffer[], length: number): void {
    this.header(field, length);
    for (const piece of pieces) this.at += piece.copy(this.buffer, this.at);
  }

  /** Opens a nested message; hand the result to `end`. */
  begin(field: number): number {
    this.reserve(5 + lengthBytes);
    this.varint(field * 8 + 2);
    this.at += lengthBytes;
    return this.at;
  }

  end(start: number): void {
    this.fillLength(start - lengthBytes, this.at - start);
  }

  private header(field: number, length: number): void {
    this.reserve(length + 5 + lengthBytes);
    this.varint(field * 8 + 2);
    this.fillLength(this.at, length);
    this.at += lengthBytes;
  }

  private fillLength(at: number, length: number): void {
    if (length > lengthMax)
      throw new Failure('invalid', 'bad-request', 'A message is larger than messages may be');
    const { buffer } = this;
    buffer[at] = (length & 0x7f) | 0x80;
    buffer[at + 1] = ((length >>> 7) & 0x7f) | 0x80;
    buffer[at + 2] = ((length >>> 14) & 0x7f) | 0x80;
    buffer[at + 3] = length >>> 21;
  }

  private varint(value: number): void {
    const { buffer } = this;
    let rest = value;
    while (rest >= 0x80) {
      buffer[this.at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    buffer[this.at++] = rest;
  }

  private reserve(bytes: number): void {
    const needed = this.at + bytes;
    if (needed <= this.buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed + spareBytes, this.buffer.length * 2));
    this.buffer.copy(grown, 0, 0, this.at);
    this.buffer = grown;
  }
}

function unfit(field: number): Failure {
  return new Failure('invalid', 'bad-request', 'A request holds a value that cannot be sent', {
    facts: { field },
  });
}
