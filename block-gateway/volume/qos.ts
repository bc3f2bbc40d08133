/** How much guests may ask of one volume: buckets that fill with time and are emptied by requests. */
import type { Clock } from '#common';
import { headFailure, type Json } from './fields.ts';

/** Absent means no limit. `…PerGib` is multiplied by the volume's size and added. */
export interface VolumeQos {
  readonly iops?: number;
  readonly readIops?: number;
  readonly writeIops?: number;
  readonly bytesPerS?: number;
  readonly readBytesPerS?: number;
  readonly writeBytesPerS?: number;
  readonly iopsPerGib?: number;
  readonly bytesPerSPerGib?: number;
  /** How many seconds' worth may be spent at once after a rest; 1 when left out. */
  readonly burstS?: number;
}

const names = [
  'iops',
  'readIops',
  'writeIops',
  'bytesPerS',
  'readBytesPerS',
  'writeBytesPerS',
  'iopsPerGib',
  'bytesPerSPerGib',
  'burstS',
] as const;

export function decodeQos(values: Json): VolumeQos {
  const qos: { [name in (typeof names)[number]]?: number } = {};
  for (const name of names) {
    const value = values[name];
    if (value === undefined) continue;
    if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) throw headFailure(name);
    qos[name] = value;
  }
  return qos;
}

type Direction = 'read' | 'write';

class Bucket {
  private readonly clock: Clock;
  private readonly perMs: number;
  private readonly most: number;
  private filledAt: number;
  private level: number;

  constructor(clock: Clock, perS: number, burstS: number) {
    this.clock = clock;
    this.perMs = perS / 1000;
    this.most = perS * burstS;
    this.level = this.most;
    this.filledAt = clock.monotonicMs();
  }

  /** Milliseconds until anything may be taken. */
  delayMs(): number {
    const now = this.clock.monotonicMs();
    this.level = Math.min(this.most, this.level + (now - this.filledAt) * this.perMs);
    this.filledAt = now;
    return this.level > 0 ? 0 : (1e-6 - this.level) / this.perMs;
  }

  /** May go below zero, so that a request larger than the bucket is not starved; the next ones wait for it. */
  take(amount: number): void {
    this.level -= amount;
  }
}

/** The buckets of one volume: a request has to find all of its own open. */
export class QosLimits {
  private readonly clock: Clock;
  private readonly operations: Record<Direction, readonly Bucket[]>;
  private readonly bytes: Record<Direction, readonly Bucket[]>;
  readonly unlimited: boolean;

  constructor(clock: Clock, qos: VolumeQos, sizeBytes: number) {
    this.clock = clock;
    const { burstS = 1 } = qos;
    const gib = sizeBytes / 2 ** 30;
    const bucket = (perS: number | undefined) =>
      perS === undefined ? [] : [new Bucket(clock, perS, burstS)];
    const iops = bucket(sum(qos.iops, qos.iopsPerGib, gib));
    const bytes = bucket(sum(qos.bytesPerS, qos.bytesPerSPerGib, gib));
    this.operations = {
      read: [...iops, ...bucket(qos.readIops)],
      write: [...iops, ...bucket(qos.writeIops)],
    };
    this.bytes = {
      read: [...bytes, ...bucket(qos.readBytesPerS)],
      write: [...bytes, ...bucket(qos.writeBytesPerS)],
    };
    this.unlimited = [this.operations, this.bytes].every(
      ({ read, write }) => read.length + write.length === 0,
    );
  }

  /** Takes what the request costs, or nothing when it has to wait. */
  tryTake(direction: Direction, bytes: number): boolean {
    if (this.unlimited) return true;
    if (this.delayMs(direction) > 0) return false;
    this.change(direction, 1, bytes);
    return true;
  }

  /** What was taken was not used after all. */
  giveBack(direction: Direction, bytes: number): void {
    if (!this.unlimited) this.change(direction, -1, -bytes);
  }

  async take(direction: Direction, bytes: number): Promise<void> {
    while (!this.tryTake(direction, bytes))
      await this.clock.sleep(Math.max(1, Math.ceil(this.delayMs(direction))));
  }

  private change(direction: Direction, operations: number, bytes: number): void {
    for (const bucket of this.operations[direction]) bucket.take(operations);
    for (const bucket of this.bytes[direction]) bucket.take(bytes);
  }

  private delayMs(direction: Direction): number {
    let longest = 0;
    for (const bucket of this.operations[direction]) longest = Math.max(longest, bucket.delayMs());
    for (const bucket of this.bytes[direction]) longest = Math.max(longest, bucket.delayMs());
    return longest;
  }
}

function sum(fixed: number | undefined, perGib: number | undefined, gib: number) {
  if (fixed === undefined && perGib === undefined) return undefined;
  return (fixed ?? 0) + (perGib ?? 0) * gib;
}
