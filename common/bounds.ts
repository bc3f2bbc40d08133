/** Named limits on what may be in flight or wait. A full one answers `busy`; nothing grows to fit demand. */
import { Failure } from './failure.ts';

export interface GateOptions {
  readonly name: string;
  /** Holders at once (or units, when `enter` is called with a weight). */
  readonly inFlightMax: number;
  /** Callers that may wait behind them. */
  readonly waitingMax: number;
}

interface Waiter {
  readonly weight: number;
  readonly admit: () => void;
}

/** A first-in-first-out counting gate. */
export class Gate {
  private readonly options: GateOptions;
  private inFlight = 0;
  private waiters: Waiter[] = [];

  constructor(options: GateOptions) {
    this.options = options;
  }

  get inUse(): number {
    return this.inFlight;
  }

  get waiting(): number {
    return this.waiters.length;
  }

  /** Waits for room; throws `busy` when too many wait already. Every `enter` needs one `leave` of the same weight. */
  enter(weight = 1): Promise<void> {
    const units = Math.min(weight, this.options.inFlightMax);
    if (this.waiters.length === 0 && this.inFlight + units <= this.options.inFlightMax) {
      this.inFlight += units;
      return Promise.resolve();
    }
    if (this.waiters.length >= this.options.waitingMax) {
      const facts = { gate: this.options.name, waiting: this.waiters.length };
      return Promise.reject(
        new Failure('busy', 'too-many-waiting', 'Too much is waiting already', { facts }),
      );
    }
    return new Promise((resolve) => {
      this.waiters.push({ weight: units, admit: resolve });
    });
  }

  leave(weight = 1): void {
    this.inFlight -= Math.min(weight, this.options.inFlightMax);
    let next = this.waiters[0];
    while (next !== undefined && this.inFlight + next.weight <= this.options.inFlightMax) {
      this.waiters.shift();
      this.inFlight += next.weight;
      next.admit();
      next = this.waiters[0];
    }
  }

  /** Runs `work` inside the gate. */
  async within<T>(work: () => Promise<T>, weight = 1): Promise<T> {
    await this.enter(weight);
    try {
      return await work();
    } finally {
      this.leave(weight);
    }
  }
}
