/** A day's work with the clients that people have: trees of oddly named files, large files, ranges. */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runOk, scratchFolder, TestCloud } from '../support/cloud.ts';
import { digestTree, writeTree } from '../support/tree.ts';

const scratch = scratchFolder('days-work');
const tree = join(scratch, 'tree');
const small = join(scratch, 'small');
let cloud: TestCloud;

beforeAll(async () => {
  writeTree(tree, 10_000, 1);
  writeTree(small, 500, 2);
  cloud = await TestCloud.start('days-work');
});

afterAll(async () => {
  await cloud.remove();
  fs.rmSync(scratch, { recursive: true, force: true });
});

const aws = (args: readonly string[], program = '/usr/bin/aws') =>
  runOk(program, ['--endpoint-url', cloud.info.endpoints.s3, ...args], { env: cloud.s3Env() });
const swift = (args: readonly string[], cwd = scratch) =>
  runOk('swift', args, { env: cloud.swiftEnv(), cwd });
const rclone = (args: readonly string[]) =>
  runOk('rclone', ['--transfers=16', '--checkers=16', ...args], { env: cloud.rcloneEnv() });

describe('a tree of 10,000 oddly named files', () => {
  test('rclone takes it up by S3, checks it by Swift, and brings it down by Swift', async () => {
    await rclone(['copy', tree, 's3:tree']);
    await rclone(['check', '--download', tree, 'swift:tree']);
    const back = join(scratch, 'back-rclone');
    await rclone(['copy', 'swift:tree', back]);
    expect(digestTree(back)).toEqual(digestTree(tree));
  });

  test('rclone takes it up by Swift, and brings it down by S3', async () => {
    await rclone(['copy', tree, 'swift:tree2']);
    const back = join(scratch, 'back-rclone-s3');
    await rclone(['copy', 's3:tree2', back]);
    expect(digestTree(back)).toEqual(digestTree(tree));
  });

  test('counts and bytes are exact', async () => {
    const files = digestTree(tree);
    const bytes = [...files.keys()].reduce(
      (sum, path) => sum + fs.statSync(join(tree, path)).size,
      0,
    );
    const stat = await swift(['stat', 'tree']);
    expect(stat).toMatch(new RegExp(`Objects: ${files.size}\\s+Bytes: ${bytes}`));
  });
});

describe('a smaller tree by every other client', () => {
  test('swift upload, list, download, delete', async () => {
    await swift(['upload', '--object-threads', '16', 'by-swift', '.'], small);
    const back = join(scratch, 'back-swift');
    await swift(['download', '--object-threads', '16', '-D', back, 'by-swift']);
    expect(digestTree(back)).toEqual(digestTree(small));
    await swift(['delete', 'by-swift']);
    expect(await swift(['list'])).not.toContain('by-swift');
  });

  test.each([
    ['the packaged aws', '/usr/bin/aws'],
    ['the aws on the path', 'aws'],
  ])('%s: s3 sync up and down', async (name, program) => {
    const bucket = `by-aws-${name.split(' ')[1]}`;
    await aws(['s3', 'mb', `s3://${bucket}`], program);
    await aws(['s3', 'sync', '--only-show-errors', small, `s3://${bucket}/deep/er`], program);
    const back = join(scratch, `back-${bucket}`);
    await aws(['s3', 'sync', '--only-show-errors', `s3://${bucket}/deep/er`, back], program);
    expect(digestTree(back)).toEqual(digestTree(small));
    await aws(['s3', 'rb', '--force', `s3://${bucket}`], program);
  });

  test('curl with a token, and by a listing in JSON', async () => {
    const { url, token } = await cloud.session();
    const auth = ['-sS', '-f', '-H', `X-Auth-Token: ${token}`];
    await runOk('curl', [...auth, '-X', 'PUT', `${url}/by-curl`]);
    await runOk('curl', [
      ...auth,
      '-T',
      join(import.meta.dirname, 'days-work.test.ts'),
      `${url}/by-curl/a%20b%2Bc`,
    ]);
    const rows = JSON.parse(await runOk('curl', [...auth, `${url}/by-curl?format=json`]));
    expect(rows).toMatchObject([
      { name: 'a b+c', bytes: fs.statSync(join(import.meta.dirname, 'days-work.test.ts')).size },
    ]);
    const part = await runOk('curl', [...auth, '-r', '3-20', `${url}/by-curl/a%20b%2Bc`]);
    expect(part).toBe(
      fs.readFileSync(join(import.meta.dirname, 'days-work.test.ts'), 'utf8').slice(3, 21),
    );
  });
});

describe('a large file', () => {
  // 600 MiB in the tests; `PILEUS_LARGE_MIB=5120` for the 5 GiB of a release check.
  const mebibytes = Number(process.env.PILEUS_LARGE_MIB ?? 600);
  const large = join(scratch, 'large.bin');
  let digest = '';

  beforeAll(async () => {
    await runOk('sh', [
      '-c',
      `openssl enc -aes-128-ctr -pass pass:x -nosalt </dev/zero 2>/dev/null | head -c ${mebibytes}M >'${large}'`,
    ]);
    digest = await digestOf(large);
  });

  async function digestOf(path: string): Promise<string> {
    const hash = createHash('md5');
    for await (const chunk of fs.createReadStream(path, { highWaterMark: 1 << 20 }))
      hash.update(chunk as Buffer);
    return hash.digest('hex');
  }

  test('as a static large object by swift, read by S3', async () => {
    await swift([
      'upload',
      '--use-slo',
      '-S',
      String(128 << 20),
      '--segment-threads',
      '4',
      '--object-name',
      'as-slo',
      'large',
      large,
    ]);
    const back = join(scratch, 'slo.bin');
    await swift(['download', 'large', 'as-slo', '-o', back]);
    expect(await digestOf(back)).toBe(digest);
    fs.rmSync(back);
    await aws(['s3', 'cp', '--only-show-errors', 's3://large/as-slo', back]);
    expect(await digestOf(back)).toBe(digest);
    fs.rmSync(back);
  });

  test('as a multipart upload by aws, read by swift, whole and in ranges', async () => {
    await aws(['s3', 'cp', '--only-show-errors', large, 's3://large/as-multipart']);
    const back = join(scratch, 'multipart.bin');
    await swift(['download', 'large', 'as-multipart', '-o', back]);
    expect(await digestOf(back)).toBe(digest);
    fs.rmSync(back);
    const { url, token } = await cloud.session();
    const handle = fs.openSync(large, 'r');
    const size = mebibytes << 20;
    for (const [from, to] of [
      [0, 0],
      [8388606, 8388610],
      [size - 5, size - 1],
      [67108860, 67108870],
      [100, 3_000_000],
    ] as const) {
      const answer = await fetch(`${url}/large/as-multipart`, {
        headers: { 'x-auth-token': token, range: `bytes=${from}-${to}` },
      });
      expect(answer.status).toBe(206);
      const expected = Buffer.alloc(to - from + 1);
      fs.readSync(handle, expected, 0, expected.length, from);
      expect(Buffer.from(await answer.arrayBuffer()).equals(expected)).toBe(true);
    }
    fs.closeSync(handle);
  });
});
