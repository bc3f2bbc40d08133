/** Entries that are handled a fixed time after they were added, in order, a few at a time. */
import type { Clock, Timer } from '#common';

// Handled side by side: devices sync what arrives together once. More would stand in the way of requests.
const atOnceMax = 16;

export class DelayQueue<T> {
  private readonly clock: Clock;
  private readonly delayMs: number;
  private readonly handle: (entry: T) => Promise<void>;
  private waiting: { readonly entry: T; readonly dueMs: number }[] = [];
  private head = 0;
  private timer: Timer | undefined;
  private running: Promise<void> | undefined;
  private closed = false;

  /** `handle` never rejects. */
  constructor(clock: Clock, delayMs: number, handle: (entry: T) => Promise<void>) {
    this.clock = clock;
    this.delayMs = delayMs;
    this.handle = handle;
  }

  get length(): number {
    return this.waiting.length - this.head;
  }

  add(entry: T): void {
    this.waiting.push({ entry, dueMs: this.clock.monotonicMs() + this.delayMs });
    this.arm(this.delayMs);
  }

  /** Waits for what is being handled; the rest is dropped. */
  async close(): Promise<void> {
    this.closed = true;
    this.timer?.cancel();
    await this.running;
  }

  private arm(delayMs: number): void {
    if (this.timer !== undefined || this.running !== undefined || this.closed) return;
    this.timer = this.clock.after(delayMs, () => {
      this.timer = undefined;
      this.running = this.run().finally(() => {
        this.running = undefined;
        const next = this.waiting[this.head];
        if (next !== undefined) this.arm(Math.max(0, next.dueMs - this.clock.monotonicMs()));
      });
    });
  }

  private async run(): Promise<void> {
    const nowMs = this.clock.monotonicMs();
    const batch: Promise<void>[] = [];
    while (batch.length < atOnceMax) {
      const next = this.waiting[this.head];
      if (next === undefined || next.dueMs > nowMs) break;
      this.head += 1;
      batch.push(this.handle(next.entry));
    }
    if (this.head > 1024 || this.head === this.waiting.length) {
      this.waiting = this.waiting.slice(this.head);
      this.head = 0;
    }
    await Promise.all(batch);
  }
}
