/** Swift's clients as people have them against a running cloud: each command of `swift`, rclone, restic, Python, curl. */
import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run, runOk, scratchFolder, TestCloud } from '../support/cloud.ts';

const settings = [
  'image:',
  '  guest: false',
  'swift:',
  '  syncRealms: realm=key realm/here=http://127.0.0.1:9/v1/',
  '  syncIntervalMs: 86400000',
  '',
].join('\n');

let cloud: TestCloud;
let folder: string;
const big = randomBytes(3_000_000);

beforeAll(async () => {
  cloud = await TestCloud.start('swift-clients', settings);
  folder = scratchFolder('swift-clients-files');
  fs.mkdirSync(join(folder, 'up/sub'), { recursive: true });
  fs.writeFileSync(join(folder, 'up/a.txt'), 'hello');
  fs.writeFileSync(join(folder, 'up/sub/ü b.txt'), 'below');
  fs.writeFileSync(join(folder, 'up/big'), big);
});
afterAll(async () => {
  await cloud.remove();
  fs.rmSync(folder, { recursive: true, force: true });
});

const swift = (...args: string[]) => runOk('swift', args, { env: cloud.swiftEnv(), cwd: folder });
const read = (name: string) => fs.readFileSync(join(folder, name));

describe('swift', () => {
  test('upload: trees, segments of both kinds, only what changed, from standard input', async () => {
    await swift(
      'upload',
      'tree',
      'up',
      '--header',
      'X-Object-Meta-Colour: red',
      '--header',
      'Content-Type: text/css',
    );
    expect(await swift('list', 'tree')).toContain('up/sub/ü b.txt\n');
    await swift('upload', 'tree', 'up', '--changed');
    await swift('upload', 'tree', 'up', '--skip-identical');
    for (const [container, options] of [
      ['static', ['--use-slo', '-S', '1M', '--segment-threads', '2']],
      ['dynamic', ['-S', '1000000', '--segment-container', 'parts', '--object-name', 'up/big']],
    ] as const)
      await swift('upload', container, 'up/big', ...options);
    const piped = ['upload', 'tree', '-', '--object-name', 'piped', '--use-slo', '-S', '1M'];
    await runOk('swift', piped, { env: cloud.swiftEnv(), input: big });
    await swift('download', 'tree', 'piped', '-o', 'piped');
    expect(read('piped').equals(big)).toBe(true);
  });

  test('download: segments, by prefix, to a folder, to standard output, to nowhere', async () => {
    for (const container of ['static', 'dynamic']) {
      await swift('download', container, 'up/big', '-o', `down-${container}`);
      expect(read(`down-${container}`).equals(big)).toBe(true);
    }
    await swift('download', 'tree', '-p', 'up/sub/', '-r', '-D', 'prefix');
    expect(read('prefix/ü b.txt').toString()).toBe('below');
    expect(await swift('download', 'tree', 'up/a.txt', '-o', '-')).toBe('hello');
    expect(await swift('download', 'tree', '--no-download')).toContain('up/big');
  });

  test('list: long, lined up, by delimiter, totals', async () => {
    expect(await swift('list', '--lh', 'tree')).toMatch(/text\/css\s+up\/a\.txt/);
    expect(await swift('list', 'tree', '-d', '/')).toContain('up/\n');
    expect(await swift('list', 'tree', '-p', 'up/a')).toBe('up/a.txt\n');
    expect(await swift('list', '-t', '--lh')).toMatch(/\d/);
    expect(JSON.parse(await swift('list', 'tree', '--json'))).toContainEqual(
      expect.objectContaining({ name: 'up/a.txt', bytes: 5 }),
    );
  });

  test('post, stat: metadata, ACLs, versions; of accounts, containers, objects', async () => {
    await swift('post', '-m', 'Quota-Note: x');
    await swift(
      'post',
      'tree',
      '-r',
      '.r:*,.rlistings',
      '-w',
      'other:user',
      '-H',
      'X-Container-Meta-A: b',
    );
    await swift('post', 'tree', 'up/a.txt', '-m', 'size:small', '-H', 'Content-Type: text/html');
    expect(await swift('stat')).toMatch(/Meta Quota-Note: x/);
    expect(await swift('stat', 'tree', '--lh')).toMatch(/Read ACL: \.r:\*,\.rlistings/);
    expect(await swift('stat', 'tree', 'up/a.txt')).toMatch(
      /Content Type: text\/html[\s\S]*Meta Size: small/,
    );
    await swift('post', 'kept', '-H', 'X-Versions-Enabled: true');
    for (const text of ['one', 'two']) {
      fs.writeFileSync(join(folder, 'v'), text);
      await swift('upload', 'kept', 'v');
    }
    const versions = JSON.parse(await swift('list', 'kept', '--versions', '--json'));
    expect(versions).toHaveLength(2);
    const [, old] = versions;
    expect(await swift('download', 'kept', 'v', '--version-id', old.version_id, '-o', '-')).toBe(
      'one',
    );
  });

  test('copy, tempurl, capabilities, auth', async () => {
    await swift('copy', 'tree', 'up/a.txt', '-d', '/copies/b.txt', '-m', 'copied:yes');
    expect(await swift('stat', 'copies', 'b.txt')).toMatch(/Meta Copied: yes/);
    await swift('copy', 'tree', 'up/a.txt', '-d', '/copies/fresh', '-M');
    expect(await swift('stat', 'copies', 'fresh')).not.toMatch(/Meta Size/);
    await swift('post', '-m', 'Temp-URL-Key:secret');
    const { url } = await cloud.session();
    const path = `${new URL(url).pathname}/tree/up/a.txt`;
    const signed = (
      await swift('tempurl', 'GET', '600', path, 'secret', '--digest', 'sha256')
    ).trim();
    const open = await fetch(new URL(signed, url));
    expect([open.status, await open.text()]).toEqual([200, 'hello']);
    const below = ['tempurl', 'GET', '600', path, 'secret', '--prefix-based', '--digest', 'sha512'];
    expect((await fetch(new URL((await swift(...below)).trim(), url))).status).toBe(200);
    expect(await swift('capabilities')).toMatch(/tempurl/);
    expect(await swift('auth')).toMatch(/export OS_STORAGE_URL=/);
  });

  test('by Keystone’s tokens: what is left of the options', async () => {
    const { admin, endpoints } = cloud.info;
    const env = {
      OS_AUTH_URL: endpoints.identity,
      OS_IDENTITY_API_VERSION: '3',
      OS_USERNAME: admin.username,
      OS_PASSWORD: admin.password,
      OS_PROJECT_NAME: admin.project,
      OS_USER_DOMAIN_NAME: admin.domain,
      OS_PROJECT_DOMAIN_NAME: admin.domain,
    };
    const script = join(import.meta.dirname, 'swift-options.py');
    const told = await runOk('/usr/bin/python3', [script], { env, cwd: folder });
    expect(told.trimEnd().split('\n').at(-1)).toBe('all as expected');
  });

  test('delete: by prefix, of segments, of everything', async () => {
    await swift('delete', 'static', 'up/big');
    await swift('delete', 'dynamic', 'up/big');
    expect(await swift('list', 'parts')).toBe('');
    expect(await swift('list', 'static_segments')).toBe('');
    await swift('delete', 'tree', '--prefix', 'up/sub');
    expect(await swift('list', 'tree')).not.toContain('up/sub');
    await swift('delete', '--all', '--versions');
    expect(await swift('stat')).toMatch(/Containers: 0/);
  });
});

