/** A device is emptied while the cloud is down, later another is lost as well; bytes are flipped while it runs. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestCloud } from '../support/cloud.ts';

interface Status {
  readonly devices: readonly {
    readonly name: string;
    readonly quarantined: number;
    readonly refilled?: object;
  }[];
  readonly copies: { readonly healed: number; readonly copiedBytes: number };
}

const settings = (enabled: boolean) =>
  `image:\n  guest: false\nreplicator:\n  enabled: ${enabled}\n  passEveryMs: 1000\n  scrubEveryMs: 1000\n`;

let cloud: TestCloud;
const bodies = new Map<string, Buffer>();
const sizes = [10, 3000, 40_000, 300_000, 1_300_000];

beforeAll(async () => {
  cloud = await TestCloud.start('replaced-device', settings(true));
  const { url, token } = await cloud.session();
  const headers = { 'x-auth-token': token };
  await fetch(`${url}/kept`, { method: 'PUT', headers });
  for (let at = 0; at < 60; at++) {
    const body = Buffer.alloc(sizes[at % sizes.length] ?? 0, `object ${at} `);
    bodies.set(`o${at}`, body);
    const put = await fetch(`${url}/kept/o${at}`, { method: 'PUT', headers, body });
    expect(put.status).toBe(201);
  }
});

afterAll(() => cloud.remove());

async function status(): Promise<Status> {
  const ran = await cloud.pileus(['status', '--json']).catch((error: unknown) => error);
  // Not being healthy is an exit code, and what it says is what we are after.
  const text = String(ran instanceof Error ? ran.message : ran);
  return JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)) as Status;
}

async function until(what: string, there: (now: Status) => boolean): Promise<Status> {
  const giveUpAt = Date.now() + 60_000;
  for (;;) {
    const now = await status();
    if (there(now)) return now;
    if (Date.now() > giveUpAt) throw new Error(`${what} did not come: ${JSON.stringify(now)}`);
    await sleep(300);
  }
}

async function expectAllThere(): Promise<void> {
  const { url, token } = await cloud.session();
  for (const [name, body] of bodies) {
    const response = await fetch(`${url}/kept/${name}`, { headers: { 'x-auth-token': token } });
    expect([name, response.status]).toEqual([name, 200]);
    expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
  }
  const listing = await fetch(`${url}/kept`, { headers: { 'x-auth-token': token } });
  expect((await listing.text()).trim().split('\n').length).toBe(bodies.size);
}

function empty(device: string): void {
  fs.rmSync(join(cloud.data, 'devices', device), { recursive: true });
}

test('an emptied device is refilled, so that another may be lost', async () => {
  await cloud.down();
  empty('d2');
  await cloud.restart();
  await expectAllThere();
  const done = await until('the refill', ({ devices }) =>
    devices.every(({ refilled }) => refilled === undefined),
  );
  expect(done.copies.copiedBytes).toBeGreaterThan(1_000_000);
  await cloud.down();
  empty('d3');
  // With nobody to refill it, this one answers no reader: what is read comes from the others.
  fs.writeFileSync(join(cloud.data, 'settings.yaml'), settings(false));
  await cloud.restart();
  expect((await status()).devices.filter(({ refilled }) => refilled !== undefined).length).toBe(1);
  await expectAllThere();
  await cloud.down();
  fs.writeFileSync(join(cloud.data, 'settings.yaml'), settings(true));
  await cloud.restart();
  await until('the second refill', ({ devices }) =>
    devices.every(({ refilled }) => refilled === undefined),
  );
});

test('a disk that was replaced is refused when it comes back, since it has missed deletions', async () => {
  const path = (name: string) => join(cloud.data, 'devices', name);
  const { url, token } = await cloud.session();
  const headers = { 'x-auth-token': token };
  const put = await fetch(`${url}/kept/gone`, { method: 'PUT', headers, body: 'gone' });
  expect(put.status).toBe(201);
  await cloud.down();
  fs.renameSync(path('d1'), path('d1.old'));
  await cloud.restart();
  await until('the refill', ({ devices }) => devices.every((one) => one.refilled === undefined));
  const session = await cloud.session();
  const again = { headers: { 'x-auth-token': session.token } };
  const gone = `${session.url}/kept/gone`;
  expect((await fetch(gone, { ...again, method: 'DELETE' })).status).toBe(204);
  await cloud.down();
  fs.renameSync(path('d1'), path('d1.new'));
  fs.renameSync(path('d1.old'), path('d1'));
  await cloud.restart();
  const { problems } = (await status()) as Status & { readonly problems: readonly string[] };
  expect(problems.join()).toContain('Another disk has stood in the place of this one since');
  await expectAllThere();
  await cloud.down();
  fs.renameSync(path('d1'), path('d1.old'));
  fs.renameSync(path('d1.new'), path('d1'));
  await cloud.restart();
  await expectAllThere();
});

/** Turns over one byte amid the stored bytes of an object, on the first device that has it in such a file. */
function flipByte(folder: 'blobs' | 'log', marker: string): void {
  for (const name of ['d1', 'd2', 'd3', 'd4']) {
    const path = join(cloud.data, 'devices', name, folder);
    for (const entry of fs.readdirSync(path, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const file = join(entry.parentPath, entry.name);
      const at = fs.readFileSync(file).indexOf(marker);
      if (at < 0) continue;
      const descriptor = fs.openSync(file, 'r+');
      fs.writeSync(descriptor, Buffer.from('X'), 0, 1, at);
      fs.closeSync(descriptor);
      return;
    }
  }
  throw new Error(`no device has it in ${folder}`);
}

test('a flipped byte in a log or a blob is found and mended within a minute', async () => {
  const flips = [
    ['blobs', 'object 4 object 4 '],
    ['log', 'object 2 object 2 '],
    ['log', 'object 1 object 1 '],
  ] as const;
  for (const [folder, marker] of flips) {
    const { healed } = (await status()).copies;
    flipByte(folder, marker);
    const now = await until(
      `the mending in ${folder}`,
      ({ copies, devices }) =>
        copies.healed > healed && devices.every(({ quarantined }) => quarantined === 0),
    );
    expect(now.copies.healed).toBeGreaterThan(healed);
    await expectAllThere();
  }
});
