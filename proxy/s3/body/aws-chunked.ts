/**
 * The `aws-chunked` framing that SDKs wrap bodies in, decoded without copying the data:
 *
 *   hex-size[;chunk-signature=…]\r\n data \r\n   any number of times
 *   0[;chunk-signature=…]\r\n                    the last
 *   [name:value\r\n …]                           trailers, where the payload mode has them
 *   \r\n
 *
 * Chunks flow on before their signature is known; a wrong one throws before the body's end is reached, and a
 * body without an end is never stored.
 */

import { lendParts } from '#common';
import { S3Failure } from '../s3-failure.ts';
import type { ChunkVerifier } from './chunk-signature.ts';

export interface ChunkedOptions {
  /** `x-amz-decoded-content-length`. */
  readonly decodedLength: number;
  readonly hasTrailers: boolean;
  /** Absent where chunks are not signed. */
  readonly verifier?: ChunkVerifier;
}

type State = 'size' | 'data' | 'data-end' | 'trailer' | 'done';

const lineBytesMax = 4096;
const trailersMax = 20;
const carriageReturn = 0x0d;
const newline = 0x0a;

function malformed(message: string): S3Failure {
  return new S3Failure('InvalidChunkSizeError', { message });
}

/** Fed with pieces of the wire, gives pieces of the data. Synchronous; `end` must be called last. */
export class AwsChunkedDecoder {
  /** Lower-case names; complete after `end`. */
  readonly trailers = new Map<string, string>();
  private readonly options: ChunkedOptions;
  private state: State = 'size';
  private line = '';
  private left = 0;
  private decoded = 0;
  private signature = '';

  constructor(options: ChunkedOptions) {
    this.options = options;
  }

  push(input: Buffer): Buffer[] {
    const out: Buffer[] = [];
    let at = 0;
    while (at < input.length) {
      if (this.state === 'done') throw malformed('Bytes follow the end of the chunked body.');
      at = this.state === 'data' ? this.takeData(input, at, out) : this.takeLine(input, at);
    }
    return out;
  }

  /** The wire has ended: complains unless the framing is complete and as long as was promised. */
  end(): void {
    if (this.state !== 'done' || this.decoded !== this.options.decodedLength)
      throw new S3Failure('IncompleteBody');
  }

  private takeData(input: Buffer, at: number, out: Buffer[]): number {
    const end = Math.min(input.length, at + this.left);
    const piece = at === 0 && end === input.length ? input : input.subarray(at, end);
    this.options.verifier?.update(piece);
    this.left -= piece.length;
    if (this.left === 0) {
      this.options.verifier?.endChunk(this.signature);
      this.state = 'data-end';
    }
    out.push(piece);
    return end;
  }

  private takeLine(input: Buffer, at: number): number {
    const end = input.indexOf(newline, at);
    const stop = end < 0 ? input.length : end;
    if (this.line.length + stop - at > lineBytesMax)
      throw malformed('A line of the chunked body is too long.');
    this.line += input.toString('latin1', at, stop);
    if (end < 0) return stop;
    if (this.line.charCodeAt(this.line.length - 1) !== carriageReturn)
      throw malformed('A line of the chunked body does not end with CR LF.');
    const line = this.line.slice(0, -1);
    this.line = '';
    this.acceptLine(line);
    return end + 1;
  }

  private acceptLine(line: string): void {
    switch (this.state) {
      case 'size':
        this.acceptSize(line);
        return;
      case 'data-end':
        if (line !== '') throw malformed('A chunk is longer than its size says.');
        this.state = 'size';
        return;
      case 'trailer':
        if (line === '') this.acceptEnd();
        else this.acceptTrailer(line);
        return;
      case 'data':
      case 'done':
        throw malformed('The chunked body is out of step.');
    }
  }

  private acceptSize(line: string): void {
    const semicolon = line.indexOf(';');
    const digits = semicolon < 0 ? line : line.slice(0, semicolon);
    if (!/^[0-9a-fA-F]{1,12}$/.test(digits)) throw malformed('A chunk size is not a hex number.');
    const size = Number.parseInt(digits, 16);
    this.decoded += size;
    if (this.decoded > this.options.decodedLength) throw new S3Failure('IncompleteBody');
    this.signature = this.chunkSignature(line, semicolon);
    this.left = size;
    if (size > 0) {
      this.state = 'data';
      return;
    }
    this.options.verifier?.endChunk(this.signature);
    this.state = 'trailer';
  }

  private chunkSignature(line: string, semicolon: number): string {
    if (this.options.verifier === undefined) return '';
    const match =
      semicolon < 0 ? null : /^;chunk-signature=([0-9a-f]{64})$/.exec(line.slice(semicolon));
    if (match?.[1] === undefined) throw malformed('A chunk carries no chunk-signature.');
    return match[1];
  }

  private acceptTrailer(line: string): void {
    const colon = line.indexOf(':');
    if (this.options.hasTrailers && colon < 1) throw new S3Failure('MalformedTrailerError');
    if (colon < 1 || !this.options.hasTrailers)
      throw malformed('The chunked body ends with an unexpected line.');
    if (this.trailers.size >= trailersMax) throw malformed('Too many trailers.');
    const name = line.slice(0, colon).trim().toLowerCase();
    if (this.trailers.has(name)) throw malformed('A trailer appears twice.');
    this.trailers.set(name, line.slice(colon + 1).trim());
  }

  private acceptEnd(): void {
    if (this.options.hasTrailers) this.options.verifier?.endTrailers(this.trailers);
    this.state = 'done';
  }
}

/** The data inside the framing; throws on bad framing, a bad signature, or an end that comes too early. */
export async function* decodeAwsChunked(
  source: AsyncIterable<Buffer>,
  decoder: AwsChunkedDecoder,
): AsyncGenerator<Buffer, void, undefined> {
  for await (const piece of source) {
    const parts = decoder.push(piece);
    lendParts(piece, parts);
    yield* parts;
  }
  decoder.end();
}
