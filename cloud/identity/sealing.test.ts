import { describe, expect, it } from 'vitest';
import { isFailure, MemoryDisk, seededRandom } from '#common';
import { ensureSealingKey, Sealer } from './sealing.ts';

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    return isFailure(error) ? error.code : String(error);
  }
  return 'no failure';
};

describe('sealed secrets', () => {
  const random = seededRandom(7);
  const sealer = new Sealer(random.bytes(32), random);

  it('open for their purpose only, and only whole', () => {
    const sealed = sealer.seal('credential a', 'sesame');
    expect(sealed).not.toContain('sesame');
    expect(sealer.open('credential a', sealed)).toBe('sesame');
    expect(codeOf(() => sealer.open('credential b', sealed))).toBe('sealed-secret-damaged');
    const other = new Sealer(random.bytes(32), random);
    expect(codeOf(() => other.open('credential a', sealed))).toBe('sealed-secret-damaged');
    for (let at = 0; at < sealed.length; at++) {
      const flipped = sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1);
      const opened = codeOf(() => sealer.open('credential a', flipped));
      // The last character of base64 carries bits that nobody reads.
      if (at < sealed.length - 1) expect(opened).toBe('sealed-secret-damaged');
    }
  });

  it('keep one key, and never replace one that is there', async () => {
    const disk = new MemoryDisk();
    const key = await ensureSealingKey(disk, '/keys/sealing.key', random);
    expect(await ensureSealingKey(disk, '/keys/sealing.key', random)).toEqual(key);
    const file = await disk.open('/keys/sealing.key', 'write');
    await file.truncate(31);
    await file.close();
    await expect(ensureSealingKey(disk, '/keys/sealing.key', random)).rejects.toThrow('damaged');
  });
});
