/**
 * Rows and blobs in memory, for the engine's own tests: what the cluster promises, in one process, with a hook before and after each effect, so
 * that a test can stop the world at any of them. Unlike the cluster's devices it never loses what it acknowledged.
 */

import type {
  BlobOptions,
  BlobRef,
  Blobs,
  ListPage,
  ListRequest,
  Release,
  RowRef,
  RowValue,
  StoredRow,
  Tables,
} from '#cluster';
import { compareUtf8, Failure } from '#common';

export type StoreHook = (operation: string) => Promise<void>;

interface Kept {
  readonly ref: RowRef;
  readonly row: StoredRow;
}

export class MemoryStore {
  rows = new Map<string, Kept>();
  contents = new Map<string, Buffer>();
  fences = new Map<string, number>();
  hook: StoreHook = () => Promise.resolve();
  /** What callers of `put` are told of their chunks. */
  release: Release = 'free';
  private time = 1;

  /** What somebody finds who comes later; the two are independent from here on. */
  survivors(): MemoryStore {
    const copy = new MemoryStore();
    copy.rows = new Map(this.rows);
    copy.contents = new Map(this.contents);
    copy.fences = new Map(this.fences);
    copy.time = this.time;
    return copy;
  }

  readonly tables: Tables = {
    get: (ref) => this.around('get', () => this.rows.get(keyOf(ref))?.row),
    put: (ref, value) => this.around('put-row', () => this.set(ref, value)),
    delete: (ref) => this.around('delete-row', () => this.remove(ref)),
    update: (ref, change) =>
      this.around('update', () => {
        const previous = this.rows.get(keyOf(ref))?.row;
        const next = change(previous);
        if (next === 'keep') return { version: previous?.version, changed: false, previous };
        const { version } = next === 'delete' ? this.remove(ref) : this.set(ref, next);
        return { version, changed: true, previous };
      }),
    list: (request) => this.around('list', () => this.page(request)),
    totals: (table, partition) =>
      this.around('totals', () => {
        const rows = this.partition(table, partition);
        return { rows: rows.length, bytes: rows.reduce((sum, row) => sum + row.bytes, 0) };
      }),
  };

  readonly blobs: Blobs = {
    put: async (chunks, options) => {
      try {
        return await this.around('put-blob', () => this.store(Buffer.concat(chunks), options));
      } finally {
        options?.onReleased?.(this.release);
      }
    },
    open: async (options) => {
      const pieces: Buffer[] = [];
      return {
        id: idOf(options),
        append: async (chunks) => {
          pieces.push(...chunks.map((chunk) => Buffer.from(chunk)));
        },
        commit: () => this.around('commit', () => this.store(Buffer.concat(pieces), options)),
        abort: async () => {},
      };
    },
    read: (id, offset, length) =>
      this.around('read', () => this.content(id).subarray(offset, offset + length)),
    stream: (id, offset, length) => this.stream(id, offset, length),
    stat: (id) =>
      this.around('stat', () => {
        const content = this.contents.get(id);
        return content === undefined ? undefined : { id, length: content.length };
      }),
    delete: (id) =>
      this.around('delete-blob', () => {
        this.contents.delete(id);
      }),
    raiseFence: ({ scope, epoch }) =>
      this.around('raise-fence', () => {
        const inForce = this.fences.get(scope) ?? 0;
        if (inForce > epoch)
          throw new Failure('denied', 'fenced', 'A newer epoch is in force', {
            facts: { scope, epoch, inForce },
          });
        this.fences.set(scope, epoch);
      }),
  };

  private async around<T>(operation: string, effect: () => T): Promise<T> {
    await this.hook(operation);
    const result = effect();
    await this.hook(operation);
    return result;
  }

  private store(content: Buffer, options: BlobOptions | undefined): BlobRef {
    const id = idOf(options);
    const fence = options?.fence;
    if (fence !== undefined && (this.fences.get(fence.scope) ?? 0) > fence.epoch)
      throw new Failure('denied', 'fenced', 'A newer epoch was raised', { facts: { ...fence } });
    const present = this.contents.get(id);
    if (present !== undefined && !present.equals(content))
      throw new Failure('conflict', 'blob-exists', 'There is another blob of this id');
    this.contents.set(id, content);
    return { id, length: content.length };
  }

  private content(id: string): Buffer {
    const content = this.contents.get(id);
    if (content !== undefined) return content;
    throw new Failure('missing', 'blob-missing', 'There is no such blob', { facts: { id } });
  }

  private async *stream(id: string, offset: number, length: number): AsyncIterable<Buffer> {
    const step = 256 * 1024;
    for (let at = offset; at < offset + length; at += step) {
      const piece = await this.blobs.read(id, at, Math.min(step, offset + length - at));
      if (piece.length === 0) return;
      yield piece;
    }
  }

  private set(ref: RowRef, value: RowValue) {
    const previous = this.rows.get(keyOf(ref))?.row;
    const version = { timeUs: this.time++, coordinator: 1 };
    const { meta, bytes, body } = value;
    const row = { sort: ref.sort, version, meta, bytes, bodyLength: body.length, body };
    this.rows.set(keyOf(ref), { ref, row });
    return { version, previous };
  }

  private remove(ref: RowRef) {
    const previous = this.rows.get(keyOf(ref))?.row;
    this.rows.delete(keyOf(ref));
    return { version: { timeUs: this.time++, coordinator: 1 }, previous };
  }

  private partition(table: string, partition: string): StoredRow[] {
    return [...this.rows.values()]
      .filter(({ ref }) => ref.table === table && ref.partition === partition)
      .map(({ row }) => row)
      .sort((a, b) => compareUtf8(a.sort, b.sort));
  }

  /** Without delimiters and reverse order, which volumes don't use. */
  private page(request: ListRequest): ListPage {
    const { marker, prefix, limit } = request;
    const rows = this.partition(request.table, request.partition).filter(
      (row) =>
        (prefix === undefined || row.sort.startsWith(prefix)) &&
        (marker === undefined || compareUtf8(row.sort, marker) > 0),
    );
    const entries = rows.slice(0, limit).map((row) => ({ row }));
    return { entries, more: rows.length > limit };
  }
}

/** What storage nodes take for the name of a table. */
const tableName = /^[a-z][a-z0-9-]{0,15}$/;

function keyOf(ref: RowRef): string {
  if (!tableName.test(ref.table)) throw new Error(`${ref.table} is no table`);
  return JSON.stringify([ref.table, ref.partition, ref.sort]);
}

let lastId = 0;

function idOf(options: BlobOptions | undefined): string {
  return options?.id ?? (++lastId).toString(16).padStart(32, '0');
}
