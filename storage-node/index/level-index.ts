/** The index in LevelDB. Values are text because strings cross into and out of LevelDB at half the cost of buffers. */
import { ClassicLevel } from 'classic-level';
import { type Disk, diskFailure, Failure } from '#common';
import type {
  IndexBatch,
  IndexEntry,
  IndexPage,
  IndexPlace,
  IndexRange,
  IndexStore,
  TakeEntries,
} from './index-store.ts';

export interface LevelOptions {
  readonly cacheBytes: number;
  readonly writeBufferBytes: number;
}

const pageRows = 1000;

function codeOf(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    if ('code' in at && typeof at.code === 'string' && at.code !== 'LEVEL_DATABASE_NOT_OPEN')
      return at.code;
  }
  return undefined;
}

function indexFailure(error: unknown, path: string): Failure {
  const options = { facts: { path }, cause: error };
  switch (codeOf(error)) {
    case 'LEVEL_LOCKED':
      return new Failure(
        'conflict',
        'device-in-use',
        'Another process has this device open',
        options,
      );
    case 'LEVEL_CORRUPTION':
      return new Failure('corrupt', 'index-corrupt', 'The index is damaged', options);
    case 'LEVEL_IO_ERROR':
      return ioFailure(error, path);
    default:
      return diskFailure(error, path);
  }
}

// LevelDB tells the reason of an I/O error in words only.
function ioFailure(error: unknown, path: string): Failure {
  const options = { facts: { path }, cause: error };
  const text = String(error instanceof Error ? (error.cause ?? error) : error);
  if (/No space left|Disk quota/.test(text))
    return new Failure('busy', 'disk-full', 'The disk is full', options);
  if (/Read-only file system/.test(text))
    return new Failure('busy', 'disk-read-only', 'The disk is read-only', options);
  return new Failure('unreachable', 'disk-error', 'The index cannot be read or written', options);
}

export function levelIndex(disk: Disk, path: string, options: LevelOptions): IndexPlace {
  return {
    async open() {
      await disk.makeDirectory(path);
      const database = new ClassicLevel<string, string>(path, {
        keyEncoding: 'utf8',
        valueEncoding: 'utf8',
        cacheSize: options.cacheBytes,
        writeBufferSize: options.writeBufferBytes,
      });
      const index = new LevelIndex(path, database);
      await index.reopen();
      return index;
    },
    wipe: () => disk.removeTree(path),
  };
}

class LevelIndex implements IndexStore {
  private readonly path: string;
  private readonly database: ClassicLevel<string, string>;

  constructor(path: string, database: ClassicLevel<string, string>) {
    this.path = path;
    this.database = database;
  }

  get(key: string): string | undefined {
    try {
      return this.database.getSync(key);
    } catch (error) {
      throw indexFailure(error, this.path);
    }
  }

  async scan(range: IndexRange, beside?: string, take?: TakeEntries): Promise<IndexPage> {
    const snapshot = this.database.snapshot();
    try {
      const found = beside === undefined ? undefined : this.database.getSync(beside, { snapshot });
      const iterator = this.database.iterator({
        [range.afterFrom === true ? 'gt' : 'gte']: range.from,
        [range.throughUntil === true ? 'lte' : 'lt']: range.until,
        reverse: range.reverse === true,
        limit: range.limit,
        snapshot,
        fillCache: true,
        highWaterMarkBytes: 1024 * 1024,
      });
      try {
        const entries: IndexEntry[] = [];
        const keep = (page: readonly IndexEntry[]) => {
          for (const entry of page) entries.push(entry);
        };
        const cut = await walk(iterator, range, take ?? keep);
        return { entries, cut, beside: found };
      } finally {
        await iterator.close();
      }
    } catch (error) {
      // What the taker found wrong is not the engine's failure.
      throw error instanceof Failure ? error : indexFailure(error, this.path);
    } finally {
      await snapshot.close();
    }
  }

  async apply(batch: IndexBatch): Promise<void> {
    const chained = this.database.batch();
    try {
      for (const [key, value] of batch) {
        if (value === undefined) chained.del(key);
        else chained.put(key, value);
      }
      await chained.write();
    } catch (error) {
      await chained.close();
      throw indexFailure(error, this.path);
    }
  }

  async flush(): Promise<void> {
    try {
      // Compacting any range, even an empty one, first writes the memory table to a synced file. A synced batch
      // would not do: it leaves the write-ahead log before the current one unsynced.
      await this.database.compactRange('\u007f', '\u007f\u007f');
    } catch (error) {
      throw indexFailure(error, this.path);
    }
  }

  async reopen(): Promise<void> {
    try {
      await this.database.close();
      await this.database.open();
    } catch (error) {
      throw indexFailure(error, this.path);
    }
  }

  async close(): Promise<void> {
    await this.database.close();
  }
}

interface Pages {
  nextv(size: number): Promise<[string, string][]>;
}

/** Hands over the entries a page at a time; true when it ended early because of `bytesMax`. */
async function walk(iterator: Pages, range: IndexRange, take: TakeEntries): Promise<boolean> {
  const bytesMax = range.bytesMax ?? Number.POSITIVE_INFINITY;
  let bytes = 0;
  let count = 0;
  while (bytes < bytesMax && count < range.limit) {
    const page = await iterator.nextv(Math.min(pageRows, range.limit - count));
    if (page.length === 0) return false;
    for (const [key, value] of page) bytes += key.length + value.length;
    count += page.length;
    take(page);
  }
  return count < range.limit;
}
