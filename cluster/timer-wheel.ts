/**
 * Deadlines by the thousand for the price of one timer: a wheel of slots, each a ring of entries that leave in
 * constant time when their call is answered.
 *
 * When this process was held up, all its deadlines would seem to pass at once although answers already wait to be read;
 * so one turn of the wheel never counts for more than `lateTicksMax`.
 */
import type { Clock } from '#common';

const tickMs = 5;
const slotCount = 1024;
const lateTicksMax = 4;

class Link {
  previous: Link = this;
  next: Link = this;

  get linked(): boolean {
    return this.next !== this;
  }

  unlink(): void {
    this.previous.next = this.next;
    this.next.previous = this.previous;
    this.previous = this;
    this.next = this;
  }

  insertBefore(head: Link): void {
    this.previous = head.previous;
    this.next = head;
    head.previous.next = this;
    head.previous = this;
  }
}

export class Deadline extends Link {
  readonly expire: () => void;
  /** Whole turns of the wheel still to go. */
  rounds: number;

  constructor(rounds: number, expire: () => void) {
    super();
    this.rounds = rounds;
    this.expire = expire;
  }

  /** True when the deadline had neither passed nor been cancelled. */
  cancel(): boolean {
    const pending = this.linked;
    if (pending) this.unlink();
    return pending;
  }
}

export class TimerWheel {
  private readonly clock: Clock;
  private readonly slots: readonly Link[] = Array.from({ length: slotCount }, () => new Link());
  private at = 0;
  private turnedMs = 0;
  private turning = false;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Calls `expire` once, about `delayMs` from now, unless cancelled. */
  add(delayMs: number, expire: () => void): Deadline {
    const ticks = Math.max(1, Math.ceil(delayMs / tickMs));
    const entry = new Deadline(Math.floor((ticks - 1) / slotCount), expire);
    const head = this.slots[(this.at + ticks) % slotCount];
    if (head !== undefined) entry.insertBefore(head);
    if (!this.turning) this.start();
    return entry;
  }

  private start(): void {
    this.turning = true;
    this.turnedMs = this.clock.monotonicMs();
    this.clock.after(tickMs, this.turn);
  }

  private readonly turn = (): void => {
    const nowMs = this.clock.monotonicMs();
    const ticks = Math.min(lateTicksMax, Math.round((nowMs - this.turnedMs) / tickMs));
    this.turnedMs = nowMs;
    for (let tick = 0; tick < ticks; tick++) this.tick();
    this.turning = this.slots.some((head) => head.linked);
    if (this.turning) this.clock.after(tickMs, this.turn);
  };

  private tick(): void {
    this.at = (this.at + 1) % slotCount;
    const head = this.slots[this.at];
    if (head === undefined) return;
    // Gathered first: what expires may add and cancel entries of this very slot.
    const due: Deadline[] = [];
    for (let link = head.next; link !== head; link = link.next) {
      if (!(link instanceof Deadline)) continue;
      if (link.rounds > 0) link.rounds -= 1;
      else due.push(link);
    }
    for (const entry of due) if (entry.cancel()) entry.expire();
  }
}
