/** As many devices as the code allows are emptied while the cloud is down; fragments are made anew while clients read and write, and then others may go. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestCloud } from '../support/cloud.ts';

interface Status {
  readonly devices: readonly { readonly refilled?: object; readonly quarantined: number }[];
  readonly copies: {
    readonly fragments: { readonly rebuilt: number; readonly lacking: number };
    readonly irreparable: readonly object[];
  };
}

// Rows have five copies here, so that they too outlive the loss of two devices at once.
const settings = `image:
  guest: false
cloud:
  devices: 7
  replicas: 5
proxy:
  erasurePolicies: cold=4+2 deep=8+4
replicator:
  passEveryMs: 1000
`;

let cloud: TestCloud;
const bodies = new Map<string, Buffer>();
const sizes = [10, 40_000, 100_000, 1_300_000, 5_000_000];

beforeAll(async () => {
  cloud = await TestCloud.start('erasure', settings);
});

afterAll(() => cloud.remove());

async function write(from: number, until: number): Promise<void> {
  const { url, token } = await cloud.session();
  for (let at = from; at < until; at++) {
    const body = Buffer.alloc(sizes[at % sizes.length] ?? 0, `object ${at} `);
    const put = await fetch(`${url}/cold/o${at}`, {
      method: 'PUT',
      headers: { 'x-auth-token': token },
      body,
    });
    expect(put.status).toBe(201);
    bodies.set(`o${at}`, body);
  }
}

async function expectAllThere(): Promise<void> {
  const { url, token } = await cloud.session();
  for (const [name, body] of bodies) {
    const response = await fetch(`${url}/cold/${name}`, { headers: { 'x-auth-token': token } });
    expect([name, response.status]).toEqual([name, 200]);
    expect(Buffer.from(await response.arrayBuffer()).equals(body)).toBe(true);
  }
}

async function status(): Promise<Status> {
  const ran = await cloud.pileus(['status', '--json']).catch((error: unknown) => error);
  // Not being healthy is an exit code, and what it says is what we are after.
  const text = String(ran instanceof Error ? ran.message : ran);
  return JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1)) as Status;
}

/** Waits until everything is whole again. */
async function whole(): Promise<Status> {
  const giveUpAt = Date.now() + 60_000;
  for (;;) {
    const now = await status();
    const { fragments } = now.copies;
    const isRefilled = now.devices.every(({ refilled }) => refilled === undefined);
    if (isRefilled && fragments.lacking === 0 && fragments.rebuilt > 0) return now;
    if (Date.now() > giveUpAt) throw new Error(`never whole: ${JSON.stringify(now)}`);
    await sleep(300);
  }
}

async function emptied(...devices: readonly string[]): Promise<void> {
  await cloud.down();
  for (const device of devices) fs.rmSync(join(cloud.data, 'devices', device), { recursive: true });
  await cloud.restart();
}

test('a policy that there are too few devices for is refused, others are told of', async () => {
  const { url, token } = await cloud.session();
  const make = (name: string, policy: string) =>
    fetch(`${url}/${name}`, {
      method: 'PUT',
      headers: { 'x-auth-token': token, 'x-storage-policy': policy },
    });
  expect((await make('deep', 'deep')).status).toBe(400);
  expect((await make('cold', 'cold')).status).toBe(201);
  const info = (await (await fetch(new URL('/info', url))).json()) as {
    swift: { policies: { name: string }[] };
  };
  expect(info.swift.policies.map(({ name }) => name)).toEqual(['default', 'cold', 'deep']);
});

test('two devices are emptied, and two others after they were made whole', async () => {
  await write(0, 25);
  await emptied('d2', 'd5');
  await Promise.all([expectAllThere(), write(25, 40)]);
  const first = await whole();
  expect(first.copies.irreparable).toEqual([]);
  await expectAllThere();
  await emptied('d1', 'd6');
  await expectAllThere();
  const second = await whole();
  expect(second.copies.irreparable).toEqual([]);
  await expectAllThere();
});
