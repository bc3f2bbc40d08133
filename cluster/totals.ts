/**
 * Exact totals of a partition key. When a majority has the same digest, its aggregate is the answer. Otherwise writes are
 * mostly just in flight, so it is asked again after short rests; then the rows are counted one by one, which also mends
 * what differs. Only a partition key too long for that, whose replicas all keep changing meanwhile, is answered from the middle
 * one: it may then be off by the writes that were in flight.
 */
import { type Aggregate, type Row, type ScanRequest, scanRowsMax } from '#wire';
import type { Core } from './core.ts';
import { askHedged, shortestLimitMs } from './gather.ts';
import type { ScanPages } from './listing.ts';
import { type Answer, quorumFailure, thresholdsOf } from './quorum.ts';
import type { PartitionTotals } from './tables.ts';

const asksMax = 6;

export class Totals {
  private readonly core: Core;
  private readonly scan: ScanPages;

  constructor(core: Core, scan: ScanPages) {
    this.core = core;
    this.scan = scan;
  }

  async of(table: string, partition: string, hash: number): Promise<PartitionTotals> {
    let first: readonly Answer<Aggregate>[] = [];
    let last: readonly Answer<Aggregate>[] = [];
    for (let ask = 0; ask < asksMax; ask++) {
      if (ask > 0) await this.core.rest(ask);
      const asked = await this.aggregates(table, partition, hash);
      last = asked.answers;
      if (ask === 0) first = last;
      const agreed = agreedOn(last, asked.majority);
      if (agreed !== undefined) return { rows: agreed.rows, bytes: agreed.bytes };
    }
    const middle = middleOf(last);
    const { totalsScanRowsMax } = this.core.settings;
    if (middle.rows > totalsScanRowsMax && allMoving(first, last))
      return { rows: middle.rows, bytes: middle.bytes };
    return this.count({ table, partition, hash, limit: scanRowsMax });
  }

  private async aggregates(
    table: string,
    partition: string,
    hash: number,
  ): Promise<{ readonly answers: readonly Answer<Aggregate>[]; readonly majority: number }> {
    const primaries = this.core.primariesOf(hash);
    const { majority } = thresholdsOf(primaries.length);
    const ask = (patienceMs?: number) =>
      askHedged<Aggregate>({
        wheel: this.core.wheel,
        kind: 'row',
        candidates: primaries,
        needed: patienceMs === undefined ? majority : primaries.length,
        send: (replica) =>
          replica.call('row', 0, (device) => device.aggregate(table, partition, hash)),
        ...(patienceMs === undefined ? {} : { patienceMs }),
      });
    const all = await ask(shortestLimitMs(primaries, 'row'));
    if (all.answers.length >= majority) return { answers: all.answers, majority };
    const enough = await ask();
    if (!enough.enough) throw quorumFailure('totals', enough.failures);
    return { answers: enough.answers, majority };
  }

  private async count(request: ScanRequest): Promise<PartitionTotals> {
    let rows = 0;
    let bytes = 0;
    let position: Pick<ScanRequest, 'from' | 'inclusive'> = {};
    for (;;) {
      const page = await this.scan({ ...request, ...position });
      for (const row of page.rows) {
        if (row.deleted) continue;
        rows += 1;
        bytes += row.bytes;
      }
      const last: Row | undefined = page.rows.at(-1);
      if (!page.more || last === undefined) return { rows, bytes };
      position = { from: last.sort, inclusive: false };
    }
  }
}

function agreedOn(answers: readonly Answer<Aggregate>[], majority: number): Aggregate | undefined {
  return answers.find(
    ({ value }) =>
      answers.filter((other) => other.value.digest === value.digest).length >= majority,
  )?.value;
}

function middleOf(answers: readonly Answer<Aggregate>[]): Aggregate {
  const sorted = answers.map(({ value }) => value).sort((a, b) => a.rows - b.rows);
  return sorted[Math.floor(sorted.length / 2)] ?? { rows: 0, bytes: 0, digest: '' };
}

function allMoving(
  first: readonly Answer<Aggregate>[],
  last: readonly Answer<Aggregate>[],
): boolean {
  return last.every(({ device, value }) =>
    first.every((before) => before.device !== device || before.value.digest !== value.digest),
  );
}