describe('backups', () => {
  test('restic keeps a tree, forgets, checks and restores it', async () => {
    const env = {
      ...cloud.swiftEnv(),
      RESTIC_PASSWORD: 'restic',
      RESTIC_REPOSITORY: 'swift:backup:/repo',
      RESTIC_CACHE_DIR: join(folder, 'restic-cache'),
    };
    const restic = (...args: string[]) => runOk('restic', args, { env, cwd: folder });
    await restic('init');
    await restic('backup', 'up');
    await restic('check', '--read-data');
    await restic('restore', 'latest', '--target', 'restored');
    expect(fs.readFileSync(join(folder, 'restored/up/big')).equals(big)).toBe(true);
    await restic('forget', '--keep-last', '1', '--prune');
  });
});

describe('libraries', () => {
  test('rclone: copies in chunks, checks, moves, purges', async () => {
    const rclone = (...args: string[]) =>
      runOk('rclone', args, { env: cloud.rcloneEnv(), cwd: folder });
    await rclone('copy', 'up', 'swift:rc/up', '--swift-chunk-size', '1M');
    await rclone('check', 'up', 'swift:rc/up', '--download');
    await rclone('move', 'swift:rc/up', 'swift:rc/moved');
    expect(
      (await rclone('lsf', '-R', '--files-only', 'swift:rc')).trimEnd().split('\n').sort(),
    ).toEqual(['moved/a.txt', 'moved/big', 'moved/sub/ü b.txt']);
    await rclone('purge', 'swift:rc');
  });

  test('python-swiftclient and openstacksdk', async () => {
    const { admin, endpoints } = cloud.info;
    const program = `
import hashlib, sys, swiftclient, openstack
c = swiftclient.Connection(sys.argv[1], sys.argv[2], sys.argv[3])
c.put_container('py', headers={'X-Container-Meta-A': 'b'})
etag = c.put_object('py', 'o', b'x' * 100000, content_type='text/plain', headers={'X-Object-Meta-K': 'v'})
assert etag == hashlib.md5(b'x' * 100000).hexdigest()
headers, body = c.get_object('py', 'o', headers={'Range': 'bytes=0-9'})
assert body == b'x' * 10 and headers['x-object-meta-k'] == 'v'
c.post_object('py', 'o', {'X-Object-Meta-K': 'w'})
c.copy_object('py', 'o', '/py/p')
assert [o['name'] for o in c.get_container('py')[1]] == ['o', 'p']
assert 'slo' in c.get_capabilities()
sdk = openstack.connect(auth_url=sys.argv[4], username=sys.argv[5], password=sys.argv[3], project_name=sys.argv[6], user_domain_name='Default', project_domain_name='Default', region_name='RegionOne')
sdk.object_store.create_container('sdk')
sdk.object_store.upload_object('sdk', 'o', data=b'sdk')
assert sdk.object_store.download_object('o', container='sdk') == b'sdk'
assert sdk.object_store.get_object_metadata('o', container='sdk').content_length == 3
sdk.object_store.set_container_temp_url_key('sdk', 'key')
sdk.object_store.delete_object('o', container='sdk')
sdk.object_store.delete_container('sdk')
for name in ('o', 'p'): c.delete_object('py', name)
c.delete_container('py')
`;
    const script = join(folder, 'clients.py');
    fs.writeFileSync(script, program);
    const { ST_AUTH = '', ST_USER = '', ST_KEY = '' } = cloud.swiftEnv();
    const args = [
      script,
      ST_AUTH,
      ST_USER,
      ST_KEY,
      endpoints.identity,
      admin.username,
      admin.project,
    ];
    await runOk('/usr/bin/python3', args, { cwd: folder });
  });

  test('curl: a form with a file, a chunked upload with its metadata behind it, several ranges', async () => {
    const { url, token } = await cloud.session();
    const curl = async (...args: string[]) =>
      (await run('curl', ['-s', '-H', `X-Auth-Token: ${token}`, ...args], { cwd: folder })).stdout;
    await curl('-X', 'PUT', `${url}/curl`);
    await curl(
      '-T',
      'up/big',
      '-H',
      'Transfer-Encoding: chunked',
      '-H',
      'Expect: 100-continue',
      `${url}/curl/big`,
    );
    const head = await curl('-I', `${url}/curl/big`);
    const md5 = createHash('md5').update(big).digest('hex');
    expect(head).toContain(`Etag: ${md5}`);
    expect(head).toMatch(/X-Trans-Id: tx[0-9a-f]{21}-[0-9a-f]{10}\r/);
    const traced = await curl('-I', '-H', 'X-Trans-Id-Extra: mine', `${url}/curl/big`);
    expect(traced).toMatch(/X-Trans-Id: tx\S+-mine\r/);
    expect(await curl('-r', '0-3,8-11', `${url}/curl/big`)).toContain(
      'Content-Range: bytes 8-11/3000000',
    );
    const status = ['-o', '/dev/null', '-w', '%{http_code}'];
    expect(await curl(...status, '-H', `If-None-Match: ${md5}`, `${url}/curl/big`)).toBe('304');
  });
});
