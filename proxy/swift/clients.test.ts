/** The clients people have: python-swiftclient, rclone and curl, against a listening server. */
import { execFile } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FrontDoor, openFrontDoor } from '../testing/front-door.ts';

const run = promisify(execFile);
let door: FrontDoor;
let folder: string;

const names = [
  'a b',
  'ü€😀',
  'x%y',
  'q?z',
  'h#s',
  "it's",
  'a+b',
  '..dots',
  'semi;colon&amp',
  '%41',
];

beforeAll(async () => {
  door = await openFrontDoor();
  folder = fs.mkdtempSync(join(tmpdir(), 'swift-clients-'));
  fs.mkdirSync(join(folder, 'up/sub'), { recursive: true });
  for (const name of names) fs.writeFileSync(join(folder, 'up/sub', name), `content of ${name}`);
  fs.writeFileSync(join(folder, 'up/empty'), '');
  const big = Buffer.alloc(3_000_000, 'pattern-');
  fs.writeFileSync(join(folder, 'up/big'), big);
});
afterAll(async () => {
  await door.close();
  fs.rmSync(folder, { recursive: true });
});

async function swift(...args: string[]): Promise<string> {
  const auth = ['-A', `${door.origin}/auth/v1.0`, '-U', 'demo:alice', '-K', 'alice-key'];
  const { stdout } = await run('/usr/bin/swift', [...auth, ...args], { cwd: folder });
  return stdout;
}

test('swift: a tree goes up and comes down the same', async () => {
  await swift('upload', 'tree', 'up');
  const listed = (await swift('list', 'tree')).trimEnd().split('\n');
  expect(listed).toHaveLength(names.length + 2);
  fs.mkdirSync(join(folder, 'down'));
  await swift('download', 'tree', '-D', join(folder, 'down'));
  await run('diff', ['-r', join(folder, 'up'), join(folder, 'down/up')]);
  await swift('post', '-m', 'colour:red', 'tree');
  expect(await swift('stat', 'tree')).toMatch(/Meta Colour: red/);
});

test('swift: large files as static and as dynamic large objects', async () => {
  for (const kind of ['--use-slo', '--no-use-slo'] as const) {
    const container = kind === '--use-slo' ? 'slo' : 'dlo';
    const options = kind === '--use-slo' ? ['--use-slo'] : [];
    await swift('upload', '-S', '1000000', ...options, container, 'up/big');
    const target = join(folder, `big-${container}`);
    await swift('download', container, 'up/big', '-o', target);
    await run('cmp', [join(folder, 'up/big'), target]);
    await swift('delete', container, 'up/big');
  }
  expect(await swift('list', 'slo_segments')).toBe('');
});

test('rclone: copies, checks and purges', async () => {
  const config = join(folder, 'rclone.conf');
  fs.writeFileSync(
    config,
    `[sw]\ntype = swift\nuser = demo:alice\nkey = alice-key\nauth = ${door.origin}/auth/v1.0\n`,
  );
  const rclone = (...args: string[]) =>
    run('rclone', ['--config', config, '--retries', '1', ...args]);
  await rclone('copy', join(folder, 'up'), 'sw:rc/up', '--swift-chunk-size', '1M');
  await rclone('check', join(folder, 'up'), 'sw:rc/up', '--download');
  const { stdout } = await rclone('lsf', '-R', 'sw:rc/up/sub');
  expect(stdout.trimEnd().split('\n').sort()).toEqual([...names].sort());
  await rclone('purge', 'sw:rc/up/sub');
});

test('curl: a chunked upload, a range, a conditional', async () => {
  const url = `${door.origin}/v1/AUTH_id-demo/curl`;
  const curl = async (...args: string[]) =>
    (await run('curl', ['-s', '-H', 'X-Auth-Token: token-alice', ...args])).stdout;
  await curl('-X', 'PUT', url);
  await curl('-T', join(folder, 'up/big'), '-H', 'Transfer-Encoding: chunked', `${url}/o`);
  expect(await curl('-r', '8-15', `${url}/o`)).toBe('pattern-');
  const etag = /etag: (\S+)/i.exec(await curl('-I', `${url}/o`))?.[1] ?? '';
  const status = ['-o', '/dev/null', '-w', '%{http_code}'];
  expect(await curl(...status, '-H', `If-None-Match: ${etag}`, `${url}/o`)).toBe('304');
});

test('swift: everything can be deleted', async () => {
  await swift('delete', '--all');
  expect(await swift('stat')).toMatch(/Containers: 0/);
});
