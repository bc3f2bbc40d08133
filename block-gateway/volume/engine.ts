/** What the open volumes of a gateway share: memory, cache, log files; and opening one. */
import type { Blobs, Tables } from '#cluster';
import { type Clock, type Disk, Failure, Gate, type Logger } from '#common';
import type { BlockGatewaySettings } from '../settings.ts';
import { BufferPool } from './buffers.ts';
import { type KeyStore, noKeyStore } from './ciphers.ts';
import type { EngineContext } from './context.ts';
import { LineCache } from './line-cache.ts';
import { LineFetcher } from './line-fetcher.ts';
import { LogFiles } from './log-files.ts';
import { batchBytes } from './log-format.ts';
import { CacheIds } from './segments.ts';
import { pageBytes, sectorBytes } from './units.ts';
import { Volume } from './volume.ts';

export interface EngineOptions {
  readonly tables: Tables;
  readonly blobs: Blobs;
  readonly disk: Disk;
  /** Where the write log lies. */
  readonly folder: string;
  readonly clock: Clock;
  readonly settings: BlockGatewaySettings;
  readonly log: Logger;
  /** Needed for encrypted volumes only. */
  readonly keys?: KeyStore;
  /** The memory of the machine; its eighth bounds what waits for the store. */
  readonly memoryBytes?: number | undefined;
  /** A name for the head rows: who has a volume open. */
  readonly gateway: string;
}

export interface Engine {
  readonly context: EngineContext;
  /** Takes the volume away from whoever has it open. */
  open(volumeId: string): Promise<Volume>;
  /** Close the volumes first. */
  close(): Promise<void>;
}

const buffersMin = 8;

export async function createEngine(options: EngineOptions): Promise<Engine> {
  const { settings, blobs, disk, folder, log } = options;
  checkSettings(settings);
  const cache = new LineCache(settings.cacheBytes);
  const logFiles = await LogFiles.open({
    disk,
    folder,
    fileBytes: settings.logFileBytes,
    filesMax: settings.logFilesMax,
    log,
  });
  const context: EngineContext = {
    tables: options.tables,
    blobs,
    clock: options.clock,
    settings,
    log,
    gateway: options.gateway,
    buffers: new BufferPool({
      bufferBytes: settings.segmentBytes,
      buffersMax: buffersMaxOf(options),
      keptMax: settings.segmentBuffersKept,
      idleMs: settings.segmentBuffersIdleMs,
      clock: options.clock,
    }),
    cache,
    cacheIds: new CacheIds(),
    boots: new Gate({
      name: 'boot-sets',
      inFlightMax: 1,
      waitingMax: settings.openVolumesMax,
    }),
    fetcher: new LineFetcher({ blobs, cache, readsMax: settings.storeReadsMax }),
    logFiles,
    keys: options.keys ?? noKeyStore,
  };
  return {
    context,
    open: (volumeId) => Volume.open(context, volumeId),
    close: () => {
      context.buffers.close();
      return logFiles.close();
    },
  };
}

function buffersMaxOf({ settings, memoryBytes = Number.POSITIVE_INFINITY }: EngineOptions): number {
  const affordable = Math.floor(memoryBytes / 8 / settings.segmentBytes);
  return Math.min(settings.segmentBuffersMax, Math.max(affordable, buffersMin));
}

/** Contradictions that the ranges of single settings can't tell. */
function checkSettings(settings: BlockGatewaySettings): void {
  const { segmentBytes, logFileBytes } = settings;
  if (segmentBytes % sectorBytes !== 0 || logFileBytes % pageBytes !== 0) {
    throw new Failure(
      'invalid',
      'bad-settings',
      'segmentBytes must be whole sectors and logFileBytes whole pages',
      { facts: { segmentBytes, logFileBytes } },
    );
  }
  if (logFileBytes >= batchBytes(1, segmentBytes)) return;
  throw new Failure('invalid', 'bad-settings', 'A segment must fit in a write-log file', {
    facts: { segmentBytes, logFileBytes },
  });
}
