/** The compute service's migrations in order. */
import type { RoomMigrations } from '#cloud/state';
import { createComputeTables } from './0001-compute.ts';
import { addGenerations } from './0002-generations.ts';
import { addMembers } from './0003-members.ts';
import { addPasswords } from './0004-passwords.ts';

export const computeMigrations: RoomMigrations = {
  room: 'compute',
  steps: [
    { number: 1, name: 'compute', apply: createComputeTables },
    { number: 2, name: 'generations', apply: addGenerations },
    { number: 3, name: 'members', apply: addMembers },
    { number: 4, name: 'passwords', apply: addPasswords },
  ],
};
