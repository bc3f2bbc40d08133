/**
 * Reads a range within one segment.
 *
 * 1. The runs that it lies in are asked of the devices that own them: a healthy read computes nothing and reads nothing twice.
 * 2. When one fails, or takes longer than such devices usually do, the same place of other fragments is read as well, until the run
 *    itself or k others are there, whichever comes first; what is missing is computed from those.
 * 3. When the owners have too few between them, whoever may stand in for them is asked.
 */
import { Failure, giveBack, isFailure } from '#common';
import { shortestLimitMs } from '../gather.ts';
import { quorumFailure, type ReplicaFailure } from '../quorum.ts';
import type { Replica } from '../replica.ts';
import type { Deadline, TimerWheel } from '../timer-wheel.ts';
import { type CodedKey, fragmentKey } from './fragment-places.ts';
import type { Run } from './layout.ts';
import { coderOf } from './segments.ts';

export interface SegmentReadParts {
  readonly key: CodedKey;
  readonly owners: readonly Replica[];
  readonly handoffs: () => Iterable<Replica>;
  readonly wheel: TimerWheel;
  readonly runs: readonly Run[];
}

export interface SegmentBytes {
  /** One for each run. */
  readonly pieces: readonly Buffer[];
  readonly way: 'whole' | 'recovered';
}

export function readSegment(parts: SegmentReadParts): Promise<SegmentBytes> {
  return new Promise((resolve, reject) => new SegmentRead(parts, resolve, reject).start());
}

class SegmentRead {
  private readonly parts: SegmentReadParts;
  private readonly resolve: (bytes: SegmentBytes) => void;
  private readonly reject: (error: unknown) => void;
  /** By fragment: the run asked for, as it is. */
  private readonly whole = new Map<number, Buffer>();
  /** By fragment: the range `from` … `until` of it, which all runs lie in. */
  private readonly columns = new Map<number, Buffer>();
  private readonly from: number;
  private readonly until: number;
  /** Columns that are under way, and not known to be slow. */
  private readonly hopes = new Set<number>();
  /** Fragments whose columns may be asked for next. */
  private candidates: number[] = [];
  private readonly failures: ReplicaFailure[] = [];
  private waiting = 0;
  private isDegraded = false;
  private standInsAsked = false;
  private hedge: Deadline | undefined;
  private done = false;

  constructor(
    parts: SegmentReadParts,
    resolve: (bytes: SegmentBytes) => void,
    reject: (error: unknown) => void,
  ) {
    this.parts = parts;
    this.resolve = resolve;
    this.reject = reject;
    this.from = Math.min(...parts.runs.map(({ offset }) => offset));
    this.until = Math.max(...parts.runs.map(({ offset, length }) => offset + length));
  }

  start(): void {
    const { runs, owners } = this.parts;
    for (const run of runs) {
      const owner = owners[run.index];
      // A device that keeps failing is left out while the others are enough.
      if (owner === undefined || owner.aside) this.isDegraded = true;
      else this.ask(owner, run, (bytes) => this.whole.set(run.index, bytes));
    }
    if (this.isDegraded) this.degrade();
    else this.armHedge();
  }

  private armHedge(): void {
    const { owners, wheel } = this.parts;
    this.hedge = wheel.add(shortestLimitMs(owners, 'blob'), () => {
      if (this.done) return;
      for (const index of this.hopes) owners[index]?.overtaken();
      this.hopes.clear();
      if (!this.isDegraded) this.degrade();
      else this.topUp();
      this.armHedge();
    });
  }

  private ask(replica: Replica, run: Run, take: (bytes: Buffer) => void): void {
    const { key } = this.parts;
    const { index, offset, length } = run;
    const covers = offset <= this.from && offset + length >= this.until;
    if (covers) this.hopes.add(index);
    this.waiting += 1;
    replica
      .call('blob', 0, (device) => device.readBlob(fragmentKey(key, index), offset, length))
      .then((bytes) => {
        if (bytes.length < length) throw cutShort(key, run);
        return bytes;
      })
      .then(
        (bytes) => {
          this.left(index);
          if (this.done) {
            giveBack(bytes);
            return;
          }
          take(bytes);
          if (covers)
            this.columns.set(index, bytes.subarray(this.from - offset, this.until - offset));
          this.decide();
        },
        (error: unknown) => {
          this.left(index);
          this.failures.push({ device: replica.device, error });
          if (!this.isDegraded) this.degrade();
          else this.topUp();
          this.decide();
        },
      );
  }

