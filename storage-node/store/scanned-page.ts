/** The rows of one scan, decoded as the index hands them over, up to what a page may hold. */
import type { Row } from '#wire';
import { scanBytesMax } from '../checks.ts';
import type { IndexEntry } from '../index/index-store.ts';
import { RowEntries, sumOfKey } from './row-entry.ts';
import type { RowState } from './row-state.ts';

/** Few, because who keeps one of the rows keeps the bytes of all. */
const decodedAtOnce = 256;

/** Finds a row that its entry does not hold: a meta in the log, or an entry that is bad (undefined). */
export type RowBehind = (sort: string, row: RowState | undefined) => Row;

export class ScannedPage {
  readonly rows: Row[] = [];
  /** There was more than fits. */
  full = false;
  private readonly limit: number;
  private readonly prefixLength: number;
  private readonly prefixSum: number;
  private readonly rowBehind: RowBehind;
  private bytes = 0;

  constructor(limit: number, prefix: string, rowBehind: RowBehind) {
    this.limit = limit;
    this.prefixLength = prefix.length;
    this.prefixSum = sumOfKey(prefix);
    this.rowBehind = rowBehind;
  }

  take(entries: readonly IndexEntry[]): void {
    for (let at = 0; at < entries.length; at += decodedAtOnce) {
      const group = entries.slice(at, at + decodedAtOnce);
      const values = new RowEntries(group.map(([, text]) => text));
      for (let index = 0; index < group.length; index++) {
        this.full = this.rows.length === this.limit || this.bytes >= scanBytesMax;
        if (this.full) return;
        this.add(values, index, group[index]?.[0] ?? '');
      }
    }
  }

  private add(values: RowEntries, index: number, name: string): void {
    const sort = name.slice(this.prefixLength);
    const keySum = sumOfKey(sort, this.prefixSum);
    const row =
      values.row(index, keySum, sort) ?? this.rowBehind(sort, values.state(index, keySum));
    this.bytes += row.meta.length;
    this.rows.push(row);
  }
}
