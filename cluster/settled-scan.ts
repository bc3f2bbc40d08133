/**
 * One page of a partition key's rows as a majority holds them.
 *
 * 1. One replica scans, the others say their aggregate. When enough others have the very digest that the scan saw, all of
 *    them hold the same rows, the page is what a majority holds, and nobody scans a second time.
 * 2. Otherwise a majority scans; at once, side by side, where the last page of the same partition key had to be merged as well. The pages are merged row by row, newest version first, up to where the shortest page
 *    ends. A row on which a majority of the pages agrees is settled.
 * 3. Where many rows are not settled, the remaining replicas scan as well: one that was away is then outvoted.
 * 4. What is left (writes in flight, mostly) is read row by row, which settles it on a majority before it is shown.
 */
import { compareUtf8 } from '#common';
import { type Aggregate, compareVersions, type Row, type ScanPage, type ScanRequest } from '#wire';
import type { Core } from './core.ts';
import { askHedged, readOrder, shortestLimitMs } from './gather.ts';
import { type Answer, quorumFailure, thresholdsOf } from './quorum.ts';
import type { Replica } from './replica.ts';
import { sameVersion } from './row-key.ts';
import type { RowReader } from './row-reader.ts';
import type { RowRepair } from './row-repair.ts';

export interface SettledPage {
  /** In order, tombstones included; never empty when `more`. */
  readonly rows: readonly Row[];
  readonly more: boolean;
}

/** Rows that differ before the remaining replicas are asked to scan too. */
const unsettledFewMax = 16;
const readsAtOnceMax = 16;
/** Partition keys remembered as being written to. */
const movingMax = 1024;

export class SettledScan {
  private readonly core: Core;
  private readonly reader: RowReader;
  private readonly repair: RowRepair;
  /** Partition keys whose last page had to be merged, mostly because of writes in flight: the next one will be, too. */
  private readonly moving = new Set<string>();

  constructor(core: Core, reader: RowReader, repair: RowRepair) {
    this.core = core;
    this.reader = reader;
    this.repair = repair;
  }

  async page(request: ScanRequest): Promise<SettledPage> {
    const order = readOrder(this.core.primariesOf(request.hash), request.hash, 'row');
    const { majority } = thresholdsOf(order.length);
    if (this.moving.has(nameOf(request))) return this.movingPage(request, order, majority);
    const digests = this.aggregates(request, order.slice(1), majority - 1);
    const leading = await this.scan(request, order, 1);
    const leader = leading.answers[0];
    if (leader === undefined) throw quorumFailure('list', leading.failures);
    if (confirmed(leader, await digests, majority)) return this.agreed(request, leader);
    const others = order.filter(({ device }) => device !== leader.device);
    const second = await this.scan(request, others, majority - 1);
    if (!second.enough) throw quorumFailure('list', second.failures);
    return this.merged(request, [leader, ...second.answers], second.unasked, majority);
  }

  private async movingPage(
    request: ScanRequest,
    order: readonly Replica[],
    majority: number,
  ): Promise<SettledPage> {
    const { enough, answers, failures, unasked } = await this.scan(request, order, majority);
    const leader = answers[0];
    if (!enough || leader === undefined) throw quorumFailure('list', failures);
    const digests = answers.map(({ device, value }) => ({ device, value: value.aggregate }));
    if (confirmed(leader, digests, majority)) return this.agreed(request, leader);
    return this.merged(request, answers, unasked, majority);
  }

  private agreed(request: ScanRequest, leader: Answer<ScanPage>): SettledPage {
    this.moving.delete(nameOf(request));
    this.core.counters.listings.inc({ way: 'digest' });
    return leader.value;
  }

  private remember(name: string): void {
    const [oldest] = this.moving;
    if (this.moving.size >= movingMax && oldest !== undefined) this.moving.delete(oldest);
    this.moving.add(name);
  }

  private scan(request: ScanRequest, candidates: readonly Replica[], needed: number) {
    return askHedged<ScanPage>({
      wheel: this.core.wheel,
      kind: 'row',
      candidates,
      needed,
      send: (replica) => replica.call('row', 0, (device) => device.scanRows(request)),
    });
  }

  /** Of all the others, since the first may just be late with a write; but a slow one is not waited for. */
  private async aggregates(
    request: ScanRequest,
    others: readonly Replica[],
    needed: number,
  ): Promise<readonly Answer<Aggregate>[]> {
    if (needed === 0) return [];
    const awake = others.filter((replica) => !replica.suspect);
    const candidates = awake.length < needed ? others : awake;
    const { table, partition, hash } = request;
    const asked = await askHedged<Aggregate>({
      wheel: this.core.wheel,
      kind: 'row',
      candidates,
      needed: candidates.length,
      send: (replica) =>
        replica.call('row', 0, (device) => device.aggregate(table, partition, hash)),
      patienceMs: shortestLimitMs(candidates, 'row'),
    });
    return asked.answers;
  }

