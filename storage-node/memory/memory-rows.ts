/** Rows in memory: per partition key a sorted array of sort keys and a map of registers. */
import { compareUtf8 } from '#common';
import type {
  Aggregate,
  PartitionName,
  Row,
  RowKey,
  RowWrite,
  ScanPage,
  ScanRequest,
  SurveyedVersion,
  Version,
} from '#wire';
import { scanBytesMax } from '../checks.ts';
import { aggregateOf, count, emptySums, type Sums } from '../digest.ts';

export interface Register {
  row: Row | undefined;
  promised: Version | undefined;
  corrupt: boolean;
}

interface Partition {
  readonly name: PartitionName;
  /** Sort keys of accepted rows, in UTF-8 order. */
  readonly sorts: string[];
  readonly registers: Map<string, Register>;
  readonly sums: Sums;
}

export class MemoryRows {
  private readonly partitions = new Map<string, Partition>();
  rows = 0;
  quarantined = 0;

  private partitionOf({ table, partition, hash }: PartitionName): Partition {
    const name = `${table}/${partition}`;
    let found = this.partitions.get(name);
    if (found === undefined) {
      found = {
        name: { table, partition, hash },
        sorts: [],
        registers: new Map(),
        sums: emptySums(),
      };
      this.partitions.set(name, found);
    }
    return found;
  }

  find(key: RowKey): Register | undefined {
    return this.partitions.get(`${key.table}/${key.partition}`)?.registers.get(key.sort);
  }

  ensure(key: RowKey): Register {
    const { registers } = this.partitionOf(key);
    let found = registers.get(key.sort);
    if (found === undefined) {
      found = { row: undefined, promised: undefined, corrupt: false };
      registers.set(key.sort, found);
    }
    return found;
  }

  replace(key: RowKey, register: Register, write: RowWrite): void {
    const { sorts, sums } = this.partitionOf(key);
    if (register.row === undefined) sorts.splice(firstAtOrAfter(sorts, key.sort), 0, key.sort);
    else count(sums, key.sort, register.row, -1);
    this.rows += Number(!write.deleted) - Number(register.row?.deleted === false);
    const { version, deleted, bytes, meta, body } = write;
    register.row = {
      sort: key.sort,
      version,
      deleted,
      meta: Buffer.from(meta),
      bytes,
      bodyLength: body.length,
      body: Buffer.from(body),
    };
    register.promised = undefined;
    this.setCorrupt(register, false);
    count(sums, key.sort, register.row, 1);
  }

  forget(key: RowKey, register: Register): void {
    const { sorts, sums, registers } = this.partitionOf(key);
    const { row } = register;
    if (row === undefined) return;
    sorts.splice(firstAtOrAfter(sorts, key.sort), 1);
    registers.delete(key.sort);
    count(sums, key.sort, row, -1);
    this.rows -= Number(!row.deleted);
    this.setCorrupt(register, false);
  }

  setCorrupt(register: Register, corrupt: boolean): void {
    this.quarantined += Number(corrupt) - Number(register.corrupt);
    register.corrupt = corrupt;
  }

  aggregate(table: string, partition: string): Aggregate {
    return aggregateOf(this.partitions.get(`${table}/${partition}`)?.sums ?? emptySums());
  }

  /** Partition keys that hold anything. */
  names(): (PartitionName & { readonly sums: Sums })[] {
    return [...this.partitions.values()]
      .filter(({ sorts }) => sorts.length > 0)
      .map(({ name, sums }) => ({ ...name, sums }));
  }

  versions(table: string, partition: string): SurveyedVersion[] {
    const found = this.partitions.get(`${table}/${partition}`);
    if (found === undefined) return [];
    return found.sorts.flatMap((sort) => {
      const row = found.registers.get(sort)?.row;
      if (row === undefined) return [];
      const { version, deleted } = row;
      return [deleted ? { sort, version, deleted } : { sort, version }];
    });
  }

  /** Bytes of a row's meta and body. */
  lengthOf(table: string, partition: string, sort: string): number {
    const row = this.partitions.get(`${table}/${partition}`)?.registers.get(sort)?.row;
    return row === undefined ? 0 : row.meta.length + (row.body?.length ?? 0);
  }

  bad(): RowKey[] {
    return [...this.partitions.values()].flatMap(({ name, registers }) =>
      [...registers].flatMap(([sort, { corrupt }]) => (corrupt ? [{ ...name, sort }] : [])),
    );
  }

  scan(request: ScanRequest): ScanPage {
    const { sorts, registers, sums } = this.partitionOf(request);
    const [first, end] = rangeOf(sorts, request);
    const rows: Row[] = [];
    let bytes = 0;
    let at = 0;
    for (; first + at < end && rows.length < request.limit && bytes < scanBytesMax; at++) {
      const sort = sorts[request.reverse === true ? end - 1 - at : first + at];
      const row = sort === undefined ? undefined : registers.get(sort)?.row;
      if (row === undefined) continue;
      rows.push(withoutBody(row));
      bytes += row.meta.length;
    }
    return { rows, more: first + at < end, aggregate: aggregateOf(sums) };
  }
}

export function withoutBody(row: Row): Row {
  const { body: _body, ...rest } = row;
  return rest;
}

/** The half-open range of places that a scan covers. */
function rangeOf(sorts: readonly string[], request: ScanRequest): [number, number] {
  const { from, until, inclusive = false, reverse = false } = request;
  const after = (sort: string) => {
    const place = firstAtOrAfter(sorts, sort);
    return sorts[place] === sort ? place + 1 : place;
  };
  if (reverse) {
    const first = until === undefined ? 0 : after(until);
    if (from === undefined) return [first, sorts.length];
    return [first, inclusive ? after(from) : firstAtOrAfter(sorts, from)];
  }
  const end = until === undefined ? sorts.length : firstAtOrAfter(sorts, until);
  if (from === undefined) return [0, end];
  return [inclusive ? firstAtOrAfter(sorts, from) : after(from), end];
}

function firstAtOrAfter(sorts: readonly string[], sort: string): number {
  let low = 0;
  let high = sorts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareUtf8(sorts[middle] ?? '', sort) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
