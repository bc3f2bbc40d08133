/**
 * Writes protobuf (proto3) straight into one growing buffer. Lengths of nested messages are not known beforehand, so
 * they are reserved as 4 bytes and filled in afterwards as an overlong varint, which every decoder accepts.
 *
 * Large payloads are not copied: they stay where they are, as pieces between those of the buffer. Their owner may not change
 * them until the message has left.
 */
import { Failure } from '#common';

const lengthBytes = 4;
/** Room beyond a large field, for what follows it. */
const spareBytes = 256;
const lengthMax = 2 ** 28 - 1;
/** Copying less than this is cheaper than one piece more to write. */
const outsideBytesMin = 16 * 1024;

/** A payload that lies outside the buffer: where in the buffer it belongs, and what was written before it. */
interface Outside {
  readonly at: number;
  readonly before: number;
  readonly bytes: Buffer;
}

export class Encoder {
  private buffer: Buffer;
  private at: number;
  private readonly headBytes: number;
  private readonly outside: Outside[] = [];
  private outsideBytes = 0;

  /** `headBytes` are left blank before the message. */
  constructor(sizeBytes = 4096, headBytes = 0) {
    this.buffer = Buffer.allocUnsafeSlow(sizeBytes + headBytes);
    this.at = headBytes;
    this.headBytes = headBytes;
  }

  /** Of the message, without its head. */
  get length(): number {
    return this.at - this.headBytes + this.outsideBytes;
  }

  /** What was written, head included, in one piece; the encoder must not be used any more. */
  finish(): Buffer {
    const pieces = this.pieces();
    const [first] = pieces;
    return pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces);
  }

  /** The same in pieces, the first of which holds the head. */
  pieces(): Buffer[] {
    const pieces: Buffer[] = [];
    let from = 0;
    for (const { at, bytes } of this.outside) {
      pieces.push(this.buffer.subarray(from, at), bytes);
      from = at;
    }
    if (from < this.at || pieces.length === 0) pieces.push(this.buffer.subarray(from, this.at));
    return pieces;
  }

  /** Forgets everything after `length`. */
  rewind(length: number): void {
    for (let last = this.outside.at(-1); last !== undefined; last = this.outside.at(-1)) {
      if (last.before < length) break;
      this.outside.pop();
      this.outsideBytes -= last.bytes.length;
    }
    this.at = length + this.headBytes - this.outsideBytes;
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
    this.payload(value);
  }

  /** Bytes that lie in several pieces, as one field. */
  chunks(field: number, pieces: readonly Buffer[], length: number): void {
    this.header(field, length);
    for (const piece of pieces) this.payload(piece);
  }

  /** Opens a nested message; hand the result to `end`. */
  begin(field: number): number {
    this.reserve(5 + lengthBytes);
    this.varint(field * 8 + 2);
    this.at += lengthBytes;
    return this.at;
  }

  end(start: number): void {
    let length = this.at - start;
    for (let index = this.outside.length - 1; index >= 0; index--) {
      const piece = this.outside[index];
      if (piece === undefined || piece.at < start) break;
      length += piece.bytes.length;
    }
    this.fillLength(start - lengthBytes, length);
  }

  private header(field: number, length: number): void {
    this.reserve(5 + lengthBytes);
    this.varint(field * 8 + 2);
    this.fillLength(this.at, length);
    this.at += lengthBytes;
  }

  private payload(bytes: Buffer): void {
    if (bytes.length >= outsideBytesMin) {
      this.outside.push({ at: this.at, before: this.length, bytes });
      this.outsideBytes += bytes.length;
      return;
    }
    this.reserve(bytes.length);
    this.at += bytes.copy(this.buffer, this.at);
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
