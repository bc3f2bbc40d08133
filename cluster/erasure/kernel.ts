/** Sums of scaled fragments: `kernel-module.ts` at work, over fragments of any length and in any number of pieces. */
import { strict as assert } from 'node:assert';
import { multiply } from './field.ts';
import { kernelModule, strideBytes } from './kernel-module.ts';

/** Bytes in pieces, one after the other. */
export type Pieces = readonly Buffer[];

type Sum = (input: number, output: number, tables: number, length: number) => void;

interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

/** Of the little that is used here; the types of browsers are not in this project. */
declare const WebAssembly: {
  readonly Memory: new (size: { readonly initial: number }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (
    module: object,
    imports: { readonly env: { readonly memory: WasmMemory } },
  ) => { readonly exports: Readonly<Record<string, unknown>> };
};

/** More outputs at once would not fit in the processor's registers. */
const outputsAtOnce = 4;
const pageBytes = 65_536;

const memory = new WebAssembly.Memory({ initial: 1 });
let view = Buffer.from(memory.buffer);
const compiled = new Map<string, Sum>();

/**
 * Output r is the sum over j of `factors[r][j]` times input j. All outputs are of one length; an input that is shorter goes on
 * with zeroes. Synchronous: 1 MiB of data and two parity fragments take about a third of a millisecond.
 */
export function sumFragments(
  inputs: readonly Pieces[],
  factors: readonly Uint8Array[],
  outputs: readonly Buffer[],
): void {
  for (let from = 0; from < outputs.length; from += outputsAtOnce) {
    const until = Math.min(from + outputsAtOnce, outputs.length);
    sumGroup(inputs, factors.slice(from, until), outputs.slice(from, until));
  }
}

function sumGroup(
  inputs: readonly Pieces[],
  factors: readonly Uint8Array[],
  outputs: readonly Buffer[],
): void {
  const length = outputs[0]?.length ?? 0;
  const outputAt = inputs.length * strideBytes;
  const tablesAt = outputAt + outputs.length * strideBytes;
  reserve(tablesAt + factors.length * inputs.length * 32);
  writeTables(tablesAt, factors);
  const sum = sumOf(inputs.length, factors);
  const readers = inputs.map((pieces) => new PieceReader(pieces));
  for (let at = 0; at < length; at += strideBytes) {
    const bytes = Math.min(strideBytes, length - at);
    for (const [index, reader] of readers.entries())
      reader.copyTo(view, index * strideBytes, bytes);
    sum(0, outputAt, tablesAt, (bytes + 15) & ~15);
    for (const [row, output] of outputs.entries()) {
      const start = outputAt + row * strideBytes;
      view.copy(output, at, start, start + bytes);
    }
  }
}

/** The module for this shape, compiled once: shapes are few, one for each (k, outputs, which of them are plain). */
function sumOf(inputs: number, factors: readonly Uint8Array[]): Sum {
  const plain = factors.map((row) => row.every((factor) => factor === 1));
  const shape = `${inputs} ${plain.map(Number).join('')}`;
  const known = compiled.get(shape);
  if (known !== undefined) return known;
  const module = new WebAssembly.Module(kernelModule({ inputs, plain }));
  const { sum } = new WebAssembly.Instance(module, { env: { memory } }).exports;
  assert(typeof sum === 'function', 'the module exports its one function');
  const run: Sum = (input, output, tables, length) => void sum(input, output, tables, length);
  compiled.set(shape, run);
  return run;
}

function reserve(bytes: number): void {
  const missing = bytes - memory.buffer.byteLength;
  if (missing <= 0) return;
  memory.grow(Math.ceil(missing / pageBytes));
  view = Buffer.from(memory.buffer);
}

const tablesByFactor = Array.from({ length: 256 }, (_, factor) =>
  Uint8Array.from({ length: 32 }, (__, at) => multiply(factor, at < 16 ? at : (at - 16) << 4)),
);

function writeTables(at: number, factors: readonly Uint8Array[]): void {
  let offset = at;
  for (const row of factors)
    for (const factor of row) {
      const table = tablesByFactor[factor];
      if (table !== undefined) view.set(table, offset);
      offset += 32;
    }
}

class PieceReader {
  private readonly pieces: Pieces;
  private piece = 0;
  private offset = 0;

  constructor(pieces: Pieces) {
    this.pieces = pieces;
  }

  /** What the pieces do not have is zero. */
  copyTo(target: Buffer, at: number, bytes: number): void {
    const end = at + ((bytes + 15) & ~15);
    let to = at;
    for (let left = bytes; left > 0; ) {
      const piece = this.pieces[this.piece];
      if (piece === undefined) break;
      const taken = piece.copy(target, to, this.offset, this.offset + left);
      this.offset += taken;
      to += taken;
      left -= taken;
      if (this.offset < piece.length) continue;
      this.piece += 1;
      this.offset = 0;
    }
    if (to < end) target.fill(0, to, end);
  }
}
