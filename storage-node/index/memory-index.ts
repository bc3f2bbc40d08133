/** The index in memory, for tests: it can be asked what a crash would leave of it. */
import { compareUtf8, type Random } from '#common';
import type {
  IndexBatch,
  IndexPage,
  IndexPlace,
  IndexRange,
  IndexStore,
  TakeEntries,
} from './index-store.ts';

export class MemoryIndex implements IndexPlace, IndexStore {
  /** Thrown by every change, when set. */
  readonly faults: { apply: Error | undefined } = { apply: undefined };
  isClosed = false;
  private durable: Map<string, string> = new Map();
  private current: Map<string, string> = new Map();
  private sinceFlush: IndexBatch[] = [];

  async open(): Promise<IndexStore> {
    this.isClosed = false;
    return this;
  }

  async wipe(): Promise<void> {
    this.durable = new Map();
    this.current = new Map();
    this.sinceFlush = [];
  }

  get(key: string): string | undefined {
    return this.current.get(key);
  }

  async scan(range: IndexRange, beside?: string, take?: TakeEntries): Promise<IndexPage> {
    const inside = (key: string): boolean => {
      const low = compareUtf8(key, range.from);
      const high = compareUtf8(key, range.until);
      const above = range.afterFrom === true ? low > 0 : low >= 0;
      return above && (range.throughUntil === true ? high <= 0 : high < 0);
    };
    const entries = [...this.current].filter(([key]) => inside(key));
    entries.sort((a, b) => compareUtf8(a[0], b[0]));
    if (range.reverse === true) entries.reverse();
    const found = entries.slice(0, range.limit);
    take?.(found);
    return {
      entries: take === undefined ? found : [],
      cut: false,
      beside: beside === undefined ? undefined : this.current.get(beside),
    };
  }

  async apply(batch: IndexBatch): Promise<void> {
    if (this.faults.apply !== undefined) throw this.faults.apply;
    write(this.current, batch);
    this.sinceFlush.push(new Map(batch));
  }

  async flush(): Promise<void> {
    this.durable = new Map(this.current);
    this.sinceFlush = [];
  }

  async reopen(): Promise<void> {}

  async close(): Promise<void> {
    this.isClosed = true;
  }

  /** What a power loss may leave: a prefix of the batches, now and then with one missing inside, or nothing at all. */
  crash(random: Random): MemoryIndex {
    const after = new MemoryIndex();
    const fate = random.below(8);
    if (fate === 0) return after;
    after.durable = new Map(this.durable);
    const kept = this.sinceFlush.slice(0, random.below(this.sinceFlush.length + 1));
    if (fate === 1 && kept.length > 1) kept.splice(random.below(kept.length), 1);
    for (const batch of kept) write(after.durable, batch);
    after.current = new Map(after.durable);
    return after;
  }
}

function write(target: Map<string, string>, batch: IndexBatch): void {
  for (const [key, value] of batch) {
    if (value === undefined) target.delete(key);
    else target.set(key, value);
  }
}
