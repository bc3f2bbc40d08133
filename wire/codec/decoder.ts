/**
 * Reads protobuf (proto3) from outside: every length and number is checked, and anything odd is an `invalid` bad-message.
 * Bytes are views on the message, not copies.
 */
import { isUtf8 } from 'node:buffer';
import { Failure } from '#common';

const varintType = 0;
const fixed64Type = 1;
const lengthType = 2;
const fixed32Type = 5;

export function badMessage(why: string): Failure {
  return new Failure('invalid', 'bad-message', `A message from another node is garbled: ${why}`);
}

export class Decoder {
  private readonly buffer: Buffer;
  private readonly start: number;
  private readonly end: number;
  private at: number;
  private type = varintType;

  constructor(buffer: Buffer, start = 0, end = buffer.length) {
    this.buffer = buffer;
    this.start = start;
    this.at = start;
    this.end = end;
  }

  get atEnd(): boolean {
    return this.at >= this.end;
  }

  /** Of what it reads, in bytes. */
  get length(): number {
    return this.end - this.start;
  }

  /** The next field's number, or 0 at the end. Its value must be read or skipped. */
  field(): number {
    if (this.at >= this.end) return 0;
    const tag = this.varint();
    this.type = tag % 8;
    const field = Math.floor(tag / 8);
    if (field === 0 || field > 2 ** 29) throw badMessage('field number');
    return field;
  }

  /** Skips a field that this version does not know. */
  skip(): void {
    if (this.type === varintType) this.varint();
    else if (this.type === fixed64Type) this.take(8);
    else if (this.type === lengthType) this.take(this.varint());
    else if (this.type === fixed32Type) this.take(4);
    else throw badMessage('wire type');
  }

  uint(): number {
    this.expect(varintType);
    return this.varint();
  }

  /** Below 2^32. */
  uint32(): number {
    const value = this.uint();
    if (value >= 2 ** 32) throw badMessage('number too large');
    return value;
  }

  /** Repeated numbers, packed or one by one. */
  uints(): number[] {
    if (this.type !== lengthType) return [this.uint32()];
    const packed = this.message();
    const numbers: number[] = [];
    while (packed.at < packed.end) numbers.push(packed.varint());
    return numbers;
  }

  bool(): boolean {
    return this.uint() !== 0;
  }

  fixed32(): number {
    this.expect(fixed32Type);
    return this.buffer.readUInt32LE(this.take(4));
  }

  fixed64(): number {
    this.expect(fixed64Type);
    const at = this.take(8);
    const high = this.buffer.readUInt32LE(at + 4);
    if (high >= 2 ** 21) throw badMessage('number too large');
    return high * 2 ** 32 + this.buffer.readUInt32LE(at);
  }

  bytes(): Buffer {
    this.expect(lengthType);
    const length = this.varint();
    const at = this.take(length);
    return this.buffer.subarray(at, at + length);
  }

  string(): string {
    const raw = this.bytes();
    if (raw.length === 0) return '';
    if (!isUtf8(raw)) throw badMessage('text is not UTF-8');
    return raw.toString('utf8');
  }

  message(): Decoder {
    this.expect(lengthType);
    const length = this.varint();
    const at = this.take(length);
    return new Decoder(this.buffer, at, at + length);
  }

  private expect(type: number): void {
    if (this.type !== type) throw badMessage('wire type');
  }

  private take(length: number): number {
    const at = this.at;
    if (length > this.end - at) throw badMessage('cut short');
    this.at = at + length;
    return at;
  }

  private varint(): number {
    const { buffer, end } = this;
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 8; count++) {
      const byte = this.at < end ? buffer[this.at++] : undefined;
      if (byte === undefined) throw badMessage('cut short');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) throw badMessage('number too large');
        return value;
      }
      scale *= 128;
    }
    throw badMessage('number too large');
  }
}
