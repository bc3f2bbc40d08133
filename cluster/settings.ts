/** What an operator may tune about talking to replicas. */
import { declareSettings, type SettingsOf } from '#common';

export const clusterSettings = declareSettings({
  rowTimeoutMs: {
    type: 'integer',
    default: 5000,
    min: 10,
    max: 120_000,
    about:
      'How long one replica may take over a row, a listing page or a total before it counts as failed.',
  },
  blobTimeoutMs: {
    type: 'integer',
    default: 15_000,
    min: 10,
    max: 300_000,
    about: 'How long one replica may take over one step of a blob (a chunk, a commit, a read).',
  },
  hedgeFloorMs: {
    type: 'integer',
    default: 20,
    min: 1,
    max: 10_000,
    about: 'A read is never asked of a second replica sooner than this.',
  },
  hedgeCeilingMs: {
    type: 'integer',
    default: 500,
    min: 1,
    max: 60_000,
    about: 'A read is always asked of a second replica after this long.',
  },
  failuresMax: {
    type: 'integer',
    default: 3,
    min: 1,
    max: 1000,
    about: 'So many failures in a row put a device aside.',
  },
  asideMs: {
    type: 'integer',
    default: 1000,
    min: 10,
    max: 600_000,
    about: 'How long a device is put aside the first time; doubles while it keeps failing.',
  },
  asideMsMax: {
    type: 'integer',
    default: 15_000,
    min: 10,
    max: 600_000,
    about: 'The longest a device is put aside before it is tried again.',
  },
  probesMax: {
    type: 'integer',
    default: 8,
    min: 1,
    max: 1024,
    about: 'Calls at a time to a device that was put aside, when no quorum can be had without it.',
  },
  inFlightMax: {
    type: 'integer',
    default: 1024,
    min: 1,
    max: 100_000,
    about: 'Calls in flight per device; one more is answered `busy`.',
  },
  inFlightBytesMax: {
    type: 'integer',
    default: 67_108_864,
    min: 1_048_576,
    max: 4_294_967_296,
    about: 'Bytes of writes in flight per device; at least one write is always let through.',
  },
  blobLagBytesMax: {
    type: 'integer',
    default: 8_388_608,
    min: 65_536,
    max: 67_108_864,
    about:
      'How far the slowest replica of a blob being streamed may fall behind before the writer waits for it.',
  },
  writeAttemptsMax: {
    type: 'integer',
    default: 8,
    min: 1,
    max: 100,
    about: 'How often a plain write takes a newer version after it met one newer than its own.',
  },
  updateAttemptsMax: {
    type: 'integer',
    default: 16,
    min: 1,
    max: 1000,
    about: 'How many ballots a compare-and-set tries before it gives up as contended.',
  },
  readAttemptsMax: {
    type: 'integer',
    default: 4,
    min: 1,
    max: 100,
    about:
      'How often a read starts over when rows change under it, before it settles the row by a ballot.',
  },
  updatesWaitingMax: {
    type: 'integer',
    default: 10_000,
    min: 1,
    max: 1_000_000,
    about:
      'Compare-and-sets that may wait for others on the same row in this process; one more is answered `busy`.',
  },
  repairsWaitingMax: {
    type: 'integer',
    default: 1024,
    min: 1,
    max: 1_000_000,
    about: 'Read repairs that may wait; more are left to the replicator.',
  },
  repairsInFlightMax: {
    type: 'integer',
    default: 4,
    min: 1,
    max: 100,
    about: 'Read repairs at a time.',
  },
  totalsScanRowsMax: {
    type: 'integer',
    default: 100_000,
    min: 1,
    max: 100_000_000,
    about:
      'Partition keys with more rows than this are not counted row by row when replicas disagree in passing.',
  },
});

export type ClusterSettings = SettingsOf<typeof clusterSettings>;
