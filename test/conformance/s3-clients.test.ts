/** S3 tools as people have them, each through its full cycle with real data against a running cloud. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RunOptions, runOk, scratchFolder, TestCloud } from '../support/cloud.ts';
import { S3Client } from '../support/s3-client.ts';
import { digestTree } from '../support/tree.ts';

let cloud: TestCloud;
let folder: string;
let source: string;
let endpoint: string;
let options: RunOptions;

beforeAll(async () => {
  cloud = await TestCloud.start('s3-clients');
  folder = scratchFolder('s3-clients-files');
  source = path.join(folder, 'source');
  endpoint = cloud.info.endpoints.s3;
  const { access_key, secret_key } = cloud.info.s3;
  options = {
    cwd: folder,
    env: {
      AWS_ACCESS_KEY_ID: access_key,
      AWS_SECRET_ACCESS_KEY: secret_key,
      AWS_DEFAULT_REGION: 'us-east-1',
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      RESTIC_PASSWORD: 'open sesame',
      RESTIC_REPOSITORY: `s3:${endpoint}/restic-bucket/repo`,
      RESTIC_CACHE_DIR: path.join(folder, 'restic-cache'),
      RCLONE_CONFIG: '/dev/null',
      RCLONE_CONFIG_P_TYPE: 's3',
      RCLONE_CONFIG_P_PROVIDER: 'Other',
      RCLONE_CONFIG_P_ENDPOINT: endpoint,
      RCLONE_CONFIG_P_ACCESS_KEY_ID: access_key,
      RCLONE_CONFIG_P_SECRET_ACCESS_KEY: secret_key,
    },
  };
  fs.mkdirSync(path.join(source, 'deep/er'), { recursive: true });
  for (let at = 0; at < 25; at++)
    fs.writeFileSync(path.join(source, `deep/er/file ${at} ü`), randomBytes(at * 997));
  fs.writeFileSync(path.join(source, 'big'), randomBytes(17_000_000));
});

afterAll(async () => {
  fs.rmSync(folder, { recursive: true, force: true });
  await cloud.remove();
});

const sh = (program: string, ...args: string[]) => runOk(program, args, options);
const aws = (...args: string[]) => sh('aws', '--endpoint-url', endpoint, ...args);

function expectSame(copy: string): void {
  expect(digestTree(path.join(folder, copy))).toEqual(digestTree(source));
}

test('restic: init, backup, check every byte, restore, forget, prune', async () => {
  await sh('restic', 'init');
  await sh('restic', 'backup', 'source');
  await sh('restic', 'check', '--read-data');
  await sh('restic', 'restore', 'latest', '--target', 'restored');
  expectSame('restored/source');
  await sh('restic', 'backup', 'source', '--force');
  await sh('restic', 'forget', '--keep-last', '1', '--prune');
  await sh('restic', 'check');
});

test('rclone: sync there and back, check, sync again after changes', async () => {
  await sh('rclone', 'mkdir', 'p:rclone-bucket');
  await sh('rclone', 'sync', 'source', 'p:rclone-bucket/tree');
  await sh('rclone', 'check', 'source', 'p:rclone-bucket/tree', '--download');
  await sh('rclone', 'delete', 'p:rclone-bucket/tree/deep');
  await sh('rclone', 'sync', 'source', 'p:rclone-bucket/tree');
  await sh('rclone', 'sync', 'p:rclone-bucket/tree', 'rclone-down');
  expectSame('rclone-down');
  await sh('rclone', 'purge', 'p:rclone-bucket');
});

test('s3fs: a tree copied into a mount, moved, compared', async () => {
  await aws('s3', 'mb', 's3://fuse-bucket');
  const { access_key, secret_key } = cloud.info.s3;
  fs.writeFileSync(path.join(folder, 'passwd'), `${access_key}:${secret_key}`, { mode: 0o600 });
  const mount = path.join(folder, 'mount');
  fs.mkdirSync(mount);
  const how = `passwd_file=${folder}/passwd,url=${endpoint},use_path_request_style`;
  await sh('s3fs', 'fuse-bucket', mount, '-o', how);
  try {
    await sh('cp', '-r', 'source', 'mount/first');
    await sh('mv', 'mount/first', 'mount/second');
    expectSame('mount/second');
  } finally {
    execFileSync('umount', [mount]);
  }
  await sh('rclone', 'sync', 'p:fuse-bucket/second', 'fuse-down');
  expectSame('fuse-down');
});

test('s3cmd: sync, list, remove, with either signature', async () => {
  const host = endpoint.replace('http://', '');
  for (const version2 of ['False', 'True']) {
    const settings = [
      ...['[default]', `access_key = ${cloud.info.s3.access_key}`],
      ...[
        `secret_key = ${cloud.info.s3.secret_key}`,
        `host_base = ${host}`,
        `host_bucket = ${host}`,
      ],
      ...['use_https = False', `signature_v2 = ${version2}`, 'multipart_chunk_size_mb = 5', ''],
    ];
    fs.writeFileSync(path.join(folder, 's3cfg'), settings.join('\n'));
    const s3cmd = (...args: string[]) => sh('s3cmd', '-c', 's3cfg', ...args);
    const bucket = `s3://s3cmd-${version2.toLowerCase()}`;
    await s3cmd('mb', bucket);
    await s3cmd('sync', 'source/', `${bucket}/tree/`);
    fs.mkdirSync(path.join(folder, `s3cmd-${version2}`));
    await s3cmd('sync', `${bucket}/tree/`, `s3cmd-${version2}/`);
    expectSame(`s3cmd-${version2}`);
    await s3cmd('rb', '--recursive', '--force', bucket);
  }
});

describe('aws s3api', () => {
  test('versions, tags, policy, lifecycle and who one is', async () => {
    const api = async (...args: string[]) => JSON.parse((await aws('s3api', ...args)) || '{}');
    const bucket = 'api-bucket';
    await api('create-bucket', '--bucket', bucket);
    await api(
      'put-bucket-versioning',
      '--bucket',
      bucket,
      '--versioning-configuration',
      'Status=Enabled',
    );
    const at = ['--bucket', bucket, '--key', 'o'];
    const first = await api(
      'put-object',
      ...at,
      '--body',
      'source/deep/er/file 1 ü',
      '--tagging',
      'a=b',
    );
    await api('put-object', ...at, '--body', 'source/deep/er/file 2 ü');
    await api('delete-object', ...at);
    const listed = await api('list-object-versions', '--bucket', bucket);
    expect([listed.Versions.length, listed.DeleteMarkers.length]).toEqual([2, 1]);
    const old = await api('get-object', ...at, '--version-id', first.VersionId, 'old');
    expect([old.ContentLength, old.TagCount]).toEqual([997, 1]);
    const rule = { ID: 'r', Status: 'Enabled', Filter: { Prefix: '' }, Expiration: { Days: 3 } };
    await api(
      ...['put-bucket-lifecycle-configuration', '--bucket', bucket],
      ...['--lifecycle-configuration', JSON.stringify({ Rules: [rule] })],
    );
    const rules = await api('get-bucket-lifecycle-configuration', '--bucket', bucket);
    expect(rules.Rules).toEqual([rule]);
    const me = JSON.parse(await aws('sts', 'get-caller-identity'));
    expect(me.Arn).toMatch(/:user\/admin$/);
    await aws('iam', 'create-user', '--user-name', 'robot');
    const key = JSON.parse(await aws('iam', 'create-access-key', '--user-name', 'robot')).AccessKey;
    expect(key.Status).toBe('Active');
  });
});

test('boto3: bodies by every framing and under every key, many at once', async () => {
  const folderOf = path.join(import.meta.dirname, '../../proxy/s3/testing/boto3');
  const { access_key, secret_key } = cloud.info.s3;
  const names = { S3_ENDPOINT: endpoint, MAIN_ID: '-', ALT_ID: '-', PYTHONDONTWRITEBYTECODE: '1' };
  const keys = { ALT_ACCESS_KEY: access_key, ALT_SECRET_KEY: secret_key };
  const how = { cwd: folderOf, env: { ...options.env, ...names, ...keys } };
  await runOk('python3', ['-W', 'ignore', 'harness.py', 'bodies'], how);
});

test("a lock file as Terraform's S3 back end takes it: one holder, until it lets go", async () => {
  const s3 = new S3Client(endpoint, cloud.info.s3);
  const lock = '/tf-bucket/state.tfstate.tflock';
  try {
    await s3.send({ method: 'PUT', path: '/tf-bucket' });
    const take = (who: number) =>
      s3.send({
        method: 'PUT',
        path: lock,
        headers: { 'if-none-match': '*', 'content-type': 'application/json' },
        body: JSON.stringify({ ID: who }),
      });
    for (let round = 0; round < 5; round++) {
      const answers = await Promise.all(Array.from({ length: 10 }, (_, who) => take(who)));
      const holders = answers.filter(({ status }) => status === 200);
      expect(holders.length).toBe(1);
      const others = answers.filter(({ status }) => status !== 200);
      expect(new Set(others.map(({ status }) => status))).toEqual(new Set([412]));
      expect((await s3.send({ method: 'DELETE', path: lock })).status).toBe(204);
    }
  } finally {
    s3.close();
  }
});
