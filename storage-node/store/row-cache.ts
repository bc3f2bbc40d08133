/** Hot rows with their metas and small bodies, least recently used out first, bounded by bytes. */
import type { RowState } from './row-state.ts';

// Key, object and map entry, measured roughly.
const overheadBytes = 400;

export class RowCache {
  private readonly bytesMax: number;
  private readonly entries = new Map<string, RowState>();
  private bytes = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get(key: string): RowState | undefined {
    const found = this.entries.get(key);
    if (found !== undefined) {
      this.entries.delete(key);
      this.entries.set(key, found);
    }
    return found;
  }

  delete(key: string): void {
    const before = this.entries.get(key);
    if (before === undefined) return;
    this.entries.delete(key);
    this.bytes -= costOf(key, before);
  }

  set(key: string, state: RowState): void {
    const before = this.entries.get(key);
    if (before !== undefined) {
      this.entries.delete(key);
      this.bytes -= costOf(key, before);
    }
    const cost = costOf(key, state);
    if (cost > this.bytesMax / 16) return;
    this.entries.set(key, state);
    this.bytes += cost;
    for (const [oldest, old] of this.entries) {
      if (this.bytes <= this.bytesMax) break;
      this.entries.delete(oldest);
      this.bytes -= costOf(oldest, old);
    }
  }
}

function costOf(key: string, state: RowState): number {
  return overheadBytes + key.length * 2 + (state.meta?.length ?? 0) + (state.body?.length ?? 0);
}
