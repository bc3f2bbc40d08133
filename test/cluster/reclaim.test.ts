/**
 * kill -9 in the middle of load leaves blobs that no row refers to. They go, in bounded time, and nothing else does: objects, a volume, its snapshot and
 * a clone hold what they held; once those are deleted, no device has a blob left.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seededRandom } from '#common';
import { runOk, TestCloud } from '../support/cloud.ts';
import { ObjectLoad } from './object-load.ts';

interface Status {
  readonly devices: readonly { readonly blobs: number }[];
  readonly copies: {
    readonly reclaim: {
      readonly suspects: number;
      readonly freedBlobs: number;
      readonly blocked?: string;
    };
  };
}

const settings = `image:
  guest: false
proxy:
  bodyDurationMsMax: 5000
  blobDeleteDelayMs: 60000
replicator:
  passEveryMs: 1000
  reclaimEveryMs: 500
  reclaimRestRatio: 0
  orphanGraceMs: 10000
`;
const mib = 1024 * 1024;

let cloud: TestCloud;

beforeAll(async () => {
  cloud = await TestCloud.start('reclaim', settings);
});
afterAll(() => cloud.remove());

const status = async () => JSON.parse(await cloud.pileus(['status', '--json'])) as Status;

async function until(what: string, there: (now: Status) => boolean): Promise<Status> {
  const giveUpAt = Date.now() + 120_000;
  for (;;) {
    const now = await status();
    if (there(now)) return now;
    if (Date.now() > giveUpAt) throw new Error(`${what} did not come: ${JSON.stringify(now)}`);
    await sleep(300);
  }
}

async function volume(...args: readonly string[]): Promise<{ nbd: string }> {
  return JSON.parse(await cloud.pileus(['volume', ...args, '--json'])) as { nbd: string };
}

const contentOf = async (uri: string, name: string) => {
  const path = join(cloud.data, '..', name);
  await runOk('nbdcopy', [uri, path]);
  return fs.readFileSync(path);
};

/** Objects under load, with the server killed in the middle of it. */
async function loadAndKill(load: ObjectLoad): Promise<void> {
  const stop = new AbortController();
  const running = load.run(await cloud.session(), 8, stop.signal);
  await sleep(1500);
  cloud.killNine();
  stop.abort();
  await running;
  await cloud.restart();
}

/** A volume that was written, snapshotted, cloned and written again. */
async function family(first: Buffer, second: Buffer) {
  const source = join(cloud.data, '..', 'source');
  const disk = await volume('create', '--name', 'disk', '--size', '16MiB', '--export');
  fs.writeFileSync(source, first);
  await runOk('nbdcopy', ['--flush', source, disk.nbd]);
  await cloud.pileus(['volume', 'snapshot', 'disk', '--name', 'then']);
  await cloud.pileus(['volume', 'clone', 'disk', 'copy']);
  fs.writeFileSync(source, second);
  await runOk('nbdcopy', ['--flush', source, disk.nbd]);
}

test('what a kill leaves behind goes, and nothing that is referred to', async () => {
  const { url, token } = await cloud.session();
  await fetch(`${url}/load`, { method: 'PUT', headers: { 'x-auth-token': token } });
  const random = seededRandom(5);
  const [first, second] = [random.bytes(16 * mib), random.bytes(16 * mib)];
  await family(first, second);
  const load = new ObjectLoad('load', 3);
  for (let round = 0; round < 2; round++) await loadAndKill(load);
  expect(await load.check(await cloud.session())).toEqual([]);
  await until('the freeing', ({ copies }) => copies.reclaim.freedBlobs > 0);
  const over = await until('the end of suspicion', ({ copies }) => copies.reclaim.suspects === 0);
  expect(over.copies.reclaim.blocked).toBe(undefined);

  expect(await load.check(await cloud.session())).toEqual([]);
  await cloud.pileus(['volume', 'clone', 'disk', 'past', '--snapshot', 'then']);
  for (const [name, content] of [
    ['disk', second],
    ['copy', first],
    ['past', first],
  ] as const) {
    const { nbd } = await volume('show', name);
    expect((await contentOf(nbd, name)).equals(content), name).toBe(true);
  }
});
