import { describe, expect, it } from 'vitest';
import { seededRandom } from '#common';
import { volumeId, World } from '../testing/world.ts';
import { changeHead } from '../volume/head-row.ts';
import { LogFiles } from '../volume/log-files.ts';
import { releaseStaleLogs } from './stale-logs.ts';

describe('log files after a crash', () => {
  it.each([
    ['are kept for a volume that may want them', 'keep', 1],
    ['are let go when the volume was opened elsewhere since', 'elsewhere', 0],
    ['are let go when the volume is deleted', 'delete', 0],
  ])('%s', async (_name, then, kept) => {
    const world = new World();
    await world.addVolume(1024 * 1024);
    const volume = await (await world.engine()).open(volumeId);
    await volume.write(0, Buffer.alloc(4096, 1), 0, 4096);
    await volume.flush();
    const disk = world.disk.crash(seededRandom(1));
    const { tables } = world.store;
    if (then === 'elsewhere') {
      await changeHead(tables, volumeId, (head) => ({ ...head, tail: [{ epoch: 2, first: 1 }] }));
    }
    if (then === 'delete')
      await changeHead(tables, volumeId, (head) => ({ ...head, state: 'deleting' }));
    const { settings, log } = world;
    const logFiles = await LogFiles.open({
      disk,
      folder: '/log',
      fileBytes: settings.logFileBytes,
      filesMax: settings.logFilesMax,
      log,
    });
    expect(logFiles.claimants().size).toBe(1);
    await releaseStaleLogs({ tables, logFiles, log });
    expect(logFiles.claimants().size).toBe(kept);
  });
});
