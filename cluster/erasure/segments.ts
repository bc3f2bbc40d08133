/** A body cut into segments, and each of them into runs for all fragments, parity computed. Nothing of the body is copied. */
import { bytesOf } from '../blob-key.ts';
import type { Code } from './code.ts';
import type { Pieces } from './kernel.ts';
import { runBytes, segmentBytes } from './layout.ts';
import { ReedSolomon } from './reed-solomon.ts';

const coders = new Map<string, ReedSolomon>();

export function coderOf({ k, m }: Code): ReedSolomon {
  const name = `${k}+${m}`;
  const known = coders.get(name) ?? new ReedSolomon(k, m);
  coders.set(name, known);
  return known;
}

const zeroes = Buffer.alloc(4096);

/** What one segment puts into each fragment, in order. */
export function encodeSegment(code: Code, segment: Pieces): Pieces[] {
  const run = runBytes(code, bytesOf(segment));
  const cutter = new Cutter(segment);
  const data = Array.from({ length: code.k }, () => cutter.take(run));
  const parity = coderOf(code).encode(data, run);
  return [
    ...data.map((pieces) => padded(pieces, run - bytesOf(pieces))),
    ...parity.map((bytes) => [bytes]),
  ];
}

function padded(pieces: Buffer[], missing: number): Pieces {
  for (let left = missing; left > 0; left -= zeroes.length)
    pieces.push(zeroes.subarray(0, Math.min(left, zeroes.length)));
  return pieces;
}

/** Takes bytes off a list of chunks. */
export class Cutter {
  private readonly chunks: Pieces;
  private chunk = 0;
  private offset = 0;

  constructor(chunks: Pieces) {
    this.chunks = chunks;
  }

  /** The next so many, or what is left. */
  take(bytes: number): Buffer[] {
    const taken: Buffer[] = [];
    for (let left = bytes; left > 0; ) {
      const chunk = this.chunks[this.chunk];
      if (chunk === undefined) break;
      const piece = chunk.subarray(this.offset, this.offset + left);
      if (piece.length > 0) taken.push(piece);
      left -= piece.length;
      this.offset += piece.length;
      if (this.offset < chunk.length) continue;
      this.chunk += 1;
      this.offset = 0;
    }
    return taken;
  }
}

/** The segments of a whole body. */
export function* segmentsOf(chunks: Pieces): Generator<Pieces> {
  const cutter = new Cutter(chunks);
  for (let left = bytesOf(chunks); left > 0; left -= segmentBytes) yield cutter.take(segmentBytes);
}