  private async merged(
    request: ScanRequest,
    majorityPages: readonly Answer<ScanPage>[],
    unasked: readonly Replica[],
    majority: number,
  ): Promise<SettledPage> {
    this.core.counters.listings.inc({ way: 'merge' });
    this.remember(nameOf(request));
    let pages = majorityPages;
    let merge = mergePages(pages, request.reverse === true, majority);
    if (merge.unsettled.length > unsettledFewMax && unasked.length > 0) {
      const rest = await this.scan(request, unasked, unasked.length);
      pages = pages.concat(rest.answers);
      merge = mergePages(pages, request.reverse === true, majority);
    }
    for (const { sort, device } of merge.stale)
      this.repair.later(
        { table: request.table, partition: request.partition, sort, hash: request.hash },
        device,
      );
    await this.settle(request, merge);
    return { rows: merge.rows, more: pages.some(({ value }) => value.more) };
  }

  private async settle(request: ScanRequest, merge: Merge): Promise<void> {
    const { table, partition, hash } = request;
    for (let at = 0; at < merge.unsettled.length; at += readsAtOnceMax) {
      const batch = merge.unsettled.slice(at, at + readsAtOnceMax);
      await Promise.all(
        batch.map(async (index) => {
          const met = merge.rows[index];
          if (met === undefined) return;
          const { sort } = met;
          const row = await this.reader.read({ table, partition, sort, hash }, false);
          merge.rows[index] = row ?? absent(met);
        }),
      );
    }
  }
}

/** A majority has no such row: what one replica met was refused by the others. */
function absent({ sort, version }: Row): Row {
  return { sort, version, deleted: true, meta: noMeta, bytes: 0, bodyLength: 0 };
}

const noMeta = Buffer.alloc(0);

function nameOf({ table, partition }: ScanRequest): string {
  return `${table}\0${partition}`;
}

function confirmed(
  leader: Answer<ScanPage>,
  aggregates: readonly Answer<Aggregate>[],
  majority: number,
): boolean {
  let agreeing = 1;
  for (const { device, value } of aggregates)
    if (device !== leader.device && value.digest === leader.value.aggregate.digest) agreeing += 1;
  return agreeing >= majority;
}

export interface Merge {
  /** The newest known version of each row. */
  readonly rows: Row[];
  /** Indexes of rows whose newest version is not known to be on a majority. */
  readonly unsettled: readonly number[];
  /** Replicas with an older copy of a settled row, or none. */
  readonly stale: readonly { readonly sort: string; readonly device: number }[];
}

/** Pure: merges replicas' pages of one range up to where the shortest ends. */
export function mergePages(
  pages: readonly Answer<ScanPage>[],
  reverse: boolean,
  majority: number,
): Merge {
  const compare = reverse
    ? (a: string, b: string) => compareUtf8(b, a)
    : (a: string, b: string) => compareUtf8(a, b);
  const horizon = horizonOf(pages, compare);
  const at = pages.map(() => 0);
  const rows: Row[] = [];
  const unsettled: number[] = [];
  const stale: { sort: string; device: number }[] = [];
  for (;;) {
    const sort = nextSort(pages, at, compare);
    if (sort === undefined || (horizon !== undefined && compare(sort, horizon) > 0)) break;
    const copies = takeCopies(pages, at, sort);
    const newest = copies.reduce(newer);
    if (newest === undefined) break;
    const holders = copies.filter((copy) => sameVersion(copy?.version, newest.version)).length;
    if (holders < majority) unsettled.push(rows.length);
    else if (holders < copies.length)
      copies.forEach((copy, index) => {
        const device = pages[index]?.device;
        if (device !== undefined && !sameVersion(copy?.version, newest.version))
          stale.push({ sort, device });
      });
    rows.push(newest);
  }
  return { rows, unsettled, stale };
}

function horizonOf(
  pages: readonly Answer<ScanPage>[],
  compare: (a: string, b: string) => number,
): string | undefined {
  let horizon: string | undefined;
  for (const { value } of pages) {
    const last = value.more ? value.rows.at(-1)?.sort : undefined;
    if (last === undefined) continue;
    if (horizon === undefined || compare(last, horizon) < 0) horizon = last;
  }
  return horizon;
}

function nextSort(
  pages: readonly Answer<ScanPage>[],
  at: readonly number[],
  compare: (a: string, b: string) => number,
): string | undefined {
  let next: string | undefined;
  for (let index = 0; index < pages.length; index++) {
    const sort = pages[index]?.value.rows[at[index] ?? 0]?.sort;
    if (sort === undefined) continue;
    if (next === undefined || (sort !== next && compare(sort, next) < 0)) next = sort;
  }
  return next;
}

function takeCopies(
  pages: readonly Answer<ScanPage>[],
  at: number[],
  sort: string,
): (Row | undefined)[] {
  return pages.map(({ value }, index) => {
    const position = at[index] ?? 0;
    const row = value.rows[position];
    if (row?.sort !== sort) return undefined;
    at[index] = position + 1;
    return row;
  });
}

function newer(a: Row | undefined, b: Row | undefined): Row | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return compareVersions(b.version, a.version) > 0 ? b : a;
}
