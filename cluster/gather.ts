/** Two ways to ask replicas: all at once until a quorum is decided, or as few as needed with hedging. */

import { putAside } from './handoff.ts';
import type { Answer, Quorum, ReplicaFailure, Verdict } from './quorum.ts';
import type { CallClass, Replica } from './replica.ts';
import type { Deadline, TimerWheel } from './timer-wheel.ts';

const slowFactor = 3;

/** The primaries of a key. While one of its replicas moves: the last `newcomers` of them (none, when one just leaves) are being filled. */
export interface ReplicaSet extends ReadonlyArray<Replica> {
  readonly newcomers?: number;
}

export interface Gathering<T> {
  readonly quorum: Quorum<unknown>;
  readonly replicas: readonly Replica[];
  readonly send: (replica: Replica) => Promise<T>;
  /** Sorts one reply into the quorum. */
  readonly sort: (replica: Replica, reply: T) => void;
  /** Gives another device for one that failed, as long as there is one. */
  readonly spare?: (error: unknown) => Replica | undefined;
}

/** Whom to ask for a write, and whom to ask when one of those fails. */
export interface Asked {
  readonly replicas: readonly Replica[];
  readonly spare?: () => Replica | undefined;
}

/**
 * Replicas that are put aside are not asked while the others are a majority: then it is also certain that they did nothing.
 * When one of the others fails they are asked after all.
 */
export function awakeFirst(replicas: readonly Replica[], quorum: Quorum<unknown>): Asked {
  const aside = replicas.filter((replica) => replica.aside);
  if (aside.length === 0 || replicas.length - aside.length < quorum.thresholds.majority)
    return { replicas };
  for (const { device } of aside) quorum.failed(device, putAside(device));
  return {
    replicas: replicas.filter((replica) => !aside.includes(replica)),
    spare: () => aside.pop(),
  };
}

/** Resolves at the first verdict; stragglers end in the background, bounded by what each replica may have in flight. */
export function gather<T>(gathering: Gathering<T>): Promise<Verdict> {
  const { quorum, send, sort, spare } = gathering;
  return new Promise((resolve) => {
    const decide = () => {
      const verdict = quorum.verdict();
      if (verdict !== 'wait') resolve(verdict);
    };
    const ask = (replica: Replica): void => {
      send(replica).then(
        (reply) => {
          sort(replica, reply);
          decide();
        },
        (error: unknown) => {
          const other = spare?.(error);
          quorum.failed(replica.device, error, other !== undefined);
          if (other !== undefined) ask(other);
          decide();
        },
      );
    };
    decide();
    for (const replica of gathering.replicas) ask(replica);
  });
}

export interface HedgedRequest<T> {
  readonly wheel: TimerWheel;
  readonly kind: CallClass;
  /** In the order in which they are asked. */
  readonly candidates: readonly Replica[];
  /** Answers wanted. */
  readonly needed: number;
  /** `whole`: one is asked for everything, a body included, and whoever is asked in its stead; the others for the rest. */
  readonly send: (replica: Replica, whole: boolean) => Promise<T>;
  /** Settle for what has come after so long, even if it is nothing. */
  readonly patienceMs?: number;
  /** Given what comes when nobody waits for it any more. */
  readonly late?: (value: T) => void;
}

export interface HedgedOutcome<T> {
  readonly enough: boolean;
  readonly answers: readonly Answer<T>[];
  readonly failures: readonly ReplicaFailure[];
  /** Candidates that were not asked. */
  readonly unasked: readonly Replica[];
}

// Measured by the quickest of them: a device that is always slow would otherwise be waited for always.
export function shortestLimitMs(candidates: readonly Replica[], kind: CallClass): number {
  let shortestMs = Number.POSITIVE_INFINITY;
  for (const { latency } of candidates) shortestMs = Math.min(shortestMs, latency[kind].limitMs);
  return shortestMs;
}

/**
 * The order in which to ask for a read: from `start` on round, so that one row is always looked for in the same cache
 * first; devices that are suspect, being filled, or several times slower than the best, come last.
 */
export function readOrder(
  replicas: ReplicaSet,
  start: number,
  kind: CallClass,
): readonly Replica[] {
  const slowMs = slowFactor * shortestLimitMs(replicas, kind);
  const good: Replica[] = [];
  const last: Replica[] = [];
  const settled = replicas.length - (replicas.newcomers ?? 0);
  for (let offset = 0; offset < replicas.length; offset++) {
    const at = (start + offset) % replicas.length;
    const replica = replicas[at];
    if (replica === undefined) continue;
    const slow = at >= settled || replica.suspect || replica.latency[kind].limitMs > slowMs;
    (slow ? last : good).push(replica);
  }
  return last.length === 0 ? good : good.concat(last);
}

/** Asks `needed` candidates, and the next one for each that fails or takes longer than it usually does. */
export function askHedged<T>(request: HedgedRequest<T>): Promise<HedgedOutcome<T>> {
  return new Promise((resolve) => new HedgedRound(request, resolve).start());
}

class HedgedRound<T> {
  private readonly request: HedgedRequest<T>;
  private readonly resolve: (outcome: HedgedOutcome<T>) => void;
  private readonly answers: Answer<T>[] = [];
  private readonly failures: ReplicaFailure[] = [];
  /** Who has not answered yet, and whether it was asked for the whole. */
  private readonly waiting = new Map<Replica, boolean>();
  private next = 0;
  private hedge: Deadline | undefined;
  private patience: Deadline | undefined;
  private done = false;

  constructor(request: HedgedRequest<T>, resolve: (outcome: HedgedOutcome<T>) => void) {
    this.request = request;
    this.resolve = resolve;
  }

  start(): void {
    for (let count = 0; count < this.request.needed; count++) this.askNext(count === 0);
    this.armHedge();
    const { wheel, patienceMs } = this.request;
    if (patienceMs !== undefined) this.patience = wheel.add(patienceMs, () => this.finish());
    this.decide();
  }

  private askNext(whole: boolean): void {
    const replica = this.request.candidates[this.next];
    if (replica === undefined) return;
    this.next += 1;
    this.waiting.set(replica, whole);
    this.request.send(replica, whole).then(
      (value) => {
        this.waiting.delete(replica);
        if (this.done) {
          this.request.late?.(value);
          return;
        }
        this.answers.push({ device: replica.device, value });
        this.decide();
      },
      (error: unknown) => {
        this.waiting.delete(replica);
        if (this.done) return;
        this.failures.push({ device: replica.device, error });
        this.askNext(whole);
        this.decide();
      },
    );
  }

  private armHedge(): void {
    if (this.next >= this.request.candidates.length) return;
    const limitMs = shortestLimitMs(this.request.candidates, this.request.kind);
    this.hedge = this.request.wheel.add(limitMs, () => {
      for (const [replica, whole] of [...this.waiting]) {
        replica.overtaken();
        this.askNext(whole);
      }
      this.armHedge();
    });
  }

  private decide(): void {
    if (this.done) return;
    const enough = this.answers.length >= this.request.needed;
    if (enough || this.waiting.size === 0) this.finish();
  }

  private finish(): void {
    this.done = true;
    this.hedge?.cancel();
    this.patience?.cancel();
    const enough = this.answers.length >= this.request.needed;
    this.resolve({
      enough,
      answers: this.answers,
      failures: this.failures,
      unasked: this.request.candidates.slice(this.next),
    });
  }
}
