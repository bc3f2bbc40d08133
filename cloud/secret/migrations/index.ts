import type { RoomMigrations } from '#cloud/state';
import { createSecretTables } from './0001-secret.ts';

export const secretMigrations: RoomMigrations = {
  room: 'secret',
  steps: [{ number: 1, name: 'secret', apply: createSecretTables }],
};
