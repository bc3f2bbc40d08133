/** What every Disk promises; the real one and the one in memory pass the same. */
import { describe, expect, test } from 'vitest';
import { type Disk, joinPath, readWhole, replaceWhole } from './disk.ts';

export function diskContract(
  name: string,
  make: () => Promise<{ disk: Disk; folder: string }>,
): void {
  describe(`${name} disk`, () => {
    test('writes pieces, reads them back, also beyond the end', async () => {
      const { disk, folder } = await make();
      const file = await disk.open(joinPath(folder, 'a'), 'create');
      await file.write([Buffer.from('hello '), Buffer.from(''), Buffer.from('world')], 3);
      await file.sync();
      expect(await file.size()).toBe(14);
      const target = Buffer.alloc(20, 0xff);
      expect(await file.read(target, 0)).toBe(14);
      expect(target.toString('latin1', 0, 14)).toBe('\0\0\0hello world');
      expect(file.readNow(target, 9)).toBe(5);
      expect(file.readNow(target, 14)).toBe(0);
      await file.truncate(4);
      expect(await file.size()).toBe(4);
      await file.close();
      await expect(file.write([Buffer.from('x')], 0)).rejects.toMatchObject({ kind: 'closed' });
    });

    test('says what is missing and what exists', async () => {
      const { disk, folder } = await make();
      await expect(disk.open(joinPath(folder, 'none'), 'write')).rejects.toMatchObject({
        kind: 'missing',
      });
      await (await disk.open(joinPath(folder, 'one'), 'create')).close();
      await expect(disk.open(joinPath(folder, 'one'), 'create')).rejects.toMatchObject({
        kind: 'conflict',
      });
      await expect(disk.open(joinPath(folder, 'no', 'where'), 'create')).rejects.toMatchObject({
        kind: 'missing',
      });
      await expect(disk.list(joinPath(folder, 'none'))).rejects.toMatchObject({ kind: 'missing' });
      expect(await disk.exists(joinPath(folder, 'one'))).toBe(true);
      expect(await disk.exists(joinPath(folder, 'two'))).toBe(false);
    });

    test('lists, renames, removes, replaces', async () => {
      const { disk, folder } = await make();
      await disk.makeDirectory(joinPath(folder, 'x', 'y'));
      await replaceWhole(disk, joinPath(folder, 'x', 'f'), Buffer.from('1'));
      await replaceWhole(disk, joinPath(folder, 'x', 'f'), Buffer.from('22'));
      expect((await readWhole(disk, joinPath(folder, 'x', 'f'), 10)).toString()).toBe('22');
      await expect(readWhole(disk, joinPath(folder, 'x', 'f'), 1)).rejects.toMatchObject({
        code: 'file-too-large',
      });
      await disk.rename(joinPath(folder, 'x', 'f'), joinPath(folder, 'x', 'g'));
      expect(await disk.list(joinPath(folder, 'x'))).toEqual([
        { name: 'g', isDirectory: false },
        { name: 'y', isDirectory: true },
      ]);
      await disk.remove(joinPath(folder, 'x', 'g'));
      await disk.remove(joinPath(folder, 'x', 'g'));
      await disk.removeTree(joinPath(folder, 'x'));
      expect(await disk.list(folder)).toEqual([]);
      expect((await disk.space(folder)).totalBytes).toBeGreaterThan(0);
    });
  });
}
