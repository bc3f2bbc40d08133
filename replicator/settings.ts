/** What an operator may tune about keeping copies whole. */
import { declareSettings, type SettingsOf } from '#common';

export const replicatorSettings = declareSettings({
  enabled: {
    type: 'switch',
    default: true,
    about: 'Whether copies are compared, mended, handed back and checked in the background.',
  },
  passEveryMs: {
    type: 'integer',
    default: 20_000,
    min: 10,
    max: 86_400_000,
    about:
      'At least this long from the end of one comparison of everything to the start of the next.',
  },
  settleMs: {
    type: 'integer',
    default: 2000,
    min: 0,
    max: 600_000,
    about:
      'Copies that differ are looked at again after this long: most differences are writes on their way.',
  },
  restRatio: {
    type: 'integer',
    default: 9,
    min: 0,
    max: 1000,
    about:
      'Milliseconds of rest per millisecond of comparing and mending: 9 means a tenth of the time.',
  },
  refillRestRatio: {
    type: 'integer',
    default: 0,
    min: 0,
    max: 1000,
    about:
      'The same while a replaced device is being refilled: the sooner it ends, the shorter data is at risk.',
  },
  copyBytesPerSecond: {
    type: 'integer',
    default: 100 * 1024 * 1024,
    min: 1024,
    max: 100 * 1024 * 1024 * 1024,
    about: 'The most that is copied from device to device in a second.',
  },
  copiesInFlightMax: {
    type: 'integer',
    default: 32,
    min: 1,
    max: 1024,
    about: 'Rows copied at a time; of blobs an eighth.',
  },
  callTimeoutMs: {
    type: 'integer',
    default: 30_000,
    min: 100,
    max: 600_000,
    about: 'How long a device may take over one call of the replicator.',
  },
  scrubBytes: {
    type: 'integer',
    default: 4 * 1024 * 1024,
    min: 4096,
    max: 64 * 1024 * 1024,
    about: 'Stored bytes that are read and checked in one step.',
  },
  scrubRestRatio: {
    type: 'integer',
    default: 9,
    min: 0,
    max: 1000,
    about: 'Milliseconds of rest per millisecond of checking.',
  },
  scrubPassRestRatio: {
    type: 'integer',
    default: 20,
    min: 0,
    max: 1000,
    about: 'After everything was checked: rest per time that it took, a week at most.',
  },
  scrubEveryMs: {
    type: 'integer',
    default: 20_000,
    min: 100,
    max: 604_800_000,
    about: 'At least this long from the end of one check of everything to the start of the next.',
  },
  reclaim: {
    type: 'choice',
    default: 'on',
    choices: ['on', 'report', 'off'],
    about:
      'Whether blobs that no row refers to are deleted and old tombstones forgotten; `report` searches, and only says what it would delete.',
  },
  reclaimShareMax: {
    type: 'integer',
    default: 50,
    min: 1,
    max: 100,
    about:
      'When more than this percentage of the blobs looked at (and more than 1,000) would be deleted at once, none is: somebody should look first.',
  },
  reclaimEveryMs: {
    type: 'integer',
    default: 3_600_000,
    min: 10,
    max: 604_800_000,
    about: 'At least this long from one search for blobs that no row refers to, to the next.',
  },
  reclaimRestRatio: {
    type: 'integer',
    default: 9,
    min: 0,
    max: 1000,
    about: 'Milliseconds of rest per millisecond of that search.',
  },
  orphanGraceMs: {
    type: 'integer',
    default: 86_400_000,
    min: 0,
    max: 2_592_000_000,
    about:
      'So long, counted while the cloud runs, a blob must have been without a row before it is deleted; longer than any body takes to arrive.',
  },
  tombstoneAgeMs: {
    type: 'integer',
    default: 604_800_000,
    min: 0,
    max: 31_536_000_000,
    about: 'Tombstones younger than this are kept.',
  },
  tombstoneSettleMs: {
    type: 'integer',
    default: 600_000,
    min: 0,
    max: 86_400_000,
    about: 'Between the first and the second time that all owners are found to have a tombstone.',
  },
  reclaimCandidatesMax: {
    type: 'integer',
    default: 200_000,
    min: 1,
    max: 10_000_000,
    about: 'Blobs that are looked for in one reading of all rows, about 150 bytes of memory each.',
  },
  irreparableMax: {
    type: 'integer',
    default: 1000,
    min: 1,
    max: 100_000,
    about: 'Records without any good copy that are remembered by name.',
  },
});

export type ReplicatorSettings = SettingsOf<typeof replicatorSettings>;
