/** The tools that people have, unmodified: aws cli (every one on the search path), boto3, s3cmd, rclone, curl. */
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { programs, run, tree } from './testing/clients.ts';
import { blueKey, type S3World, startS3World } from './testing/s3-world.ts';

let world: S3World;
let folder: string;
const files = [
  ['plain.txt', 'plain'],
  ['empty', ''],
  ['with space & +%25=~.txt', 'odd'],
  ['tr\u00fc/\u{1f600}.bin', 'unicode'],
  ['deep/er/and/deeper', 'deep'],
] as const;
const big = Buffer.alloc(9_000_000, Buffer.from(Array.from({ length: 253 }, (_, at) => at)));

beforeAll(async () => {
  world = await startS3World();
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'pileus-s3-clients-'));
  for (const [name, body] of files) {
    const file = path.join(folder, 'up', name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, body);
  }
  fs.writeFileSync(path.join(folder, 'up/big.bin'), big);
});
afterAll(async () => {
  fs.rmSync(folder, { recursive: true, force: true });
  await world.close();
});

async function ok(...command: [string, ...string[]]): Promise<string> {
  const ran = await run(world, command, { cwd: folder });
  expect(ran.code, `${command.join(' ')}\n${ran.out}${ran.err}`).toBe(0);
  return ran.out;
}

function expectSameTree(down: string): void {
  expect(tree(path.join(folder, down))).toEqual(tree(path.join(folder, 'up')));
}

test('the clients are installed', () => {
  for (const name of ['aws', 's3cmd', 'rclone', 'curl', 'python3'])
    expect(programs(name), `${name} is needed for this test`).not.toEqual([]);
});

describe.each(programs('aws').map((program, at) => ({ program, at })))(
  'aws ($program)',
  ({ program, at }) => {
    test('a tree up, down, and away', async () => {
      const bucket = `s3://aws-bucket-${at}`;
      const aws = (...args: string[]) =>
        ok(program, '--endpoint-url', world.endpoint, 's3', ...args);
      await aws('mb', bucket);
      await aws('sync', 'up', `${bucket}/t`, '--quiet');
      expect(await aws('ls', '--recursive', bucket)).toContain('9000000 t/big.bin');
      await aws('cp', `${bucket}/t/big.bin`, `${bucket}/copy.bin`, '--quiet');
      await aws('sync', `${bucket}/t`, `aws-${at}`, '--quiet');
      expectSameTree(`aws-${at}`);
      await aws('rb', '--force', bucket);
    });
  },
);

test('boto3, with its defaults', async () => {
  const tour = path.join(import.meta.dirname, 'testing/boto3-tour.py');
  expect(await ok('python3', tour)).toContain('tour done');
});

test('s3cmd', async () => {
  const host = `127.0.0.1:${world.port}`;
  const settings = [
    ...['[default]', `access_key = ${blueKey.accessKey}`, `secret_key = ${blueKey.secret}`],
    ...[`host_base = ${host}`, `host_bucket = ${host}`, 'use_https = False'],
    ...['signature_v2 = False', 'multipart_chunk_size_mb = 5', ''],
  ];
  fs.writeFileSync(path.join(folder, 's3cfg'), settings.join('\n'));
  const s3cmd = (...args: string[]) => ok('s3cmd', '-c', 's3cfg', '--no-progress', ...args);
  await s3cmd('mb', 's3://cmd-bucket');
  await s3cmd('sync', 'up/', 's3://cmd-bucket/t/');
  expect(await s3cmd('ls', '-r', 's3://cmd-bucket')).toContain('s3://cmd-bucket/t/plain.txt');
  fs.mkdirSync(path.join(folder, 'cmd'));
  await s3cmd('sync', 's3://cmd-bucket/t/', 'cmd/');
  expectSameTree('cmd');
  await s3cmd('cp', 's3://cmd-bucket/t/plain.txt', 's3://cmd-bucket/copied.txt');
  expect(await s3cmd('info', 's3://cmd-bucket/copied.txt')).toContain('MD5 sum');
  await s3cmd('del', '-r', '-f', 's3://cmd-bucket');
  await s3cmd('rb', 's3://cmd-bucket');
});

test('rclone', async () => {
  const rclone = (...args: string[]) => ok('rclone', ...args);
  const small = ['--s3-upload-cutoff', '5M', '--s3-chunk-size', '5M'];
  await rclone('mkdir', 'p:rclone-bucket');
  await rclone('copy', 'up', 'p:rclone-bucket/t', ...small);
  await rclone('check', '--download', 'up', 'p:rclone-bucket/t');
  await rclone('copy', 'p:rclone-bucket/t', 'rclone');
  expectSameTree('rclone');
  await rclone('moveto', 'p:rclone-bucket/t/plain.txt', 'p:rclone-bucket/moved.txt');
  expect((await rclone('lsf', 'p:rclone-bucket')).split('\n')).toContain('moved.txt');
  await rclone('purge', 'p:rclone-bucket');
});

test('curl, signing for itself', async () => {
  const sign = [
    '--aws-sigv4',
    'aws:amz:us-east-1:s3',
    '--user',
    `${blueKey.accessKey}:${blueKey.secret}`,
  ];
  const hashed = ['-H', 'x-amz-content-sha256: UNSIGNED-PAYLOAD'];
  const curl = (...args: string[]) =>
    ok('curl', '-sS', '--fail-with-body', ...sign, ...hashed, ...args);
  await curl('-X', 'PUT', `${world.endpoint}/curl-bucket`);
  await curl('-T', 'up/big.bin', `${world.endpoint}/curl-bucket/big.bin`);
  await curl('-o', 'curl.bin', `${world.endpoint}/curl-bucket/big.bin`);
  expect(fs.readFileSync(path.join(folder, 'curl.bin')).equals(big)).toBe(true);
});
