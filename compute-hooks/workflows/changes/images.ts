/** An image of a server: a snapshot of its root disk, by reference. A server that runs goes on running. */
import { Failure } from '#common';
import { disksOf } from '../../rows.ts';
import type { Change } from '../change-server.ts';
import { missingIsDone } from '../missing.ts';

export const imageChanges: Readonly<Record<string, Change>> = {
  image: {
    run: async (core, { server, input, operation }) => {
      const root = (await disksOf(core.db, server.id)).find(({ boot_index }) => boot_index === 0);
      if (root === undefined)
        throw new Failure('conflict', 'no-root-disk', 'The server has no root disk');
      const volume = root.volume_id;
      await core.engine.snapshot(volume, { id: operation.id, name: String(input.name) });
      await core.images.fill(String(input.imageId), { volume, snapshot: operation.id });
      await missingIsDone(() => core.engine.deleteSnapshot(volume, operation.id));
      return undefined;
    },
    undo: async (core, { server, input, operation }) => {
      for (const disk of await disksOf(core.db, server.id))
        if (disk.boot_index === 0)
          await missingIsDone(() => core.engine.deleteSnapshot(disk.volume_id, operation.id));
      await core.images.abandon(String(input.imageId));
    },
  },
};
