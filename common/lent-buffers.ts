/**
 * Memory of large bodies that is used again, or let go at once. V8 answers every 64 MiB of new buffers with a mark through the
 * whole heap, so a server that leaves each body to the garbage collector spends more on that than on the body.
 *
 * 1. Whoever reads takes memory, fills it, and lends a view of it: an ordinary buffer to everybody else.
 * 2. Who is certain to be the last that looks at it gives that very view back. Nobody has to: what is never given back is
 *    garbage in the end, like any buffer.
 *
 * Invariant: memory is lent to one at a time. It comes back only by the view that was lent, or by all the parts that took its place
 * (`lendParts`), and by each only once; any other part of it (`subarray`), or a buffer of other origin, gives nothing back.
 */
import { Buffer } from 'node:buffer';

interface Loan {
  /** Undefined: the memory is let go. */
  readonly lender: LentBuffers | undefined;
  readonly memory: Buffer;
  /** Views that have not come back. */
  views: number;
}

const loans = new WeakMap<Buffer, Loan>();

/** Below this, memory is not worth keeping. */
const keptBytesMin = 65_536;
/** Below this, letting memory go costs more than it saves. */
const foreignBytesMin = 4096;

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
    return this.reuse(size) ?? Buffer.allocUnsafeSlow(size);
  }

  /** The view of it that is handed out, and may be given back. */
  lend(memory: Buffer, start: number, end: number): Buffer {
    const view = memory.subarray(start, end);
    if (memory.length >= keptBytesMin) loans.set(view, { lender: this, memory, views: 1 });
    return view;
  }

  /** What was taken, when it was not lent and nobody can write to it any more. What there is no room for is let go. */
  keep(memory: Buffer): void {
    const size = memory.length;
    if (size < keptBytesMin) return;
    if (this.freeBytes + size > this.freeBytesMax) this.makeRoom(size);
    if (this.freeBytes + size > this.freeBytesMax) {
      letGo(memory);
      return;
    }
    const same = this.free.get(size);
    if (same === undefined) this.free.set(size, [memory]);
    else same.push(memory);
    this.freeBytes += size;
  }

  /** A size that was asked for becomes the one that is forgotten last. */
  private reuse(size: number): Buffer | undefined {
    const same = this.free.get(size);
    if (same === undefined) return undefined;
    this.free.delete(size);
    this.free.set(size, same);
    const memory = same.pop();
    if (memory !== undefined) this.freeBytes -= size;
    return memory;
  }

  /** What is asked for now is worth more room than what was asked for once. */
  private makeRoom(size: number): void {
    for (const [other, unused] of this.free) {
      if (other === size) continue;
      while (unused.length > 0 && this.freeBytes + size > this.freeBytesMax) {
        const memory = unused.pop();
        if (memory !== undefined) letGo(memory);
        this.freeBytes -= other;
      }
      if (unused.length > 0) return;
      this.free.delete(other);
    }
  }
}

/**
 * Memory that somebody else made, for instance Node for what a socket received: lent as it is, let go when it is given back.
 * Nothing is lent that shares its memory with other buffers.
 */
export function lendForeign(memory: Buffer): Buffer {
  if (memory.length >= foreignBytesMin && memory.length === memory.buffer.byteLength)
    loans.set(memory, { lender: undefined, memory, views: 1 });
  return memory;
}

/** From now on nobody looks at `whole` itself, only at these parts of it; when all are given back, so is the whole. */
export function lendParts(whole: Buffer, parts: readonly Buffer[]): void {
  const loan = loans.get(whole);
  if (loan === undefined || parts.includes(whole)) return;
  loans.delete(whole);
  loan.views += parts.length;
  for (const part of parts) loans.set(part, loan);
  returned(loan);
}

/** Says that nobody looks at this buffer any more; it must not be touched after. */
export function giveBack(view: Buffer): void {
  const loan = loans.get(view);
  if (loan === undefined) return;
  loans.delete(view);
  returned(loan);
}

function returned(loan: Loan): void {
  loan.views -= 1;
  if (loan.views > 0) return;
  if (loan.lender !== undefined) loan.lender.keep(loan.memory);
  else letGo(loan.memory);
}

/** Takes the memory away from all its views, which are empty after. */
function letGo(memory: Buffer): void {
  if (memory.buffer instanceof ArrayBuffer) memory.buffer.transfer(0);
}

/** Few sizes, so that what one read leaves fits the next; near enough, because a view that is kept keeps all of it. */
function sizeFor(bytes: number): number {
  return Math.ceil(bytes / keptBytesMin) * keptBytesMin;
}
