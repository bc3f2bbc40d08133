/** Records of which no good copy was found: remembered by name, and left behind by whatever pass came upon them. */
import type { RowKey } from '#wire';

export interface Irreparable {
  readonly what: 'row' | 'blob';
  readonly name: string;
  readonly device: number;
  readonly reason: string;
  readonly sinceUs: number;
}

export class IrreparableList {
  private readonly most: number;
  private readonly entries = new Map<string, Irreparable>();
  /** Did not fit. */
  unlisted = 0;

  constructor(most: number) {
    this.most = most;
  }

  add(entry: Irreparable): void {
    const key = keyOf(entry);
    if (this.entries.has(key)) return;
    if (this.entries.size < this.most) this.entries.set(key, entry);
    else this.unlisted += 1;
  }

  has(entry: Pick<Irreparable, 'what' | 'name' | 'device'>): boolean {
    return this.entries.has(keyOf(entry));
  }

  /** It was mended after all. */
  remove(entry: Pick<Irreparable, 'what' | 'name' | 'device'>): void {
    this.entries.delete(keyOf(entry));
  }

  list(): Irreparable[] {
    return [...this.entries.values()];
  }
}

function keyOf({ what, name, device }: Pick<Irreparable, 'what' | 'name' | 'device'>): string {
  return `${device}/${what}/${name}`;
}

export function rowName({ table, partition, sort }: RowKey): string {
  return `${table}/${partition}/${sort}`;
}
