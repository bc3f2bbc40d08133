/** Listings: prefix, delimiter, markers and direction over settled pages. A collapsed group is skipped by seeking past it. */
import { afterPrefix, compareUtf8 } from '#common';
import { type Row, type ScanRequest, scanRowsMax } from '#wire';
import type { SettledPage } from './settled-scan.ts';
import type { ListEntry, ListPage, ListRequest } from './tables.ts';

export type ScanPages = (request: ScanRequest) => Promise<SettledPage>;

// With a delimiter a page may lie in one group as a whole; so pages start small and grow while they are of use.
const groupedRowsMin = 64;
const rowsMin = 16;

interface Position {
  readonly from?: string;
  readonly inclusive: boolean;
}

export async function listRows(
  scan: ScanPages,
  hash: number,
  request: ListRequest,
): Promise<ListPage> {
  const walk = new ListingWalk(request);
  let rowsMax = groupedRowsMin;
  for (;;) {
    const wanted = walk.missing;
    const limit = request.delimiter === undefined ? wanted : Math.min(wanted, rowsMax);
    const page = await scan({
      table: request.table,
      partition: request.partition,
      hash,
      ...walk.range,
      limit: Math.min(scanRowsMax, Math.max(limit, rowsMin)),
    });
    const seeking = walk.take(page.rows);
    rowsMax = seeking ? groupedRowsMin : rowsMax * 2;
    if (walk.full || walk.ended || !page.more) return walk.page();
  }
}

class ListingWalk {
  /** Set once a row beyond the listing was met. */
  ended = false;
  private readonly request: ListRequest;
  private readonly prefix: string;
  private readonly reverse: boolean;
  private readonly entries: ListEntry[] = [];
  private readonly until: string | undefined;
  private position: Position;

  constructor(request: ListRequest) {
    this.request = request;
    this.prefix = request.prefix ?? '';
    this.reverse = request.reverse === true;
    this.position = this.reverse ? reverseStart(request) : forwardStart(request);
    this.until = this.reverse ? request.endMarker : forwardEnd(request);
  }

  /** Entries still to be found, with the one beyond the page that says whether more follows. */
  get missing(): number {
    return this.request.limit + 1 - this.entries.length;
  }

  get full(): boolean {
    return this.missing <= 0;
  }

  get range(): Pick<ScanRequest, 'from' | 'inclusive' | 'until' | 'reverse'> {
    return {
      ...this.position,
      ...(this.until === undefined ? {} : { until: this.until }),
      ...(this.reverse ? { reverse: true } : {}),
    };
  }

  /** True when the page ended inside a collapsed group, which the next scan seeks past. */
  take(rows: readonly Row[]): boolean {
    let group: string | undefined;
    for (const row of rows) {
      if (this.full || this.ended) return false;
      if (group !== undefined && row.sort.startsWith(group)) continue;
      group = this.takeRow(row);
    }
    const last = rows.at(-1);
    if (last === undefined) return false;
    const inside = group !== undefined && last.sort.startsWith(group);
    this.position = inside && group !== undefined ? this.past(group) : exclusive(last.sort);
    return inside;
  }

  page(): ListPage {
    const { limit } = this.request;
    const more = this.entries.length > limit;
    return { entries: more ? this.entries.slice(0, limit) : this.entries, more };
  }

  /** Returns the group that the row opened, if any. */
  private takeRow(row: Row): string | undefined {
    if (!row.sort.startsWith(this.prefix)) {
      // Forward scans end at the prefix's end; in reverse its start is found by walking over it.
      this.ended = true;
      return undefined;
    }
    if (row.deleted) return undefined;
    const group = this.groupOf(row.sort);
    if (group === undefined) this.entries.push({ row });
    // The marker may be a group that the last page ended with: everything in it has been shown.
    else if (group !== this.request.marker) this.entries.push({ prefix: group });
    return group;
  }

  private groupOf(sort: string): string | undefined {
    const { delimiter } = this.request;
    if (delimiter === undefined || delimiter === '') return undefined;
    const found = sort.indexOf(delimiter, this.prefix.length);
    return found < 0 ? undefined : sort.slice(0, found + delimiter.length);
  }

  private past(group: string): Position {
    if (this.reverse) return exclusive(group);
    const after = afterPrefix(group);
    if (after !== undefined) return { from: after, inclusive: true };
    this.ended = true;
    return this.position;
  }
}

function exclusive(sort: string): Position {
  return { from: sort, inclusive: false };
}

function forwardStart(request: ListRequest): Position {
  let start: Position = { from: request.prefix ?? '', inclusive: true };
  if (request.from !== undefined && compareUtf8(request.from, start.from ?? '') > 0)
    start = { from: request.from, inclusive: true };
  if (request.marker !== undefined && compareUtf8(request.marker, start.from ?? '') >= 0)
    start = exclusive(request.marker);
  return start;
}

function forwardEnd(request: ListRequest): string | undefined {
  const after = request.prefix ? afterPrefix(request.prefix) : undefined;
  const { endMarker } = request;
  if (after === undefined || endMarker === undefined) return after ?? endMarker;
  return compareUtf8(after, endMarker) < 0 ? after : endMarker;
}

function reverseStart(request: ListRequest): Position {
  const after = request.prefix ? afterPrefix(request.prefix) : undefined;
  let start: Position = after === undefined ? { inclusive: false } : exclusive(after);
  const beats = (name: string) => start.from === undefined || compareUtf8(name, start.from) < 0;
  if (request.from !== undefined && beats(request.from))
    start = { from: request.from, inclusive: true };
  if (request.marker !== undefined && (beats(request.marker) || request.marker === start.from))
    start = exclusive(request.marker);
  return start;
}
