/** A twin of the cluster in plain memory, one copy of everything: for tests of what stands on rows and blobs. */
import { Buffer } from 'node:buffer';
import type {
  BlobRef,
  Blobs,
  ListEntry,
  ListPage,
  ListRequest,
  RowRef,
  RowValue,
  StoredRow,
  Tables,
} from '#cluster';
import { compareUtf8, Failure, type Random, randomHex, systemRandom } from '#common';

export interface MemoryCluster {
  readonly tables: Tables;
  readonly blobs: Blobs;
  readonly rows: ReadonlyMap<string, ReadonlyMap<string, StoredRow>>;
  readonly stored: ReadonlyMap<string, Buffer>;
  /** Called before each operation; throws to make it fail. */
  fault: (operation: string, what: string) => void;
}

type Partition = Map<string, StoredRow>;

export function createMemoryCluster(random: Random = systemRandom): MemoryCluster {
  const partitions = new Map<string, Partition>();
  const stored = new Map<string, Buffer>();
  const cluster: MemoryCluster = {
    tables: createTables(partitions, (operation, what) => cluster.fault(operation, what)),
    blobs: createBlobs(stored, random, (operation, what) => cluster.fault(operation, what)),
    rows: partitions,
    stored,
    fault: () => undefined,
  };
  return cluster;
}

type Fault = (operation: string, what: string) => void;

function createTables(partitions: Map<string, Partition>, fault: Fault): Tables {
  let clockUs = 1_700_000_000_000_000;
  const partitionOf = (table: string, partition: string): Partition => {
    const key = `${table}/${partition}`;
    let found = partitions.get(key);
    if (found === undefined) {
      found = new Map();
      partitions.set(key, found);
    }
    return found;
  };
  const withoutBody = (row: StoredRow | undefined): StoredRow | undefined => {
    if (row?.body === undefined) return row;
    const { body: _, ...rest } = row;
    return rest;
  };
  const write = (ref: RowRef, value: RowValue): StoredRow => {
    clockUs += 1;
    const row: StoredRow = {
      sort: ref.sort,
      version: { timeUs: clockUs, coordinator: 1 },
      meta: Buffer.from(value.meta),
      bytes: value.bytes,
      bodyLength: value.body.length,
      ...(value.body.length > 0 ? { body: Buffer.from(value.body) } : {}),
    };
    partitionOf(ref.table, ref.partition).set(ref.sort, row);
    return row;
  };
  const describe = (ref: RowRef) => `${ref.table}/${ref.partition}/${ref.sort}`;
  return {
    get: async (ref, want) => {
      fault('get', describe(ref));
      const row = partitionOf(ref.table, ref.partition).get(ref.sort);
      return want?.body === true ? row : withoutBody(row);
    },
    put: async (ref, value) => {
      fault('put', describe(ref));
      const previous = withoutBody(partitionOf(ref.table, ref.partition).get(ref.sort));
      return { version: write(ref, value).version, previous };
    },
    delete: async (ref) => {
      fault('delete', describe(ref));
      const partition = partitionOf(ref.table, ref.partition);
      const previous = withoutBody(partition.get(ref.sort));
      partition.delete(ref.sort);
      clockUs += 1;
      return { version: { timeUs: clockUs, coordinator: 1 }, previous };
    },
    update: async (ref, change, want) => {
      fault('update', describe(ref));
      const partition = partitionOf(ref.table, ref.partition);
      const present = partition.get(ref.sort);
      const next = change(want?.body === true ? present : withoutBody(present));
      const previous = withoutBody(present);
      if (next === 'keep') return { version: present?.version, changed: false, previous };
      if (next === 'delete') {
        partition.delete(ref.sort);
        return { version: undefined, changed: true, previous };
      }
      return { version: write(ref, next).version, changed: true, previous };
    },
    list: async (request) => {
      fault('list', `${request.table}/${request.partition}`);
      return listPartition(partitionOf(request.table, request.partition), request);
    },
    totals: async (table, partition) => {
      fault('totals', `${table}/${partition}`);
      let bytes = 0;
      const rows = partitionOf(table, partition);
      for (const row of rows.values()) bytes += row.bytes;
      return { rows: rows.size, bytes };
    },
  };
}

/** What a listing of these rows is, written for clearness rather than speed. */
function listPartition(rows: Partition, request: ListRequest): ListPage {
  const { prefix = '', delimiter, marker, from, endMarker, reverse = false } = request;
  const sign = reverse ? -1 : 1;
  const names = [...rows.keys()]
    .filter((name) => name.startsWith(prefix))
    .filter((name) => marker === undefined || sign * compareUtf8(name, marker) > 0)
    .filter((name) => from === undefined || sign * compareUtf8(name, from) >= 0)
    .filter((name) => endMarker === undefined || sign * compareUtf8(name, endMarker) < 0)
    .sort((a, b) => sign * compareUtf8(a, b));
  const entries: ListEntry[] = [];
  let last: string | undefined;
  for (const name of names) {
    const cut = delimiter === undefined ? -1 : name.indexOf(delimiter, prefix.length);
    if (cut >= 0 && delimiter !== undefined) {
      const collapsed = name.slice(0, cut + delimiter.length);
      if (collapsed !== last) entries.push({ prefix: collapsed });
      last = collapsed;
      continue;
    }
    const row = rows.get(name);
    if (row === undefined) continue;
    const { body: _, ...rest } = row;
    entries.push({ row: rest });
  }
  return { entries: entries.slice(0, request.limit), more: entries.length > request.limit };
}

function createBlobs(stored: Map<string, Buffer>, random: Random, fault: Fault): Blobs {
  const take = (id: string, bytes: Buffer): BlobRef => {
    stored.set(id, bytes);
    return { id, length: bytes.length };
  };
  const read = async (id: string, offset: number, length: number): Promise<Buffer> => {
    fault('read', id);
    const bytes = stored.get(id);
    if (bytes === undefined) throw new Failure('missing', 'blob-missing', 'There is no such blob');
    return bytes.subarray(offset, offset + length);
  };
  return {
    put: async (chunks, options) => {
      const id = options?.id ?? randomHex(random, 16);
      fault('put-blob', id);
      return take(id, Buffer.concat(chunks));
    },
    open: async (options) => {
      const id = options?.id ?? randomHex(random, 16);
      fault('open-blob', id);
      const held: Buffer[] = [];
      return {
        id,
        append: async (chunks) => {
          fault('append', id);
          for (const chunk of chunks) held.push(Buffer.from(chunk));
        },
        commit: async () => {
          fault('commit', id);
          return take(id, Buffer.concat(held));
        },
        abort: async () => {
          held.length = 0;
        },
      };
    },
    read,
    stream: async function* (id, offset, length) {
      const stepBytes = 256 * 1024;
      for (let at = 0; at < length; at += stepBytes)
        yield await read(id, offset + at, Math.min(stepBytes, length - at));
    },
    stat: async (id) => {
      const bytes = stored.get(id);
      return bytes === undefined ? undefined : { id, length: bytes.length };
    },
    delete: async (id) => {
      fault('delete-blob', id);
      stored.delete(id);
    },
    raiseFence: async () => undefined,
  };
}
