/** The compute service's migrations in order. */
import type { RoomMigrations } from '#cloud/state';
import { createComputeTables } from './0001-compute.ts';

export const computeMigrations: RoomMigrations = {
  room: 'compute',
  steps: [{ number: 1, name: 'compute', apply: createComputeTables }],
};
