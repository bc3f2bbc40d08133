/** Settings of the storage role. */
import { declareSettings, type SettingsOf } from '#common';

const mebibyte = 1024 * 1024;

export const storageNodeSettings = declareSettings({
  logFileBytes: {
    type: 'integer',
    default: 256 * mebibyte,
    min: 64 * 1024,
    max: 1024 * mebibyte,
    about: 'Size of one file of the log.',
  },
  logAheadBytes: {
    type: 'integer',
    default: mebibyte,
    min: 0,
    max: 64 * mebibyte,
    about:
      'Bytes of the log filled with zeroes ahead of the writing, so that a sync carries no metadata.',
  },
  groupBytesMax: {
    type: 'integer',
    default: 4 * mebibyte,
    min: 64 * 1024,
    max: 64 * mebibyte,
    about: 'Bytes of the writes that share one sync.',
  },
  waitingBytesMax: {
    type: 'integer',
    default: 16 * mebibyte,
    min: 64 * 1024,
    max: 1024 * mebibyte,
    about: 'Bytes of writes that may wait on one device before it answers busy.',
  },
  rowCacheBytes: {
    type: 'integer',
    default: 16 * mebibyte,
    min: 0,
    max: 64 * 1024 * mebibyte,
    about: 'Memory for hot rows of one device.',
  },
  cachedBodyBytesMax: {
    type: 'integer',
    default: 16 * 1024,
    min: 0,
    max: 64 * 1024,
    about: 'Inline bodies up to this size are kept with their cached rows.',
  },
  blobCacheMax: {
    type: 'integer',
    default: 1024,
    min: 1,
    max: 1_000_000,
    about: 'Blobs of one device whose place and checksums are kept in memory (at most 4 KiB each).',
  },
  indexCacheBytes: {
    type: 'integer',
    default: 8 * mebibyte,
    min: mebibyte,
    max: 16 * 1024 * mebibyte,
    about: 'Block cache of the index of one device.',
  },
  indexWriteBufferBytes: {
    type: 'integer',
    default: 4 * mebibyte,
    min: 64 * 1024,
    max: 1024 * mebibyte,
    about:
      'Changes that the index gathers in memory before it writes a table; twice this may be held.',
  },
  checkpointBytes: {
    type: 'integer',
    default: 64 * mebibyte,
    min: 64 * 1024,
    max: 1024 * mebibyte,
    about:
      'Bytes of log after which the index is flushed: what a restart after a power loss reads again.',
  },
  ownFileBytesMin: {
    type: 'integer',
    default: mebibyte,
    min: 4096,
    max: 4 * mebibyte - 4096,
    about: 'Blobs from this length get a file of their own, smaller ones lie in the log.',
  },
  gatherBytes: {
    type: 'integer',
    default: 262_144,
    min: 4096,
    max: 16 * mebibyte,
    about: 'A streamed blob is written in pieces of this size; one is in flight, one is gathered.',
  },
  readBufferBytes: {
    type: 'integer',
    default: 8 * mebibyte,
    min: 0,
    max: 1024 * mebibyte,
    about: 'Memory of blob reads that is kept to be used again.',
  },
  freeSlotsMax: {
    type: 'integer',
    default: 256,
    min: 0,
    max: 100_000,
    about: 'Files of deleted blobs kept for use again.',
  },
  freeSlotBytesMax: {
    type: 'integer',
    default: 256 * mebibyte,
    min: 0,
    max: 1024 * 1024 * mebibyte,
    about: 'Bytes of files of deleted blobs kept for use again.',
  },
  openBlobFilesMax: {
    type: 'integer',
    default: 128,
    min: 1,
    max: 100_000,
    about: 'Blob files of one device kept open.',
  },
  diskCallsMax: {
    type: 'integer',
    default: 3,
    min: 1,
    max: 64,
    about:
      'Blob reads and writes asked of one disk at once, so that a hanging disk leaves threads to the others.',
  },
  scansMax: {
    type: 'integer',
    default: 1,
    min: 1,
    max: 64,
    about: 'Scans and listings of one device at once.',
  },
  waitingMax: {
    type: 'integer',
    default: 4096,
    min: 1,
    max: 1_000_000,
    about: 'Requests that may wait for one device before it answers busy.',
  },
  reserveBytes: {
    type: 'integer',
    default: 512 * mebibyte,
    min: 0,
    max: 1024 * 1024 * mebibyte,
    about: 'Free space below which a device takes deletes only.',
  },
  compactBelowFraction: {
    type: 'number',
    default: 0.5,
    min: 0,
    max: 0.95,
    about: 'A log file is rewritten when at most this fraction of it is still live.',
  },
  compactionRestRatio: {
    type: 'number',
    default: 3,
    min: 0,
    max: 1000,
    about: 'Rest per unit of compaction work: 3 leaves a quarter of the time to it at most.',
  },
  upkeepIdleMs: {
    type: 'integer',
    default: 1000,
    min: 1,
    max: 3_600_000,
    about: 'How often an idle device looks for something to compact.',
  },
});

export type StorageNodeSettings = SettingsOf<typeof storageNodeSettings>;
