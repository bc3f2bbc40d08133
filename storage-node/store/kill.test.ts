/** A real process on a real disk, killed while it writes; what it said was written is there. */
import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  createMetrics,
  defaultsOf,
  silentLogger,
  systemClock,
  systemDisk,
  systemRandom,
} from '#common';
import { storageNodeSettings } from '../settings.ts';
import { blobContent, blobKey, rowWrite } from './kill-writer.ts';
import { openDevice } from './open-device.ts';

function openAt(folder: string) {
  const around = { disk: systemDisk, clock: systemClock, random: systemRandom, log: silentLogger };
  const settings = defaultsOf(storageNodeSettings);
  return openDevice({ folder, settings, ...around, metrics: createMetrics() });
}

/** Lets the writer go on from `start` until it acknowledged some, then kills it; returns what it acknowledged. */
async function writeAndKill(folder: string, start: number): Promise<Set<number>> {
  const acked = new Set<number>();
  const script = new URL('./kill-writer.ts', import.meta.url).pathname;
  const child = fork(script, [folder, String(start)], { execArgv: [] });
  const enough = 150 + systemRandom.below(150);
  await new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', () => resolve());
    child.on('message', (message) => {
      acked.add(Number(message));
      if (acked.size === enough) child.kill('SIGKILL');
    });
  });
  return acked;
}

test('kill -9 of the writer loses nothing that was acknowledged', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pileus-kill-'));
  const acked = new Set<number>();
  for (let round = 0; round < 3; round++) {
    const some = await writeAndKill(folder, round * 100_000);
    expect(some.size).toBeGreaterThanOrEqual(150);
    for (const i of some) acked.add(i);
    const device = await openAt(folder);
    for (const i of acked) {
      const write = rowWrite(i);
      const row = await device.readRow(write.key, { body: true });
      expect(row?.body?.equals(write.body), `row ${i}`).toBe(true);
      if (i % 20 !== 0) continue;
      const content = await device.readBlob(blobKey(i), 0, 1024 * 1024);
      expect(content.equals(blobContent(i)), `blob ${i}`).toBe(true);
    }
    expect((await device.status()).quarantined).toBe(0);
    await device.close();
  }
  await rm(folder, { recursive: true });
});

test('two processes cannot have one device open', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pileus-lock-'));
  const device = await openAt(folder);
  await expect(openAt(folder)).rejects.toMatchObject({ kind: 'conflict', code: 'device-in-use' });
  await device.close();
  await rm(folder, { recursive: true });
});

test('LevelDB deleted by hand is made anew', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pileus-index-'));
  let device = await openAt(folder);
  await Promise.all(Array.from({ length: 200 }, (_, i) => device.acceptRow(rowWrite(i))));
  const aggregate = await device.aggregate('t', 'p', 1);
  await device.close();
  await rm(join(folder, 'index'), { recursive: true });
  device = await openAt(folder);
  expect(aggregate.rows).toBe(200);
  expect(await device.aggregate('t', 'p', 1)).toEqual(aggregate);
  await device.close();
  await rm(folder, { recursive: true });
});
