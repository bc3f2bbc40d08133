/**
 * Memory for large reads that is used again. V8 answers every 64 MiB of new buffers with a mark through the whole heap, so a
 * server that reads each body into a new one spends more on that than on reading.
 *
 * 1. Whoever reads takes memory, fills it, and lends a view of it: an ordinary buffer to everybody else.
 * 2. Who is certain to be the last that looks at it gives that very view back. Nobody has to: what is never given back is
 *    garbage in the end, like any buffer.
 *
 * Invariant: memory is lent to one at a time. It comes back only by the view that was lent, and by that only once; a part of it
 * (`subarray`), or a buffer of other origin, gives nothing back.
 */
import { Buffer } from 'node:buffer';

interface Loan {
  readonly lender: LentBuffers;
  readonly memory: Buffer;
}

const loans = new WeakMap<Buffer, Loan>();

/** Below this, memory is not worth keeping. */
const keptBytesMin = 65_536;

export class LentBuffers {
  private readonly freeBytesMax: number;
  private readonly free = new Map<number, Buffer[]>();
  private freeBytes = 0;

  /** `freeBytesMax`: what may lie here unused. */
  constructor(freeBytesMax: number) {
    this.freeBytesMax = freeBytesMax;
  }

  get unusedBytes(): number {
    return this.freeBytes;
  }

  /** Memory of at least so many bytes, with anything in it. */
  take(bytes: number): Buffer {
    if (bytes < keptBytesMin) return Buffer.allocUnsafeSlow(bytes);
    const size = sizeFor(bytes);
    const memory = this.free.get(size)?.pop();
    if (memory === undefined) return Buffer.allocUnsafeSlow(size);
    this.freeBytes -= size;
    return memory;
  }

  /** The view of it that is handed out, and may be given back. */
  lend(memory: Buffer, start: number, end: number): Buffer {
    const view = memory.subarray(start, end);
    if (memory.length >= keptBytesMin) loans.set(view, { lender: this, memory });
    return view;
  }

  /** What was taken, when it was not lent and nobody can write to it any more. */
  keep(memory: Buffer): void {
    const size = memory.length;
    if (size < keptBytesMin) return;
    if (this.freeBytes + size > this.freeBytesMax) this.forgetOthers(size);
    if (this.freeBytes + size > this.freeBytesMax) return;
    const same = this.free.get(size);
    if (same === undefined) this.free.set(size, [memory]);
    else same.push(memory);
    this.freeBytes += size;
  }

  /** What is asked for now is worth more room than what was asked for once. */
  private forgetOthers(size: number): void {
    const same = this.free.get(size);
    this.free.clear();
    this.freeBytes = 0;
    if (same === undefined) return;
    this.free.set(size, same);
    this.freeBytes = same.length * size;
  }
}

/** Says that nobody looks at this buffer any more; it must not be touched after. */
export function giveBack(view: Buffer): void {
  const loan = loans.get(view);
  if (loan === undefined) return;
  loans.delete(view);
  loan.lender.keep(loan.memory);
}

/** Few sizes, so that what one read leaves fits the next; near enough, because a view that is kept keeps all of it. */
function sizeFor(bytes: number): number {
  return Math.ceil(bytes / keptBytesMin) * keptBytesMin;
}
