/**
 * Which of a volume's segments and checkpoints something other than its present content still refers to.
 *
 * Segments are numbered in the order of writing, and the present content never begins to refer again to what it let go of (a revert counts
 * as a new beginning: `recovery.ts`). So a segment `b` that was found dead at border `d` can be part of exactly those points that lie
 * between the two: of a pin at border n when b < n ≤ d, and of an instant of the retained past when the past reaches back
 * to before d. A pin is read from its checkpoint on, at border c: what was written and died after c is looked at on the way to n, so for it
 * the rule is b < n and c < d. Deciding costs nothing, and taking a snapshot writes no list of segments.
 */
import type { CheckpointRef, VolumeHead } from './head.ts';
import type { Pin } from './pin-rows.ts';

export class PinSet {
  private readonly pins = new Map<string, Pin>();
  /** The pins' borders, ascending, and beside each the lowest checkpoint of its pin and all behind it. */
  private borders: number[] = [];
  private bases: number[] = [];
  /** Segments that died at or before this border are not part of the retained past. */
  private pastFrom = Number.POSITIVE_INFINITY;
  private queue: Promise<unknown> = Promise.resolve();

  constructor(pins: Iterable<Pin>) {
    for (const pin of pins) this.pins.set(pin.id, pin);
    this.sort();
  }

  get count(): number {
    return this.pins.size;
  }

  add(pin: Pin): void {
    this.pins.set(pin.id, pin);
    this.sort();
  }

  drop(id: string): void {
    this.pins.delete(id);
    this.sort();
  }

  get(id: string): Pin | undefined {
    return this.pins.get(id);
  }

  /** The head has changed: how far the retained past reaches. */
  notePast(head: VolumeHead): void {
    const base = head.history?.[0] ?? head;
    const kept = (head.retentionS ?? 0) > 0 || (head.history?.length ?? 0) > 0;
    this.pastFrom = kept ? (base.checkpoint?.next ?? 0) : Number.POSITIVE_INFINITY;
  }

  /** Whether a segment that died at border `death` must stay. */
  needsSegment(number: number, death: number): boolean {
    return death > this.pastFrom || this.pinned(number, death);
  }

  /** Whether a pin refers to segment `number` although the present content doesn't since `death`. */
  pinned(number: number, death: number): boolean {
    const { borders, bases } = this;
    let low = 0;
    let high = borders.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((borders[middle] ?? 0) <= number) low = middle + 1;
      else high = middle;
    }
    return (bases[low] ?? Number.POSITIVE_INFINITY) < death;
  }

  needsCheckpoint(checkpoint: CheckpointRef): boolean {
    for (const pin of this.pins.values())
      if (pin.checkpoint !== undefined && sameCheckpoint(pin.checkpoint, checkpoint)) return true;
    return false;
  }

  /** Runs one after another whatever changes or relies on the pins. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const run = this.queue.then(work);
    this.queue = run.catch(() => undefined);
    return run;
  }

  private sort(): void {
    const sorted = [...this.pins.values()].sort((a, b) => a.border - b.border);
    this.borders = sorted.map((pin) => pin.border);
    this.bases = sorted.map((pin) => pin.checkpoint?.next ?? 0);
    for (let at = this.bases.length - 2; at >= 0; at--)
      this.bases[at] = Math.min(this.bases[at] ?? 0, this.bases[at + 1] ?? 0);
  }
}

export function sameCheckpoint(a: CheckpointRef, b: CheckpointRef): boolean {
  return a.volume === b.volume && a.epoch === b.epoch && a.serial === b.serial;
}

/** Whether the head itself refers to a checkpoint, its past and what it left behind included. */
export function headNeeds(head: VolumeHead, checkpoint: CheckpointRef): boolean {
  const manifests = [head, ...(head.history ?? []), ...(head.abandoned ?? [])];
  return manifests.some(
    ({ checkpoint: own }) => own !== undefined && sameCheckpoint(own, checkpoint),
  );
}
