/**
 * Writes the golden device of the current format version into a new folder beside this file:
 * `node storage-node/golden/write-golden.ts device-2`. Done once per version; the files are never changed after.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  createMetrics,
  MemoryDisk,
  readWhole,
  seededRandom,
  silentLogger,
  VirtualClock,
} from '#common';
import { MemoryIndex } from '../index/memory-index.ts';
import { openDevice } from '../store/open-device.ts';
import { fillGolden, goldenSettings } from './golden-content.ts';

const name = process.argv[2];
if (name === undefined || !/^device-\d+$/.test(name)) throw new Error('name a folder: device-N');
const target = join(import.meta.dirname, name);
const disk = new MemoryDisk();
const index = new MemoryIndex();
const device = await openDevice({
  folder: '/device',
  settings: goldenSettings,
  random: seededRandom(1),
  log: silentLogger,
  metrics: createMetrics(),
  clock: new VirtualClock(),
  disk,
  index,
});
await fillGolden(device);
await device.close();

async function copyOut(folder: string): Promise<void> {
  for (const entry of await disk.list(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) {
      await copyOut(path);
      continue;
    }
    const bytes = await readWhole(disk, path, 16 * 1024 * 1024);
    if (bytes.length === 0) continue;
    const out = join(target, path.slice('/device/'.length));
    await mkdir(dirname(out), { recursive: true });
    await writeFile(out, bytes, { flag: 'wx' });
  }
}

await copyOut('/device');
const page = await index.scan({ from: '', until: '\u{10ffff}', limit: 1000 });
const text = JSON.stringify(page.entries, undefined, 2);
await writeFile(join(target, 'index.json'), `${text}\n`, { flag: 'wx' });
