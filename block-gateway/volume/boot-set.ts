/**
 * The boot set: which lines of a volume are read first after it was opened, in that order. It is learned by watching and kept as a row under the
 * volume that this one is a clone of, so that the first guest of an image that boots makes it quick for all the others.
 *
 * 1. At opening the row is read, and what it names is read into the cache, a piece at a time, behind what the guest itself asks for.
 * 2. Meanwhile the first lines that are read are noted, until there are enough or the time is over.
 * 3. What was noted is kept when there was nothing, or when less than half of what was kept was wanted.
 */
import type { RowRef, Tables } from '#cluster';
import { type Clock, isFailure, type Logger, type Timer } from '#common';
import { Fields, headFailure, parseObject } from './fields.ts';
import { lineBytes } from './units.ts';

const table = 'volume-boot';
/** Less than this is no boot. */
const linesMin = 16;
const pieceLines = 16;

export interface BootSetOptions {
  readonly tables: Tables;
  readonly clock: Clock;
  readonly log: Logger;
  /** Whose row it is: the parent's, or the volume's own. */
  readonly owner: string;
  readonly sizeBytes: number;
  readonly bytesMax: number;
  readonly learnMs: number;
  /** One volume of a gateway at a time brings its set in. */
  readonly turn: <T>(work: () => Promise<T>) => Promise<T>;
  readonly read: (offset: number, length: number, target: Buffer) => Promise<void>;
}

export class BootSet {
  private readonly options: BootSetOptions;
  private readonly seen = new Set<number>();
  private readonly linesMax: number;
  private known: readonly number[] = [];
  private timer: Timer | undefined;
  private learning = false;
  private closed = false;
  private working: Promise<void> = Promise.resolve();
  /** Lines that were brought in, for tests and metrics. */
  fetched = 0;

  constructor(options: BootSetOptions) {
    this.options = options;
    this.linesMax = Math.floor(options.bytesMax / lineBytes);
  }

  start(): void {
    const { clock, learnMs } = this.options;
    if (this.linesMax < linesMin || learnMs === 0) return;
    this.learning = true;
    this.timer = clock.after(learnMs, () => this.learned());
    this.working = this.guarded(() => this.fetch());
  }

  /** Told of each read; afterwards this costs one look at a flag. */
  noteRead(offset: number, length: number): void {
    if (!this.learning) return;
    const last = Math.floor((offset + Math.max(length, 1) - 1) / lineBytes);
    for (let line = Math.floor(offset / lineBytes); line <= last; line++) {
      this.seen.add(line);
      if (this.seen.size < this.linesMax) continue;
      this.learned();
      return;
    }
  }

  async close(): Promise<void> {
    this.learned();
    this.closed = true;
    await this.working;
  }

  private learned(): void {
    if (!this.learning) return;
    this.learning = false;
    this.timer?.cancel();
    const before = this.working;
    this.working = before.then(() => this.guarded(() => this.keep()));
  }

  private async fetch(): Promise<void> {
    const { tables, owner, sizeBytes, turn, read } = this.options;
    const row = await tables.get(refOf(owner));
    if (row === undefined) return;
    this.known = decodeBootSet(row.meta, this.linesMax);
    const scratch = Buffer.allocUnsafeSlow(pieceLines * lineBytes);
    await turn(async () => {
      for (const { line, count } of runsOf(this.known)) {
        const offset = line * lineBytes;
        const length = Math.min(count * lineBytes, sizeBytes - offset);
        if (this.closed) return;
        if (length > 0) await read(offset, length, scratch);
        this.fetched += count;
      }
    });
  }

  private async keep(): Promise<void> {
    const wanted = this.known.filter((line) => this.seen.has(line)).length;
    const good = this.known.length > 0 && wanted * 2 >= this.known.length;
    if (good || this.seen.size < linesMin) return;
    const meta = encodeBootSet([...this.seen]);
    await this.options.tables.put(refOf(this.options.owner), {
      meta,
      bytes: 0,
      body: Buffer.alloc(0),
    });
  }

  /** Without it everything is as right, and slower. */
  private async guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isFailure(error) || error.kind === 'bug') throw error;
      this.options.log.debug({ err: error, volumeId: this.options.owner }, 'no boot set');
    }
  }
}

export async function deleteBootSet(tables: Tables, volumeId: string): Promise<void> {
  await tables.delete(refOf(volumeId));
}

function refOf(owner: string): RowRef {
  return { table, partition: owner, sort: '' };
}

/** Neighbours that follow each other are read as one. */
function* runsOf(lines: readonly number[]): Iterable<{ line: number; count: number }> {
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] ?? 0;
    let count = 1;
    while (count < pieceLines && lines[at + count] === line + count) count++;
    yield { line, count };
    at += count;
  }
}

/** Line numbers as text: `volume-boot.md`. */
export function encodeBootSet(lines: readonly number[]): Buffer {
  const text = { format: 'pileus-volume-boot', version: 1, lines: lines.join(' ') };
  return Buffer.from(JSON.stringify(text));
}

export function decodeBootSet(meta: Buffer, linesMax: number): number[] {
  const fields = new Fields(parseObject(meta.toString('utf8')));
  if (fields.text('format') !== 'pileus-volume-boot' || fields.whole('version') !== 1)
    throw headFailure('format');
  const lines = fields.text('lines').split(' ').map(Number);
  if (lines.every((line) => Number.isSafeInteger(line) && line >= 0))
    return lines.slice(0, linesMax);
  throw headFailure('lines');
}
