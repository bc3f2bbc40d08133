/** Identity's migrations in order. */
import type { RoomMigrations } from '#cloud/state';
import { createIdentityTables } from './0001-identity.ts';

export const identityMigrations: RoomMigrations = {
  room: 'identity',
  steps: [{ number: 1, name: 'identity', apply: createIdentityTables }],
};
