/** What every part of the volume engine is handed. */
import type { Blobs, Tables } from '#cluster';
import type { Clock, Gate, Logger } from '#common';
import type { BlockGatewaySettings } from '../settings.ts';
import type { BufferPool } from './buffers.ts';
import type { KeyStore } from './ciphers.ts';
import type { LineCache } from './line-cache.ts';
import type { LineFetcher } from './line-fetcher.ts';
import type { LogFiles } from './log-files.ts';
import type { CacheIds } from './segments.ts';

export interface EngineContext {
  readonly tables: Tables;
  readonly blobs: Blobs;
  readonly clock: Clock;
  readonly settings: BlockGatewaySettings;
  readonly log: Logger;
  readonly buffers: BufferPool;
  readonly cache: LineCache;
  readonly cacheIds: CacheIds;
  readonly fetcher: LineFetcher;
  /** One volume at a time brings its boot set in. */
  readonly boots: Gate;
  readonly logFiles: LogFiles;
  readonly keys: KeyStore;
  /** Who we are, for the head row. */
  readonly gateway: string;
}

/** How many segments may be on their way to the store at once; recovery counts on it, so it is part of the format. */
export const uploadWindow = 4;
