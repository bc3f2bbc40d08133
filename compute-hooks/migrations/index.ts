/** The compute service's migrations in order. */
import type { RoomMigrations } from '#cloud/state';
import { createComputeTables } from './0001-compute.ts';
import { addGenerations } from './0002-generations.ts';

export const computeMigrations: RoomMigrations = {
  room: 'compute',
  steps: [
    { number: 1, name: 'compute', apply: createComputeTables },
    { number: 2, name: 'generations', apply: addGenerations },
  ],
};
