/** What was seen without a reason to be there: since when, by a clock that only rises, and how often again after its time of grace. */
import type { Clock } from '#common';
import type { CursorStore } from '../cursor.ts';

interface Suspect {
  readonly id: string;
  readonly hash: number;
  /** How long it has been under suspicion, without the times at which this process did not run. */
  ageMs: number;
  confirmations: number;
}

const cursorName = 'reclaim-suspects';

export class Suspects {
  private readonly clock: Clock;
  private readonly cursors: CursorStore;
  private readonly most: number;
  private entries = new Map<string, Suspect>();
  private countedMs: number;
  private loaded = false;

  constructor({ clock, cursors, most }: { clock: Clock; cursors: CursorStore; most: number }) {
    this.clock = clock;
    this.cursors = cursors;
    this.most = most;
    this.countedMs = clock.monotonicMs();
  }

  /** How many could go, but for what the settings say. */
  due(confirmations: number): number {
    let count = 0;
    for (const one of this.entries.values()) if (one.confirmations >= confirmations) count += 1;
    return count;
  }

  get size(): number {
    return this.entries.size;
  }

  async load(): Promise<void> {
    if (this.loaded) return;
    this.loaded = true;
    const text = await this.cursors.load(cursorName);
    for (const line of String(text ?? '').split('\n')) {
      const [id = '', hash, ageMs, confirmations] = line.split(' ');
      if (!/^[0-9a-f]{32}(?:[0-9a-f]{6})?$/.test(id)) continue;
      const numbers = [hash, ageMs, confirmations].map(Number);
      // A line that was not understood is only a suspicion that begins anew.
      if (numbers.some((one) => !Number.isFinite(one) || one < 0)) continue;
      const [hashNumber = 0, age = 0, times = 0] = numbers;
      this.entries.set(id, { id, hash: hashNumber, ageMs: age, confirmations: times });
    }
  }

  /** After a whole look at the roots: which of those that were looked for nothing refers to. Returns whom the time of grace is over for. */
  judge(
    [from, until]: readonly [number, number],
    unreferenced: ReadonlyMap<string, number>,
    { graceMs, confirmations }: { readonly graceMs: number; readonly confirmations: number },
  ): { readonly id: string; readonly hash: number }[] {
    this.grow();
    const over: { id: string; hash: number }[] = [];
    for (const { id, hash } of this.entries.values())
      if (hash >= from && hash < until && !unreferenced.has(id)) this.entries.delete(id);
    for (const [id, hash] of unreferenced) {
      const known = this.entries.get(id);
      if (known === undefined) {
        if (this.entries.size < this.most)
          this.entries.set(id, { id, hash, ageMs: 0, confirmations: 0 });
        continue;
      }
      if (known.ageMs < graceMs) continue;
      known.confirmations += 1;
      if (known.confirmations >= confirmations) over.push({ id, hash });
    }
    return over;
  }

  remove(id: string): void {
    this.entries.delete(id);
  }

  async save(): Promise<void> {
    this.grow();
    const lines = [...this.entries.values()].map(
      ({ id, hash, ageMs, confirmations }) => `${id} ${hash} ${Math.floor(ageMs)} ${confirmations}`,
    );
    await this.cursors.save(cursorName, lines.length === 0 ? undefined : lines.join('\n'));
  }

  private grow(): void {
    const nowMs = this.clock.monotonicMs();
    for (const entry of this.entries.values()) entry.ageMs += nowMs - this.countedMs;
    this.countedMs = nowMs;
  }
}
