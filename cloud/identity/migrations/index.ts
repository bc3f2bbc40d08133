/** Identity's migrations in order. */
import type { RoomMigrations } from '#cloud/state';
import { createIdentityTables } from './0001-identity.ts';
import { createDelegationTables } from './0002-delegation-and-federation.ts';
import { createDirectoryUsers } from './0003-directory-users.ts';

export const identityMigrations: RoomMigrations = {
  room: 'identity',
  steps: [
    { number: 1, name: 'identity', apply: createIdentityTables },
    { number: 2, name: 'delegation-and-federation', apply: createDelegationTables },
    { number: 3, name: 'directory-users', apply: createDirectoryUsers },
  ],
};
