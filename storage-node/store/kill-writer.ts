/** The process that `kill.test.ts` kills: writes rows and blobs without end and reports each acknowledgement. */
import {
  createMetrics,
  defaultsOf,
  seededRandom,
  silentLogger,
  systemClock,
  systemDisk,
  systemRandom,
} from '#common';
import type { BlobKey, RowWrite } from '#wire';
import { storageNodeSettings } from '../settings.ts';
import { openDevice } from './open-device.ts';

export function rowWrite(i: number): RowWrite {
  const random = seededRandom(i);
  return {
    key: { table: 't', partition: 'p', sort: `row ${i}`, hash: 1 },
    version: { timeUs: i + 1, coordinator: 1 },
    deleted: false,
    meta: random.bytes(50),
    bytes: 1,
    body: random.bytes(1000),
  };
}

export function blobKey(i: number): BlobKey {
  return { id: i.toString(16).padStart(32, '0'), hash: i };
}

/** Every other one is large enough for a file of its own. */
export function blobContent(i: number): Buffer {
  return Buffer.alloc(i % 40 === 0 ? 1024 * 1024 : 5000, seededRandom(i).bytes(97));
}

async function writeOn(folder: string, start: number): Promise<void> {
  const around = { disk: systemDisk, clock: systemClock, random: systemRandom, log: silentLogger };
  const settings = { ...defaultsOf(storageNodeSettings), logFileBytes: 256 * 1024 };
  const device = await openDevice({ folder, settings, ...around, metrics: createMetrics() });
  let next = start;
  const lane = async (): Promise<void> => {
    for (;;) {
      const i = next++;
      if (i % 20 === 0) await device.putBlob(blobKey(i), [blobContent(i)], {});
      await device.acceptRow(rowWrite(i));
      process.send?.(i);
    }
  };
  await Promise.all(Array.from({ length: 8 }, lane));
}

const [, script, folder, start] = process.argv;
if (script?.endsWith('kill-writer.ts') && folder !== undefined)
  await writeOn(folder, Number(start));
