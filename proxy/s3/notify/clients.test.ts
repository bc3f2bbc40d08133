/** Notifications into a stream of a real Redis; and what happens while it is away. */
import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { createServer } from 'node:net';
import * as os from 'node:os';
import * as path from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type S3World, startS3World } from '../testing/s3-world.ts';
import { send } from '../testing/signed-client.ts';

let folder: string;
let port: number;
let server: ChildProcess;
let world: S3World;

function startRedis(): ChildProcess {
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', ''];
  // Debian's redis-tools has the server under another name; which one it is, it tells by how it is called.
  return spawn('/usr/bin/redis-check-rdb', args, { argv0: 'redis-server', stdio: 'ignore' });
}

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'pileus-redis-'));
  port = await new Promise<number>((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0));
    });
  });
  server = startRedis();
  world = await startS3World({
    s3: { notificationTargets: `stream=redis://127.0.0.1:${port}/events` },
  });
});
afterAll(async () => {
  await world.close();
  server.kill('SIGKILL');
  fs.rmSync(folder, { recursive: true, force: true });
});

async function streamed(): Promise<readonly string[]> {
  const redis = new Redis(port, '127.0.0.1', { maxRetriesPerRequest: 3 });
  redis.on('error', () => undefined);
  try {
    const entries = await redis.xrange('events', '-', '+');
    return entries.map(([, fields]) => {
      const [record] = JSON.parse(fields[1] ?? '').Records;
      return `${record.eventName} ${record.s3.object.key}`;
    });
  } finally {
    redis.disconnect();
  }
}

const put = (key: string) => send(world, { method: 'PUT', path: `/streamed/${key}`, body: 'x' });

test('events lie in the stream in order, and one that waits for Redis comes later', async () => {
  await send(world, { method: 'PUT', path: '/streamed' });
  const body =
    '<NotificationConfiguration><QueueConfiguration><Queue>arn:aws:sqs:us-east-1::stream</Queue><Event>s3:ObjectCreated:*</Event></QueueConfiguration></NotificationConfiguration>';
  const configured = await send(world, { method: 'PUT', path: '/streamed?notification', body });
  expect(configured.status).toBe(200);
  await put('first');
  await put('second');
  const eventually = (check: () => Promise<void>) =>
    vi.waitFor(check, { timeout: 30_000, interval: 200 });
  await eventually(async () =>
    expect([...(await streamed())].sort()).toEqual([
      'ObjectCreated:Put first',
      'ObjectCreated:Put second',
    ]),
  );
  server.kill('SIGKILL');
  await new Promise((resolve) => server.once('exit', resolve));
  // The request does not wait for whom it is told to.
  expect((await put('third')).status).toBe(200);
  server = startRedis();
  await eventually(async () => expect(await streamed()).toEqual(['ObjectCreated:Put third']));
});