  private left(index: number): void {
    this.waiting -= 1;
    this.hopes.delete(index);
  }

  private missing(): Run[] {
    return this.parts.runs.filter(({ index }) => !this.whole.has(index));
  }

  private decide(): void {
    if (this.done) return;
    const missing = this.missing();
    if (missing.length === 0) this.finish('whole');
    else if (this.columns.size >= this.parts.key.code.k) this.recover(missing);
    else if (this.isDegraded && this.waiting === 0) this.runOut();
  }

  /** From here on other fragments are read too. */
  private degrade(): void {
    if (this.done) return;
    this.isDegraded = true;
    const { owners, runs } = this.parts;
    const asked = runs.filter(
      ({ offset, length }) => offset <= this.from && offset + length >= this.until,
    );
    const others = [...owners.keys()].filter((index) => !asked.some((run) => run.index === index));
    const isWell = (index: number) => owners[index]?.suspect === false;
    this.candidates = [
      ...others.filter(isWell),
      ...others.filter((index) => !isWell(index)),
      // Runs of devices that were left out.
      ...asked.map(({ index }) => index).filter((index) => owners[index]?.aside === true),
    ];
    this.topUp();
    if (this.hedge === undefined) this.armHedge();
  }

  /** As many under way as are still needed. */
  private topUp(): void {
    const { k } = this.parts.key.code;
    while (!this.done && this.columns.size + this.hopes.size < k) {
      const index = this.candidates.shift();
      const owner = index === undefined ? undefined : this.parts.owners[index];
      if (index === undefined || owner === undefined) return;
      this.askColumn(owner, index);
    }
  }

  private askColumn(replica: Replica, index: number): void {
    const run = { index, offset: this.from, length: this.until - this.from };
    this.ask(replica, run, () => undefined);
  }

  /** The owners have too few. Any device may have stood in for any of them. */
  private runOut(): void {
    const { owners, handoffs } = this.parts;
    let asked = 0;
    for (const replica of this.standInsAsked ? [] : handoffs()) {
      if (asked >= owners.length) break;
      asked += 1;
      for (const index of owners.keys())
        if (!this.columns.has(index)) this.askColumn(replica, index);
    }
    this.standInsAsked = true;
    if (asked === 0) this.fail();
  }

  private recover(missing: readonly Run[]): void {
    const { code } = this.parts.key;
    const present = new Map([...this.columns].map(([index, bytes]) => [index, [bytes]]));
    // A stand-in may have had the very fragment.
    const absent = missing.map(({ index }) => index).filter((index) => !present.has(index));
    const recovered = coderOf(code).recover(present, absent, this.until - this.from);
    for (const { index, offset, length } of missing) {
      const bytes = this.columns.get(index) ?? recovered[absent.indexOf(index)];
      const start = offset - this.from;
      if (bytes !== undefined) this.whole.set(index, bytes.subarray(start, start + length));
    }
    this.finish('recovered');
  }

  private finish(way: SegmentBytes['way']): void {
    this.done = true;
    this.hedge?.cancel();
    const pieces = this.parts.runs.flatMap(({ index }) => this.whole.get(index) ?? []);
    this.resolve({ pieces, way });
  }

  private fail(): void {
    this.done = true;
    this.hedge?.cancel();
    this.reject(verdictOf(this.parts.key, this.failures));
  }
}

/** Missing only when all say so. */
function verdictOf(key: CodedKey, failures: readonly ReplicaFailure[]): Failure {
  const facts = { id: key.id };
  if (failures.every(({ error }) => isFailure(error, 'missing')))
    return new Failure('missing', 'blob-missing', 'There is no such blob', { facts });
  const bad = failures.find(({ error }) => isFailure(error, 'corrupt'));
  const others = failures.filter(
    ({ error }) => !isFailure(error, 'corrupt') && !isFailure(error, 'missing'),
  );
  if (bad === undefined || others.length > 0) return quorumFailure('blob', failures);
  return new Failure('corrupt', 'blob-corrupt', 'Too few good fragments of this blob were found', {
    facts,
    cause: bad.error,
  });
}

function cutShort({ id }: CodedKey, { index }: Run): Failure {
  return new Failure('corrupt', 'blob-corrupt', 'A fragment ends too early', {
    facts: { id, index },
  });
}
