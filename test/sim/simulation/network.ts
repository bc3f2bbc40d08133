/** Carries calls from processes to devices, late, twice, out of order or not at all; everything by one seed. */
import { Failure, type Random, type VirtualClock } from '#common';
import type { DeviceService } from '#wire';

/** Who calls. */
export interface Caller {
  readonly name: string;
  /** A dead one hears no answer any more; what it sent may still arrive. */
  readonly isAlive: () => boolean;
}

/** Who is called: whatever lives there when the call arrives. */
export interface Callee {
  readonly name: string;
  readonly device: DeviceService | undefined;
}

/** Whether a message may arrive twice, and the second time hours later. */
type Again = 'never' | 'soon' | 'late';

export interface Weather {
  readonly loss: number;
  readonly duplicates: number;
  /** Each way, and as much again by chance. */
  readonly delayMs: number;
  /** Messages that arrive once more hours later, from a connection that was stuck. */
  readonly stuck: number;
}

/** Springs at a moment that chance alone would hardly hit: in the midst of what one process does. */
export interface Trap {
  /** Name of the caller or of the one who is called. */
  readonly at: string;
  readonly what: string;
  /** `send`: the message does not leave; `arrive`: it is not heard; `done`: it took effect, and is not answered. */
  readonly when: 'send' | 'arrive' | 'done';
  readonly spring: () => void;
}

export const fair: Weather = { loss: 0, duplicates: 0, delayMs: 0.5, stuck: 0.01 };
const lateMs = 60_000;
/** What stayed in a stuck connection comes that late: longer than tombstones are kept. */
const stuckMsMax = 5 * 3_600_000;
/** Then a connection on which nothing came back counts as lost, and its calls as failed. */
const lostAfterMs = 30_000;

export class Network {
  weather: Weather = fair;
  /** Pairs of caller and callee between whom nothing goes through. */
  readonly cuts = new Set<string>();
  readonly traps = new Set<Trap>();
  /** Told of what took effect where. */
  onDone: (at: string, what: string) => void = () => undefined;
  /** Every kind of message that was ever sent. */
  readonly kinds = new Set<string>();
  messages = 0;
  private readonly time: VirtualClock;
  private readonly random: Random;
  private readonly note: (what: string) => void;
  /** What somebody threw who must not: the simulation ends with it. */
  failure: unknown;

  constructor(time: VirtualClock, random: Random, note: (what: string) => void) {
    this.time = time;
    this.random = random;
    this.note = note;
  }

  fail(error: unknown): void {
    this.failure ??= error;
  }

  link(from: Caller, to: Callee): DeviceService {
    const call = <T>(
      what: string,
      run: (device: DeviceService) => Promise<T>,
      again: Again = 'late',
    ) => this.carry({ from, to, what, again, run });
    return {
      readRow: (key, want) => call('read-row', (device) => device.readRow(key, want)),
      // A copy is let through whatever was forgotten, so it must not be on its way for longer than tombstones are kept.
      acceptRow: (write) =>
        call(
          'accept-row',
          (device) => device.acceptRow(write),
          write.copied === true ? 'soon' : 'late',
        ),
      prepareRow: (key, ballot) => call('prepare', (device) => device.prepareRow(key, ballot)),
      scanRows: (request) => call('scan', (device) => device.scanRows(request)),
      aggregate: (table, partition, hash) =>
        call('aggregate', (device) => device.aggregate(table, partition, hash)),
      putBlob: (key, chunks, options) => {
        const copies = chunks.map((chunk) => Buffer.from(chunk));
        return call('put-blob', (device) => device.putBlob(key, copies, options));
      },
      openBlob: async (key, options) => {
        const open = (device: DeviceService) => device.openBlob(key, options);
        const writer = await call('open-blob', open, 'never');
        return {
          append: async (chunks) => {
            const copies = chunks.map((chunk) => Buffer.from(chunk));
            await call('append', () => writer.append(copies), 'never');
          },
          commit: () => call('commit', () => writer.commit(), 'never'),
          abort: () => writer.abort(),
        };
      },
      readBlob: (key, offset, length) =>
        call('read-blob', (device) => device.readBlob(key, offset, length)),
      statBlob: (key) => call('stat-blob', (device) => device.statBlob(key)),
      deleteBlob: (key) => call('delete-blob', (device) => device.deleteBlob(key)),
      listBlobs: (request) => call('list-blobs', (device) => device.listBlobs(request)),
      raiseFence: (fence) => call('raise-fence', (device) => device.raiseFence(fence)),
      status: () => call('status', (device) => device.status()),
      survey: (request) => call(request.what, (device) => device.survey(request)),
    };
  }

  private carry<T>(request: {
    readonly from: Caller;
    readonly to: Callee;
    readonly what: string;
    /** It may arrive twice: a stream's pieces do not, connections see to that. */
    readonly again: Again;
    readonly run: (device: DeviceService) => Promise<T>;
  }): Promise<T> {
    const { from, to, what, run } = request;
    return new Promise((resolve, reject) => {
      const answer = (settle: () => void) => {
        if (this.isLost(from, to)) return;
        this.time.after(this.delayMs(), () => {
          if (from.isAlive()) settle();
        });
      };
      const arrive = () => {
        if (this.isCut(from, to)) return;
        this.messages += 1;
        this.note(`${from.name} ${to.name} ${what}`);
        this.spring(to.name, what, 'arrive');
        const { device } = to;
        if (device === undefined) return answer(() => reject(away(to.name)));
        run(device).then(
          (value) => {
            this.onDone(to.name, what);
            this.spring(to.name, what, 'done');
            if (to.device === device) answer(() => resolve(value));
          },
          (error: unknown) => answer(() => reject(error)),
        );
      };
      this.kinds.add(what);
      this.spring(from.name, what, 'send');
      // The dead send nothing.
      if (!from.isAlive()) return;
      this.time.after(lostAfterMs, () => {
        if (from.isAlive()) reject(lost(to.name));
      });
      if (!this.isLost(from, to)) this.time.after(this.delayMs(), arrive);
      if (request.again !== 'never' && this.random.unit() < this.weather.duplicates)
        this.time.after(this.random.unit() * this.delayMs() * 100, arrive);
      if (request.again === 'late' && this.random.unit() < this.weather.stuck)
        this.time.after(this.random.unit() * stuckMsMax, arrive);
    });
  }

  private spring(at: string, what: string, when: Trap['when']): void {
    for (const trap of this.traps) {
      if (trap.at !== at || trap.what !== what || trap.when !== when) continue;
      this.traps.delete(trap);
      trap.spring();
    }
  }

  private isCut(from: Caller, to: Callee): boolean {
    return this.cuts.has(`${from.name} ${to.name}`);
  }

  private isLost(from: Caller, to: Callee): boolean {
    return this.isCut(from, to) || this.random.unit() < this.weather.loss;
  }

  /** Nearly always about the same; now and then far more, so that messages overtake each other. */
  private delayMs(): number {
    const { delayMs } = this.weather;
    const usual = delayMs * (1 + this.random.unit());
    return Math.min(this.random.unit() < 0.01 ? usual * 50 : usual, lateMs);
  }
}

function lost(device: string): Failure {
  return new Failure('unreachable', 'connection-lost', 'The connection was lost', {
    facts: { device },
  });
}

function away(device: string): Failure {
  return new Failure('unreachable', 'device-away', 'This device is off', { facts: { device } });
}
