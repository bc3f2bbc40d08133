/**
 * Whose objects can become whose images: real users, roles and tokens, real objects, and everything one might try to read through an image
 * what the object store would not give.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SourceObject, UserObjects } from '#cloud/image';
import { defaultsOf, seededRandom, silentLogger, systemClock } from '#common';
import {
  accountOf,
  createObjectService,
  type ObjectService,
  proxySettings,
  swiftSettings,
} from '#proxy';
import type { Endpoints } from '../../cli/cloud-types.ts';
import { userObjects } from '../../cli/roles/image-objects.ts';
import { adminToken, call, inProject, logIn, textAt } from '../../cloud/identity/testing/client.ts';
import { startTestCloud, type TestCloud } from '../../cloud/identity/testing/cloud.ts';
import { createMemoryCluster } from '../../proxy/objects/testing/memory-cluster.ts';

const image = { account: '', container: 'images' };
const tokens: Record<string, string> = {};
const projects: Record<string, string> = {};
let cloud: TestCloud;
let service: ObjectService;
let objects: UserObjects;

const nothing = /There is no such object that you may read/;
const bytes = (letter: string) => Buffer.alloc(40_000, letter);
const containerOf = (account: string, name: string) =>
  service.containers.open(accountOf(projects[account] ?? ''), name);
const put = async (account: string, name: string, object: string, more = {}) =>
  await service.objects.put({
    ...{ container: await containerOf(account, name), name: object, body: bytes(object[0] ?? 'x') },
    ...more,
  });
const find = (who: string, uri: string) =>
  objects.find(uri, { token: tokens[who] ?? '', projectId: projects[who.split('.')[0] ?? ''] });
const swift = (account: string, path: string) =>
  `http://127.0.0.1:1/v1/${accountOf(projects[account] ?? '')}/${path}`;

async function whole(source: SourceObject): Promise<Buffer> {
  const { sizeBytes, read } = await objects.open(source);
  const chunks: Buffer[] = [];
  for await (const chunk of read(0, sizeBytes)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

beforeAll(async () => {
  cloud = await startTestCloud();
  for (const [project, name, role] of [
    ['alpha', 'ann', 'member'],
    ['alpha', 'rob', 'reader'],
    ['beta', 'mallory', 'member'],
    ['beta', 'nobody', 'heat_stack_owner'],
  ] as const) {
    if (role === 'heat_stack_owner')
      await call(cloud, 'POST', '/v3/roles', {
        ...{ token: await adminToken(cloud), body: { role: { name: role } } },
      });
    const password = `secret of ${name}`;
    const made = await cloud.identity.createUser({ project, name, password, role });
    projects[project] = made.projectId;
    tokens[`${project}.${name}`] = await logIn(cloud, {
      name,
      password,
      scope: inProject(project),
    });
  }
  image.account = accountOf((await cloud.identity.projectId('service')) ?? '');
  const cluster = createMemoryCluster(seededRandom(1));
  service = createObjectService({
    ...{ tables: cluster.tables, blobs: cluster.blobs, log: silentLogger, clock: systemClock },
    settings: { ...defaultsOf(proxySettings), inlineBytesMax: 1_000, containerCacheMs: 0 },
    ...{ random: seededRandom(2), soleCoordinator: true },
  });
  const read = { 'read-acl': `${projects.beta}:*` };
  for (const [account, name, system] of [
    ...[['alpha', 'secret', {}] as const, ['alpha', 'lent', read] as const],
    ...[['alpha', 'world', { 'read-acl': '.r:*' }] as const, ['beta', 'own', {}] as const],
  ])
    await service.containers.create({
      ...{ account: accountOf(projects[account] ?? ''), name, system },
    });
  await service.containers.create({ account: image.account, name: image.container });
  await put('alpha', 'secret', 'crown');
  await put('alpha', 'lent', 'gift');
  await put('alpha', 'world', 'news');
  await put('beta', 'own', 'mine');
  const base = 'http://127.0.0.1';
  objects = userObjects({
    ...{ objects: service, identity: cloud.identity, swift: defaultsOf(swiftSettings) },
    endpoints: { api: `${base}:3`, swift: `${base}:1`, s3: `${base}:2` } as Endpoints,
    ...{ imageAccount: image.account, imageContainer: image.container },
  });
});
afterAll(async () => {
  await service.close();
  await cloud.close();
});

test('who may GET an object may make an image of it', async () => {
  for (const [who, uri, letter] of [
    ['alpha.ann', swift('alpha', 'secret/crown'), 'c'],
    ['alpha.rob', 'swift://secret/crown', 'c'],
    ['beta.mallory', swift('alpha', 'lent/gift'), 'g'],
    ['beta.mallory', swift('alpha', 'world/news'), 'n'],
    ['beta.mallory', 'swift://own/mine', 'm'],
  ] as const) {
    const source = await find(who, uri);
    expect((await whole(source as SourceObject)).equals(bytes(letter)), uri).toBe(true);
  }
});

test('what the caller may not read is as if it were not there', async () => {
  const { account } = image;
  const own = { container: await containerOf('beta', 'own'), body: Buffer.alloc(0) };
  const link = { kind: 'symlink' as const };
  const system = {
    'symlink-target': 'secret/crown',
    'symlink-account': accountOf(projects.alpha ?? ''),
  };
  await service.objects.put({ ...own, name: 'link', ...link, system });
  const ours = { 'symlink-target': 'images/content', 'symlink-account': account };
  await service.objects.put({ ...own, name: 'ours', ...link, system: ours });
  await service.objects.put({
    container: await service.containers.open(account, image.container),
    ...{ name: 'content', body: bytes('i') },
  });
  for (const [who, uri] of [
    ['beta.mallory', swift('alpha', 'secret/crown')],
    ['beta.mallory', swift('alpha', 'secret/none')],
    ['beta.mallory', swift('alpha', 'none/crown')],
    ['beta.mallory', 'swift://secret/crown'],
    ['beta.mallory', 's3://secret/crown'],
    ['beta.mallory', `http://127.0.0.1:2/secret/crown`],
    ['beta.mallory', `http://127.0.0.1:3/s3/secret/crown`],
    [
      'beta.mallory',
      `http://localhost:3/object-store/v1/${accountOf(projects.alpha ?? '')}/secret/crown`,
    ],
    ['beta.mallory', swift('alpha', 'secret%2Fcrown/x')],
    ['beta.mallory', swift('alpha', 'lent/../secret/crown')],
    ['beta.mallory', swift('beta', 'own/link')],
    ['beta.mallory', swift('beta', 'own/ours')],
    ['beta.mallory', `http://127.0.0.1:1/v1/${account}/images/content`],
    ['beta.nobody', 'swift://own/mine'],
    ['beta.forged', 'swift://own/mine'],
  ] as const)
    await expect(find(who, uri), `${who} ${uri}`).rejects.toThrow(nothing);
  // Nobody at all names where images are kept, administrators included.
  tokens['alpha.root'] = await adminToken(cloud);
  await expect(
    find('alpha.root', `http://127.0.0.1:1/v1/${account}/images/content`),
  ).rejects.toThrow(nothing);
  // Others' addresses, and requests of their own kind, are none of these.
  for (const uri of [
    'http://127.0.0.1:9/v1/a/b/c',
    `${swift('alpha', 'secret/crown')}?temp_url_sig=x`,
  ])
    expect(await find('beta.mallory', uri)).toBeUndefined();
});

test('a manifest shows only what its reader may read of the whole account', async () => {
  const system = { 'x-object-manifest': 'secret/cr' };
  await put('alpha', 'lent', 'manifest', { body: Buffer.from('x'), system });
  await expect(find('beta.mallory', swift('alpha', 'lent/manifest'))).rejects.toThrow(nothing);
  const source = (await find('alpha.ann', swift('alpha', 'lent/manifest'))) as SourceObject;
  expect((await whole(source)).equals(bytes('c'))).toBe(true);
});

test('an object that turns into a manifest of its own ETag after it was asked for is not followed', async () => {
  const ref = { container: await containerOf('alpha', 'lent'), name: 'turncoat' };
  await put('alpha', 'lent', 'turncoat');
  const source = (await find('beta.mallory', swift('alpha', 'lent/turncoat'))) as SourceObject;
  await service.objects.update(ref, () => ({ system: { 'x-object-manifest': 'secret/cr' } }));
  await expect(whole(source)).rejects.toMatchObject({ code: 'source-changed' });
  await expect(objects.share(source, 'stolen')).rejects.toMatchObject({ code: 'source-changed' });
  const segment = await service.objects.head({
    ...ref,
    container: await containerOf('alpha', 'secret'),
    name: 'crown',
  });
  const { etag } = source;
  const manifest = [{ name: '/secret/crown', bytes: segment.size, hash: segment.etag }];
  await service.objects.put({
    ...{ ...ref, kind: 'slo', body: Buffer.from(JSON.stringify(manifest)) },
    system: { 'slo-etag': etag, 'slo-size': String(segment.size) },
  });
  await expect(whole(source)).rejects.toMatchObject({ code: 'source-changed' });
  await expect(objects.share(source, 'stolen')).rejects.toMatchObject({ code: 'source-changed' });
});

test('a token that is held to requests names no objects but those it may GET', async () => {
  const users = await call(cloud, 'GET', '/v3/users?name=ann', { token: await adminToken(cloud) });
  const userId = textAt(users, 'users.0.id');
  const credential = async (path: string) => {
    const made = await call(cloud, 'POST', `/v3/users/${userId}/application_credentials`, {
      token: tokens['alpha.ann'] ?? '',
      body: {
        application_credential: {
          ...{ name: path, secret: 'rules' },
          access_rules: [{ service: 'object-store', method: 'GET', path }],
        },
      },
    });
    const id = textAt(made, 'application_credential.id');
    const method = 'application_credential';
    const answer = await call(cloud, 'POST', '/v3/auth/tokens', {
      body: { auth: { identity: { methods: [method], [method]: { id, secret: 'rules' } } } },
    });
    return String(answer.headers['x-subject-token']);
  };
  tokens['alpha.all'] = await credential(`/v1/${accountOf(projects.alpha ?? '')}/**`);
  tokens['alpha.lent'] = await credential(`/v1/${accountOf(projects.alpha ?? '')}/lent/**`);
  expect(await find('alpha.all', 'swift://secret/crown')).toMatchObject({ object: 'crown' });
  expect(await find('alpha.lent', 'swift://lent/gift')).toMatchObject({ object: 'gift' });
  await expect(find('alpha.lent', 'swift://secret/crown')).rejects.toThrow(nothing);
});
