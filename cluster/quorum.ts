/**
 * Counts answers of replicas one by one and says when enough is known. Pure: no device, no clock.
 *
 * Three tallies. `yes`: did it. `no`: will never do it, because it promised or accepted something newer. `failed`:
 * nobody knows; the call may still take effect there. The difference between the last two is what makes retries
 * safe: only when so many said `no` that no majority is left can the attempt never come to light any more.
 */
import { Failure, messageOf } from '#common';
import type { Version } from '#wire';
import { compareVersions } from '#wire';

export interface Thresholds {
  /** So many `yes` and it is done. */
  readonly majority: number;
  /** So many `no` and it can never be done. */
  readonly blocking: number;
}

// replicas:                              0               1               2               3
const listed: readonly Thresholds[] = [
  { majority: 1, blocking: 0 },
  { majority: 1, blocking: 1 },
  { majority: 2, blocking: 1 },
  { majority: 2, blocking: 2 },
  { majority: 3, blocking: 2 },
  { majority: 3, blocking: 3 },
  { majority: 4, blocking: 3 },
  { majority: 4, blocking: 4 },
];

/** Majority is ⌊n/2⌋+1, and `blocking` is n − majority + 1. */
export function thresholdsOf(replicas: number): Thresholds {
  const known = listed[replicas];
  if (known !== undefined) return known;
  const majority = Math.floor(replicas / 2) + 1;
  return { majority, blocking: replicas - majority + 1 };
}

/** `refused`: it can never be done. `hopeless`: a majority is out of reach, and what was sent may take effect later. */
export type Verdict = 'wait' | 'enough' | 'refused' | 'hopeless';

export interface Answer<T> {
  readonly device: number;
  readonly value: T;
}

export interface ReplicaFailure {
  readonly device: number;
  readonly error: unknown;
}

export class Quorum<T> {
  readonly total: number;
  readonly thresholds: Thresholds;
  readonly answers: Answer<T>[] = [];
  readonly failures: ReplicaFailure[] = [];
  /** The newest version that a `no` named. */
  newestRefusal: Version | undefined;
  private refusals = 0;
  private lost = 0;

  constructor(total: number) {
    this.total = total;
    this.thresholds = thresholdsOf(total);
  }

  yes(device: number, value: T): void {
    this.answers.push({ device, value });
  }

  no(by: Version): void {
    this.refusals += 1;
    const newest = this.newestRefusal;
    if (newest === undefined || compareVersions(by, newest) > 0) this.newestRefusal = by;
  }

  /** `replaced`: another device was asked in its stead, so the answer is still open. */
  failed(device: number, error: unknown, replaced = false): void {
    this.failures.push({ device, error });
    if (!replaced) this.lost += 1;
  }

  get open(): number {
    return this.total - this.answers.length - this.refusals - this.lost;
  }

  verdict(): Verdict {
    const { majority, blocking } = this.thresholds;
    if (this.answers.length >= majority) return 'enough';
    if (this.refusals >= blocking) return 'refused';
    return this.answers.length + this.open < majority ? 'hopeless' : 'wait';
  }
}

/** What a caller is told when no majority could be had: what each replica said, and its kind where that helps the caller. */
export function quorumFailure(what: string, failures: readonly ReplicaFailure[]): Failure {
  const said = failures.map(({ device, error }) => `device ${device}: ${messageOf(error)}`);
  const errors = failures.map(({ error }) => error);
  const options = { facts: { what, said: said.join('; ') }, cause: new AggregateError(errors) };
  const agreed = agreedFailure(errors);
  if (agreed === undefined)
    return new Failure('unreachable', 'no-quorum', 'Too few replicas of this data answer', options);
  return new Failure(agreed.kind, agreed.code, 'The replicas refuse', options);
}

// What is wrong, denied or different on one device is so on all. Room is short only when no device has any.
const passedOnByOne = new Set(['invalid', 'denied', 'conflict']);

function agreedFailure(errors: readonly unknown[]): Failure | undefined {
  const failures = errors.filter((error) => error instanceof Failure);
  const telling = failures.find((failure) => passedOnByOne.has(failure.kind));
  const first = failures[0];
  if (telling !== undefined || first?.kind !== 'busy') return telling;
  return failures.length === errors.length && failures.every(({ code }) => code === first.code)
    ? first
    : undefined;
}
