import { expect, test } from 'vitest';
import { MemoryDisk, seededRandom } from '#common';
import { RefillMark } from './refill-mark.ts';

test('a mark that was taken away does not come back with a power loss', async () => {
  const disk = new MemoryDisk();
  await disk.makeDirectory('/device');
  const mark = await RefillMark.open(disk, '/device', true);
  expect(mark.active).toBe(true);
  await mark.end();
  for (let seed = 1; seed <= 20; seed++) {
    const after = disk.crash(seededRandom(seed));
    expect(await after.exists('/device/refilling'), `seed ${seed}`).toBe(false);
  }
});
