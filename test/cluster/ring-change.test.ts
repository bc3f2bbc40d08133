/**
 * A device is added, one is drained, one removed while it is dead, copies are made and given up, a change is paused and undone, and the whole is killed in the
 * middle of one, while clients write and read over Swift and S3. None of them sees an error, and what a plan says is what is moved.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestCloud } from '../support/cloud.ts';
import { MixedLoad } from './mixed-load.ts';

const settings = `
image: { guest: false }
cloud: { partPower: 6, waveMovesMax: 16 }
replicator: { passEveryMs: 1000 }
`;

interface Plan {
  readonly bytes: number;
  readonly replicas_moved: number;
  readonly waves: number;
  readonly exposure: { readonly in_motion_max: number };
  readonly devices: readonly { readonly device: string; readonly arriving_bytes: number }[];
}

interface Progress {
  readonly state: string;
  readonly wave: number;
  readonly waves: number;
  readonly moved_bytes: number;
  readonly planned_bytes: number;
  readonly last_error: string | null;
}

let cloud: TestCloud;
let load: MixedLoad;
const kept = new Map<string, Buffer>();

beforeAll(async () => {
  cloud = await TestCloud.start('ring-change', settings);
  const { url, token } = await cloud.session();
  load = new MixedLoad(
    { url, token, s3: cloud.info.endpoints.s3, keys: cloud.info.s3 },
    { sizes: [1, 100, 4096], namesPerClient: 5, restMs: 30 },
  );
  await load.prepare();
  const headers = { 'x-auth-token': token };
  await fetch(`${url}/kept`, { method: 'PUT', headers });
  for (let at = 0; at < 60; at++) {
    const body = Buffer.alloc(at % 3 === 0 ? 600_000 : 12_000, `object ${at} `);
    kept.set(`o${at}`, body);
    expect((await fetch(`${url}/kept/o${at}`, { method: 'PUT', headers, body })).status).toBe(201);
  }
});

afterAll(async () => {
  load.close();
  await cloud.remove();
});

const ring = async <T>(...args: string[]): Promise<T> =>
  JSON.parse(await cloud.pileus(['ring', ...args, '--json'])) as T;

async function until(what: string, there: (now: Progress) => boolean): Promise<Progress> {
  const giveUpAt = Date.now() + 120_000;
  for (;;) {
    const now = await ring<Progress>('status');
    if (there(now)) return now;
    if (Date.now() > giveUpAt) throw new Error(`${what} did not come: ${JSON.stringify(now)}`);
    await sleep(200);
  }
}

const done = () => until('the end', ({ state }) => state !== 'running' && state !== 'undoing');

async function underLoad(work: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const running = load.run(4, stop.signal);
  try {
    await work();
  } finally {
    stop.abort();
    await running;
  }
  expect(await load.check()).toEqual([]);
}

async function expectAllKept(): Promise<void> {
  const { url, token } = await cloud.session();
  for (const [name, body] of kept) {
    const found = await fetch(`${url}/kept/${name}`, { headers: { 'x-auth-token': token } });
    expect([name, found.status]).toEqual([name, 200]);
    expect(Buffer.from(await found.arrayBuffer()).equals(body)).toBe(true);
  }
}

function expectForetold(plan: Plan, moved: Progress): void {
  expect(plan.bytes).toBeGreaterThan(1_000_000);
  expect(plan.exposure.in_motion_max).toBe(1);
  expect(Math.abs(moved.moved_bytes / plan.bytes - 1)).toBeLessThan(0.02);
}

test('a device is added, drained and removed, and clients see none of it', async () => {
  await underLoad(async () => {
    const added = (await cloud.pileus(['ring', 'add-device', '--zone', '5'])).trim();
    expect(added).toBe('d5');
    const fill = await ring<Plan>('apply', '--weight', 'd5=100');
    expect(fill.waves).toBeGreaterThan(1);
    expectForetold(fill, await done());
    const drain = await ring<Plan>('apply', '--drain', 'd2');
    expectForetold(drain, await done());
    await ring<Plan>('apply', '--remove', 'd2');
    expect((await done()).state).toBe('done');
  });
  expect(load.refused).toEqual([]);
  const status = JSON.parse(await cloud.pileus(['status', '--json'])) as {
    readonly devices: readonly { readonly name: string }[];
  };
  expect(status.devices.map(({ name }) => name)).toEqual(['d1', 'd3', 'd4', 'd5']);
  await expectAllKept();
});

test('a fourth copy, and back to three: paused on the way, and undone', async () => {
  await underLoad(async () => {
    const more = await ring<Plan>('apply', '--replicas', '4');
    expect((await ring<Progress>('pause')).state).toBe('paused');
    const held = await until('rest', ({ wave }) => wave > 0 || wave === 0);
    await ring<Progress>('resume');
    expectForetold(more, await done());
    expect(held.waves).toBe(more.waves);
    await ring<Plan>('apply', '--replicas', '3');
    await until('a wave', ({ wave }) => wave > 0);
    await ring<Progress>('undo');
    expect((await done()).state).toBe('undone');
    await ring<Plan>('apply', '--replicas', '3');
    expect((await done()).state).toBe('done');
  });
  expect(load.refused).toEqual([]);
  await expectAllKept();
});

test('killed in the midst of a change, it goes on; a dead device is taken out', async () => {
  await ring<Plan>('apply', '--weight', 'd1=50');
  await until('a wave', ({ wave }) => wave > 0);
  cloud.killNine();
  await cloud.restart();
  expect((await done()).state).toBe('done');
  await expectAllKept();
  cloud.killNine();
  const dead = join(cloud.data, 'devices', 'd3');
  fs.rmSync(dead, { recursive: true });
  fs.writeFileSync(dead, 'what was a folder is a disk that died');
  await cloud.restart();
  await cloud.pileus(['ring', 'apply', '--remove', 'd3']);
  expect((await done()).state).toBe('done');
  await expectAllKept();
});
