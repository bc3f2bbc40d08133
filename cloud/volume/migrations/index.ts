/** The volume service's migrations in order. */
import type { RoomMigrations } from '#cloud/state';
import { createVolumeTables } from './0001-volume.ts';

export const volumeMigrations: RoomMigrations = {
  room: 'volume',
  steps: [{ number: 1, name: 'volume', apply: createVolumeTables }],
};
