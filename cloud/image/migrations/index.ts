/** The image service's migrations in order. */
import type { RoomMigrations } from '#cloud/state';
import { createImageTables } from './0001-image.ts';
import { createMetadefTables } from './0002-metadefs.ts';

export const imageMigrations: RoomMigrations = {
  room: 'image',
  steps: [
    { number: 1, name: 'image', apply: createImageTables },
    { number: 2, name: 'metadefs', apply: createMetadefTables },
  ],
};
