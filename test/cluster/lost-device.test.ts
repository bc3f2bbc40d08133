/** One storage process is killed, another time frozen, under load: nothing acknowledged is lost, clients see no error. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SplitCloud } from '../support/split-cloud.ts';
import { ObjectLoad } from './object-load.ts';

let cloud: SplitCloud;

beforeAll(async () => {
  cloud = await SplitCloud.start('lost-device');
  const { url, token } = await cloud.session();
  for (const container of ['killed', 'frozen']) {
    expect(
      (await fetch(`${url}/${container}`, { method: 'PUT', headers: { 'x-auth-token': token } }))
        .status,
    ).toBe(201);
  }
});

afterAll(() => cloud.remove());

/** Runs load while `disturb` happens to a storage process; any error status in it fails the run. */
async function under(
  container: string,
  seed: number,
  disturb: () => Promise<void>,
): Promise<ObjectLoad> {
  const load = new ObjectLoad(container, seed);
  const stop = new AbortController();
  const running = load.run(await cloud.session(), 8, stop.signal);
  await sleep(1000);
  const before = load.acknowledged;
  await disturb();
  stop.abort();
  await running;
  // Work went on while the process was away.
  expect(load.acknowledged).toBeGreaterThan(before + 20);
  expect(await load.check(await cloud.session())).toEqual([]);
  return load;
}

test('killed', async () => {
  const load = await under('killed', 1, async () => {
    cloud.signal('storage-2', 'SIGKILL');
    await sleep(4000);
  });
  await cloud.startProcess('storage-2', ['storage']);
  await sleep(2000);
  expect(await load.check(await cloud.session())).toEqual([]);
});

test('frozen, then thawed', async () => {
  const load = await under('frozen', 2, async () => {
    cloud.signal('storage-3', 'SIGSTOP');
    await sleep(8000);
    cloud.signal('storage-3', 'SIGCONT');
    await sleep(1000);
  });
  expect(await load.check(await cloud.session())).toEqual([]);
});
