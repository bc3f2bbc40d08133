/** Every format as `qemu-img` makes it: recognised, sized as it says, and converted back to the same bytes. */
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultsOf, seededRandom } from '#common';
import { qemuImgConverter } from '../content/qemu-img.ts';
import { imageSettings } from '../settings.ts';
import { ImageInspector } from './inspector.ts';

const MiB = 1024 * 1024;
const diskBytes = 8 * MiB;
let folder: string;
let disk: Buffer;

beforeAll(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'pileus-formats-'));
  disk = Buffer.alloc(diskBytes);
  seededRandom(3)
    .bytes(2 * MiB)
    .copy(disk, MiB);
  fs.writeFileSync(join(folder, 'disk.raw'), disk);
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

const qemuImg = (...args: string[]) => execFileSync('qemu-img', args, { cwd: folder });

function inspect(name: string) {
  const inspector = new ImageInspector({ virtualBytesMax: 2 ** 44 });
  const file = fs.readFileSync(join(folder, name));
  for (let at = 0; at < file.length; at += 262_144) inspector.feed(file.subarray(at, at + 262_144));
  return inspector.finish();
}

/** Our word, `qemu-img`'s word, and its options. */
const made: readonly (readonly [string, 'qcow2' | 'vdi' | 'vpc' | 'vhdx' | 'vmdk', string])[] = [
  ['qcow2', 'qcow2', 'compat=1.1'],
  ['qcow2', 'qcow2', 'compat=0.10'],
  ['qcow2', 'qcow2', 'compression_type=zstd,extended_l2=on'],
  ['vdi', 'vdi', 'static=off'],
  ['vdi', 'vdi', 'static=on'],
  ['vhd', 'vpc', 'subformat=dynamic'],
  ['vhd', 'vpc', 'subformat=fixed'],
  ['vhdx', 'vhdx', 'subformat=dynamic'],
  ['vhdx', 'vhdx', 'subformat=fixed'],
  ['vmdk', 'vmdk', 'subformat=monolithicSparse'],
  ['vmdk', 'vmdk', 'subformat=streamOptimized'],
];

describe('images made by qemu-img', () => {
  for (const [format, tool, options] of made) {
    it(`${tool} (${options}) is ${format}, and becomes the disk it was`, async () => {
      qemuImg('convert', '-f', 'raw', '-O', tool, '-o', options, 'disk.raw', 'image');
      const found = inspect('image');
      expect(found.format).toBe(format);
      // VHD counts in cylinders and may round up.
      expect(found.virtualBytes).toBeGreaterThanOrEqual(diskBytes);
      expect(found.virtualBytes).toBeLessThan(diskBytes + MiB);
      const converter = qemuImgConverter(join(folder, 'scratch'), defaultsOf(imageSettings));
      const signal = new AbortController().signal;
      const bytes = fs.createReadStream(join(folder, 'image'));
      const job = { id: 'job', format: tool, bytes, diskBytes: found.virtualBytes, signal };
      const raw = await converter.convert(job, async (stream) => {
        const chunks: Buffer[] = [];
        for await (const chunk of stream) chunks.push(chunk);
        return Buffer.concat(chunks);
      });
      expect(raw.subarray(0, diskBytes).equals(disk)).toBe(true);
      expect(fs.readdirSync(join(folder, 'scratch'))).toEqual([]);
    });
  }

  it('that need other files are refused', () => {
    qemuImg('create', '-q', '-f', 'qcow2', '-b', '/etc/passwd', '-F', 'raw', 'backed.qcow2');
    expect(() => inspect('backed.qcow2')).toThrow('it names a backing file');
    qemuImg('create', '-q', '-f', 'qcow2', '-o', 'data_file=data.raw', 'split.qcow2', '1M');
    expect(() => inspect('split.qcow2')).toThrow('it keeps its data in another file');
    qemuImg('create', '-q', '-f', 'vmdk', '-o', 'subformat=monolithicFlat', 'flat.vmdk', '1M');
    expect(() => inspect('flat.vmdk')).toThrow('its extents are other files');
  });

  it('are not converted beyond what the operator allows', async () => {
    const small = { ...defaultsOf(imageSettings), convertBytesMax: MiB };
    const converter = qemuImgConverter(join(folder, 'scratch'), small);
    const signal = new AbortController().signal;
    const bytes = fs.createReadStream(join(folder, 'image'));
    const job = { id: 'job', format: 'vmdk', bytes, diskBytes, signal } as const;
    await expect(converter.convert(job, async () => undefined)).rejects.toThrow('larger than');
    const garbage = { ...job, diskBytes: 512, bytes: fs.createReadStream('/etc/hostname') };
    await expect(converter.convert(garbage, async () => undefined)).rejects.toThrow('qemu-img');
    expect(fs.readdirSync(join(folder, 'scratch'))).toEqual([]);
  });
});
