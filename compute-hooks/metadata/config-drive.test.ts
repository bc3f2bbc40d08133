import { describe, expect, it } from 'vitest';
import { buildConfigDrive } from './config-drive.ts';

/** Walks the directories from the volume descriptor, as a driver does; the guest's kernel is the second reader. */
function readDrive(image: Buffer): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (record: number, path: string): void => {
    const start = image.readUInt32LE(record + 2) * 2048;
    const end = start + image.readUInt32LE(record + 10);
    for (let at = start; at < end; ) {
      const length = image[at] ?? 0;
      if (length === 0) {
        at = (Math.floor(at / 2048) + 1) * 2048;
        continue;
      }
      const stored = image.toString('latin1', at + 33, at + 33 + (image[at + 32] ?? 0));
      const name = stored.toLowerCase().replace(/\.?;1$/, '');
      const from = image.readUInt32LE(at + 2) * 2048;
      if (image[at + 25] === 2) {
        if (stored.length > 1 || stored > '\x01') walk(at, `${path}${name}/`);
      } else {
        found.set(path + name, image.toString('utf8', from, from + image.readUInt32LE(at + 10)));
      }
      at += length;
    }
  };
  expect(image.toString('ascii', 32769, 32774)).toBe('CD001');
  walk(32768 + 156, '');
  return found;
}

describe('config drive', () => {
  it('gives back every file under its name', () => {
    const files = new Map([
      ['openstack/latest/meta_data.json', '{"uuid":"u"}'],
      ['openstack/latest/user_data', '#!/bin/sh\n'],
      ['openstack/2018-08-27/meta_data.json', 'x'.repeat(5000)],
      ['ec2/latest/meta-data.json', ''],
      // Enough names that their directory needs more than one sector.
      ...Array.from({ length: 90 }, (_, n): [string, string] => [`many/file-${n}.txt`, `${n}`]),
    ]);
    expect(readDrive(buildConfigDrive(files))).toEqual(files);
  });

  it('carries the label at the place where guests look for it', () => {
    const image = buildConfigDrive(new Map([['a', 'b']]));
    expect(image.toString('ascii', 32808, 32816)).toBe('config-2');
    expect(image.length % 2048).toBe(0);
  });

  it.each(['', '/a', 'a/', 'A', '../a', 'a b', 'a//b', 'x'.repeat(40), 'a.b.c'])(
    'refuses the path %j',
    (path) => {
      expect(() => buildConfigDrive(new Map([[path, 'x']]))).toThrow(/config drive/);
    },
  );

  it('refuses a file where a directory is, and more than it can hold', () => {
    expect(() =>
      buildConfigDrive(
        new Map([
          ['a', ''],
          ['a/b', ''],
        ]),
      ),
    ).toThrow(/under a file/);
    expect(() =>
      buildConfigDrive(
        new Map([
          ['a/b', ''],
          ['a', ''],
        ]),
      ),
    ).toThrow(/twice/);
    const large = new Map([['a', Buffer.alloc(65 * 1024 * 1024)]]);
    expect(() => buildConfigDrive(large)).toThrow(/too large/);
  });
});
