/**
 * One device as its callers here see it: every call bounded in number, bytes and time, and the device put aside while it
 * keeps failing.
 *
 * A device is *aside* after `failuresMax` failures in a row, for `asideMs` that doubles with each failed try. Meanwhile
 * nobody waits for it: callers ask others, or, when no quorum can be had without it, send it up to `probesMax` calls at
 * a time. After the rest one call at a time goes through as a probe, and the first answer ends it.
 * It is *suspect* for reads as soon as it was overtaken by a hedge twice without an answer in between.
 */
import { type Clock, Failure, isFailure } from '#common';
import type { DeviceService } from '#wire';
import { Latency } from './latency.ts';
import type { ClusterSettings } from './settings.ts';
import type { TimerWheel } from './timer-wheel.ts';

export type CallClass = 'row' | 'blob';

export interface ReplicaParts {
  readonly device: number;
  readonly service: DeviceService;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly settings: ClusterSettings;
  readonly onFailure: (device: number, error: unknown) => void;
}

const overtakenMax = 2;

export class Replica {
  readonly device: number;
  readonly latency: Readonly<Record<CallClass, Latency>>;
  lastError: unknown;
  private readonly parts: ReplicaParts;
  private readonly timeoutMs: Readonly<Record<CallClass, number>>;
  private inFlightCalls = 0;
  private inFlightBytes = 0;
  private failuresInRow = 0;
  private overtakenInRow = 0;
  private asideUntilMs = 0;
  private asideMs = 0;

  constructor(parts: ReplicaParts) {
    const { settings } = parts;
    this.parts = parts;
    this.device = parts.device;
    this.timeoutMs = { row: settings.rowTimeoutMs, blob: settings.blobTimeoutMs };
    const bounds = { floorMs: settings.hedgeFloorMs, ceilingMs: settings.hedgeCeilingMs };
    this.latency = { row: new Latency(bounds), blob: new Latency(bounds) };
  }

  isWayTo(service: DeviceService): boolean {
    return this.parts.service === service;
  }

  get inFlight(): number {
    return this.inFlightCalls;
  }

  /** Put aside after failures, and nobody need wait for it. */
  get aside(): boolean {
    if (this.failuresInRow < this.parts.settings.failuresMax) return false;
    // After its rest, a device with nothing in flight may have one call: the probe.
    return this.inFlightCalls > 0 || this.parts.clock.monotonicMs() < this.asideUntilMs;
  }

  /** Better asked last for a read. */
  get suspect(): boolean {
    return this.overtakenInRow >= overtakenMax || this.aside;
  }

  /** A hedged read gave up waiting for it. */
  overtaken(): void {
    this.overtakenInRow += 1;
  }

  /** Runs one call on the device. `bytes` of payload count against what may be in flight. */
  call<T>(kind: CallClass, bytes: number, run: (service: DeviceService) => Promise<T>): Promise<T> {
    const refusal = this.refusal(bytes);
    if (refusal !== undefined) return Promise.reject(refusal);
    this.inFlightCalls += 1;
    this.inFlightBytes += bytes;
    const startedMs = this.parts.clock.monotonicMs();
    return new Promise((resolve, reject) => {
      const deadline = this.parts.wheel.add(this.timeoutMs[kind], () => {
        const failure = this.late(kind);
        this.failed(failure);
        reject(failure);
      });
      started(run, this.parts.service).then(
        (value) => {
          this.left(bytes);
          // An answer after the deadline still shows that the device lives.
          this.answered(kind, startedMs);
          if (deadline.cancel()) resolve(value);
        },
        (error: unknown) => {
          this.left(bytes);
          if (!deadline.cancel()) return;
          if (isReply(error)) this.answered(kind, startedMs);
          else this.failed(error);
          reject(error);
        },
      );
    });
  }

  private refusal(bytes: number): Failure | undefined {
    const { settings } = this.parts;
    const full =
      this.inFlightCalls >= settings.inFlightMax ||
      (this.inFlightBytes > 0 && this.inFlightBytes + bytes > settings.inFlightBytesMax);
    const facts = { device: this.device, inFlight: this.inFlightCalls };
    if (full)
      return new Failure('busy', 'too-many-waiting', 'Too much waits for this device', { facts });
    if (this.failuresInRow >= settings.failuresMax && this.inFlightCalls >= settings.probesMax)
      return new Failure('unreachable', 'device-aside', 'This device is put aside', {
        facts,
        cause: this.lastError,
      });
    return undefined;
  }

  private left(bytes: number): void {
    this.inFlightCalls -= 1;
    this.inFlightBytes -= bytes;
  }

  private answered(kind: CallClass, startedMs: number): void {
    this.latency[kind].observe(this.parts.clock.monotonicMs() - startedMs);
    this.failuresInRow = 0;
    this.overtakenInRow = 0;
    this.asideMs = 0;
  }

  private failed(error: unknown): void {
    const { settings, clock } = this.parts;
    this.lastError = error;
    this.failuresInRow += 1;
    if (this.failuresInRow >= settings.failuresMax && clock.monotonicMs() >= this.asideUntilMs) {
      this.asideMs = Math.min(settings.asideMsMax, this.asideMs * 2 || settings.asideMs);
      this.asideUntilMs = clock.monotonicMs() + this.asideMs;
    }
    this.parts.onFailure(this.device, error);
  }

  private late(kind: CallClass): Failure {
    const facts = { device: this.device, timeoutMs: this.timeoutMs[kind] };
    return new Failure('unreachable', 'deadline-passed', 'A device did not answer in time', {
      facts,
    });
  }
}

/** A thrown error and a rejected promise are one and the same. */
async function started<T>(
  run: (service: DeviceService) => Promise<T>,
  service: DeviceService,
): Promise<T> {
  return run(service);
}

/** Kinds with which a healthy device answers. */
function isReply(error: unknown): boolean {
  return (
    isFailure(error) &&
    (error.kind === 'busy' ||
      error.kind === 'corrupt' ||
      error.kind === 'denied' ||
      error.kind === 'missing' ||
      error.kind === 'conflict' ||
      error.kind === 'invalid')
  );
}
