/** The volume service's migrations in order. */
import type { RoomMigrations } from '#cloud/state';
import { createVolumeTables } from './0001-volume.ts';
import { addBackupKeys } from './0002-backup-keys.ts';
import { addBackupVolumes } from './0003-backup-volumes.ts';
import { addSaidStatuses } from './0004-said-statuses.ts';
import { addBackupPlaces } from './0005-backup-places.ts';

export const volumeMigrations: RoomMigrations = {
  room: 'volume',
  steps: [
    { number: 1, name: 'volume', apply: createVolumeTables },
    { number: 2, name: 'backup-keys', apply: addBackupKeys },
    { number: 3, name: 'backup-volumes', apply: addBackupVolumes },
    { number: 4, name: 'said-statuses', apply: addSaidStatuses },
    { number: 5, name: 'backup-places', apply: addBackupPlaces },
  ],
};
