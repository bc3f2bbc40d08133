import { describe, expect, it } from 'vitest';
import { bodyOf } from './bodies.ts';
import { objectPreset, presetNames, volumePreset } from './presets.ts';
import { argumentsOf } from './volume-bench.ts';
import { parseMix, parseSize, parseSizes } from './workload.ts';

describe('workload texts', () => {
  it.each([
    ['0', 0],
    ['4096', 4096],
    ['4KiB', 4096],
    ['64k', 65536],
    ['1M', 1048576],
    ['1GiB', 1073741824],
  ])('reads the size %s', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it.each(['', '-1', '1.5M', '4 QiB', 'k', '99999999999999999'])('refuses the size %j', (text) => {
    expect(() => parseSize(text)).toThrow(/a size is like/);
  });

  it('reads shares', () => {
    expect(parseMix('read=70,delete=5')).toEqual({ read: 70, write: 0, list: 0, delete: 5 });
    expect(parseSizes('4KiB=3,1MiB')).toEqual([
      { sizeBytes: 4096, weight: 3 },
      { sizeBytes: 1048576, weight: 1 },
    ]);
  });

  it.each(['copy=1', 'read=0', 'read=-1', 'read=x', '=1'])('refuses the mix %j', (text) => {
    expect(() => parseMix(text)).toThrow();
  });
  it.each(['2GiB', Array(20).fill('1').join(',')])('refuses the sizes %j', (text) => {
    expect(() => parseSizes(text)).toThrow();
  });
});

describe('presets', () => {
  const pace = { durationS: 3, warmUpS: 1, workers: 1 };
  it.each(presetNames)('%s gives every row a name of its own', (name) => {
    const volumes = name === 'million' ? [] : [volumePreset(name, pace, 1024 ** 3)];
    for (const rows of [objectPreset(name, pace), ...volumes]) {
      expect(rows.length).toBeGreaterThan(0);
      expect(new Set(rows.map((row) => row.name)).size).toBe(rows.length);
      for (const row of rows) expect(row.durationS).toBe(3);
    }
  });

  it('asks fio for flushes only where the row has them', () => {
    const args = volumePreset('quick', pace, 4096).map((row) => argumentsOf(row, 3).join(' '));
    expect(args[0]).toBe(
      '--rw=randread --bs=4096 --iodepth=16 --size=4096 --time_based --runtime=3',
    );
    expect(args[1]).toMatch(/--iodepth=32 .*--fsync=32$/);
  });
});

describe('bodies', () => {
  it('depend on the name alone, whatever was asked for before', () => {
    const small = Buffer.from(bodyOf('a', 100));
    const large = bodyOf('b', 3_000_000);
    expect(large.length).toBe(3_000_000);
    expect(bodyOf('a', 100).equals(small)).toBe(true);
    expect(bodyOf('c', 100).equals(small)).toBe(false);
    // Bytes that compress or repeat would flatter a store.
    expect(new Set(large.subarray(0, 4096)).size).toBeGreaterThan(200);
  });
});
