/**
 * Counts answers of replicas one by one and says when enough is known. Pure: no device, no clock.
 *
 * Three tallies. `yes`: did it. `no`: did not, because it promised or accepted something newer. `failed`: mostly nobody
 * knows whether it did. What is done by one replica can spread from there (readers write back, a later ballot adopts it),
 * so an attempt without majority is dead, and may be made again, only when for certain no replica did it.
 */
import { Failure, messageOf } from '#common';
import type { Version } from '#wire';
import { compareVersions } from '#wire';

export interface Thresholds {
  /** So many `yes` and it is done. */
  readonly majority: number;
  /** So many replicas are in every majority's way. */
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

/**
 * `enough`: a majority did it. `refused`: no replica did it, and some met something newer: make it again, newer.
 * `hopeless`: no majority, and what was sent may still come to light.
 */
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
  private readonly patient: boolean;
  private refusals = 0;
  private lost = 0;
  private uncertain = 0;

  /**
   * `patient`: after a refusal all answers are waited for, since only they can show that an attempt is dead. Without it, one
   * refusal too many ends the attempt at once. `needed`: so many `yes` instead of a majority.
   */
  constructor(
    total: number,
    options: { readonly patient: boolean; readonly needed?: number } = { patient: false },
  ) {
    const { needed } = options;
    this.total = total;
    this.thresholds =
      needed === undefined
        ? thresholdsOf(total)
        : { majority: needed, blocking: total - needed + 1 };
    this.patient = options.patient;
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
    if (!isWithoutEffect(error)) this.uncertain += 1;
    if (!replaced) this.lost += 1;
  }

  get open(): number {
    return this.total - this.answers.length - this.refusals - this.lost;
  }

  verdict(): Verdict {
    const { open, refusals } = this;
    const yes = this.answers.length;
    const { majority } = this.thresholds;
    if (yes >= majority) return 'enough';
    if (yes + open >= majority && open > 0) return 'wait';
    if (refusals === 0) return 'hopeless';
    if (!this.patient) return this.lost + open < majority ? 'refused' : 'hopeless';
    if (open > 0) return 'wait';
    return yes === 0 && this.uncertain === 0 ? 'refused' : 'hopeless';
  }
}

const neverSent = new Set(['device-aside', 'device-unknown', 'node-unreachable']);

/** The device for certain did not do what it was asked: it refused, or was never asked. */
function isWithoutEffect(error: unknown): boolean {
  if (!(error instanceof Failure)) return false;
  const { kind, code } = error;
  return kind === 'busy' || kind === 'denied' || kind === 'invalid' || neverSent.has(code);
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
