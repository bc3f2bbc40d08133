/** Settings of the volume service. */
import { declareSettings, type SettingsOf } from '#common';

export const volumeSettings = declareSettings({
  pageMax: {
    type: 'integer',
    default: 1000,
    min: 1,
    max: 10_000,
    about: 'Rows of one page of a listing.',
  },
  zone: {
    type: 'text',
    default: 'nova',
    pattern: /^\S{1,64}$/,
    about: 'Name of the availability zone that volumes are in.',
  },
  defaultType: {
    type: 'text',
    default: '__DEFAULT__',
    pattern: /^\S{1,255}$/,
    about: 'Volume type of volumes for which none is asked; made at first start.',
  },
  backupContainer: {
    type: 'text',
    default: 'volumebackups',
    pattern: /^[^/]{1,255}$/,
    about: 'Container of the project that backups go to when the request names none.',
  },
  messageDays: {
    type: 'integer',
    default: 30,
    min: 1,
    max: 3650,
    about: 'How long messages to users about what failed are kept.',
  },
  volumesPerProject: {
    type: 'integer',
    default: 10,
    min: -1,
    max: 1_000_000,
    about: 'Default quota: volumes; -1 is no limit.',
  },
  snapshotsPerProject: {
    type: 'integer',
    default: 10,
    min: -1,
    max: 1_000_000,
    about: 'Default quota: snapshots; -1 is no limit.',
  },
  gigabytesPerProject: {
    type: 'integer',
    default: 1000,
    min: -1,
    max: 1_000_000_000,
    about: 'Default quota: GiB of volumes and snapshots together; -1 is no limit.',
  },
  backupsPerProject: {
    type: 'integer',
    default: 10,
    min: -1,
    max: 1_000_000,
    about: 'Default quota: backups; -1 is no limit.',
  },
  backupGigabytesPerProject: {
    type: 'integer',
    default: 1000,
    min: -1,
    max: 1_000_000_000,
    about: 'Default quota: GiB of backups; -1 is no limit.',
  },
  groupsPerProject: {
    type: 'integer',
    default: 10,
    min: -1,
    max: 1_000_000,
    about: 'Default quota: volume groups; -1 is no limit.',
  },
  volumeGigabytesMax: {
    type: 'integer',
    default: -1,
    min: -1,
    max: 1_000_000_000,
    about: 'Default quota: GiB of one volume; -1 is no limit.',
  },
});

export type VolumeSettings = SettingsOf<typeof volumeSettings>;
