import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { diskContract } from './disk.contract.ts';
import { systemDisk } from './disk.ts';
import { MemoryDisk } from './memory-disk.ts';
import { seededRandom } from './random.ts';

const scratch = fs.mkdtempSync(join(tmpdir(), 'pileus-disk-'));
afterAll(() => fs.rmSync(scratch, { recursive: true }));

let count = 0;
diskContract('system', async () => {
  const folder = join(scratch, String(count++));
  await systemDisk.makeDirectory(folder);
  return { disk: systemDisk, folder };
});
diskContract('memory', async () => {
  const disk = new MemoryDisk();
  await disk.makeDirectory('/d');
  return { disk, folder: '/d' };
});

describe('a crash of the disk in memory', () => {
  test('keeps what was synced, and each later write whole, torn at a sector, or not at all', async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 200; seed++) {
      const disk = new MemoryDisk();
      await disk.makeDirectory('/d');
      const file = await disk.open('/d/f', 'create');
      await file.write([Buffer.alloc(1024, 'a')], 0);
      await file.sync();
      await disk.syncDirectory('/d');
      await file.write([Buffer.alloc(1024, 'b')], 1024);
      const after = disk.crash(seededRandom(seed));
      const survivor = await after.open('/d/f', 'read');
      const found = Buffer.alloc(4096);
      const size = await survivor.read(found, 0);
      expect(found.toString('latin1', 0, 1024)).toBe('a'.repeat(1024));
      expect(found.subarray(1024, size).every((byte) => byte === 0x62)).toBe(true);
      seen.add(String(size));
    }
    expect([...seen].sort()).toEqual(['1024', '1536', '2048']);
  });

  test('may forget a name that was not synced in its directory', async () => {
    const outcomes = new Set<boolean>();
    for (let seed = 0; seed < 50; seed++) {
      const disk = new MemoryDisk();
      await disk.makeDirectory('/d');
      const file = await disk.open('/d/f', 'create');
      await file.sync();
      outcomes.add(await disk.crash(seededRandom(seed)).exists('/d/f'));
    }
    expect(outcomes).toEqual(new Set([true, false]));
  });

  test('fails as it is told to', async () => {
    const disk = new MemoryDisk();
    await disk.makeDirectory('/d');
    disk.faults.capacityBytes = 1000;
    const file = await disk.open('/d/f', 'create');
    await expect(file.write([Buffer.alloc(1001)], 0)).rejects.toMatchObject({
      kind: 'busy',
      code: 'disk-full',
    });
  });
});
