/** What one project tries with the images of another: everything is refused as if there were nothing. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, newImage, patch } from './testing/client.ts';
import { newRemains, openWorld, type Remains, removeRemains, type World } from './testing/world.ts';

const owner = 'alpha/member,reader/ann';
const reader = 'alpha/reader/rob';
const mallory = 'beta/member,reader/mallory';
const member = 'gamma/member,reader/mia';
const admin = 'admins/admin,member,reader/root';
const nowhere = '00000000-0000-4000-8000-000000000000';

let remains: Remains;
let world: World;
const ids: Record<'secret' | 'shared' | 'community' | 'public', string> = {
  ...{ secret: '', shared: '', community: '', public: '' },
};

beforeAll(async () => {
  remains = await newRemains();
  world = await openWorld(remains);
  const data = Buffer.from('secret bytes of alpha');
  const fields = { name: 'crown jewels', tags: ['jewel'], colour: 'gold' };
  ids.secret = await newImage(world, owner, { ...fields, visibility: 'private' }, data);
  ids.shared = await newImage(world, owner, { ...fields, visibility: 'shared' }, data);
  ids.community = await newImage(world, owner, { ...fields, visibility: 'community' }, data);
  ids.public = await newImage(world, admin, { name: 'for all', visibility: 'public' }, data);
  await world.call(owner, 'POST', `/v2/images/${ids.shared}/members`, {
    body: { member: 'gamma' },
  });
});
afterAll(async () => {
  await world.close();
  await removeRemains(remains);
});

const call: World['call'] = (...args) => world.call(...args);
const replace = (path: string, value: unknown) => [{ op: 'replace', path, value }];

/** Each attempt on an image, by id. */
const attempts: Record<string, (id: string) => Promise<Answer>> = {
  'show it': (id) => call(mallory, 'GET', `/v2/images/${id}`),
  'show it in capital letters': (id) => call(mallory, 'GET', `/v2/images/${id.toUpperCase()}`),
  'download it': (id) => call(mallory, 'GET', `/v2/images/${id}/file`),
  'download a range of it': (id) =>
    call(mallory, 'GET', `/v2/images/${id}/file`, { headers: { range: 'bytes=0-3' } }),
  'ask for its head': (id) => call(mallory, 'HEAD', `/v2/images/${id}/file`),
  'rename it': (id) => patch(world, mallory, id, replace('/name', 'mine')),
  'make it public': (id) => patch(world, mallory, id, replace('/visibility', 'public')),
  'make it his': (id) => patch(world, mallory, id, replace('/owner', 'beta')),
  'give it a property': (id) => patch(world, mallory, id, [{ op: 'add', path: '/x', value: 'y' }]),
  'patch it with nothing': (id) => patch(world, mallory, id, []),
  'delete it': (id) => call(mallory, 'DELETE', `/v2/images/${id}`),
  'overwrite it': (id) => call(mallory, 'PUT', `/v2/images/${id}/file`, { raw: Buffer.from('x') }),
  'stage over it': (id) =>
    call(mallory, 'PUT', `/v2/images/${id}/stage`, { raw: Buffer.from('x') }),
  'import into it': (id) =>
    call(mallory, 'POST', `/v2/images/${id}/import`, {
      body: { method: { name: 'web-download', uri: 'http://example.org/x' } },
    }),
  'copy it': (id) =>
    call(mallory, 'POST', `/v2/images/${id}/import`, {
      body: { method: { name: 'copy-image' }, all_stores: true },
    }),
  'see its tasks': (id) => call(mallory, 'GET', `/v2/images/${id}/tasks`),
  'deactivate it': (id) => call(mallory, 'POST', `/v2/images/${id}/actions/deactivate`),
  'reactivate it': (id) => call(mallory, 'POST', `/v2/images/${id}/actions/reactivate`),
  'tag it': (id) => call(mallory, 'PUT', `/v2/images/${id}/tags/mine`),
  'untag it': (id) => call(mallory, 'DELETE', `/v2/images/${id}/tags/jewel`),
  'list its members': (id) => call(mallory, 'GET', `/v2/images/${id}/members`),
  'make himself a member': (id) =>
    call(mallory, 'POST', `/v2/images/${id}/members`, { body: { member: 'beta' } }),
  'accept an offer nobody made': (id) =>
    call(mallory, 'PUT', `/v2/images/${id}/members/beta`, { body: { status: 'accepted' } }),
  'see whether gamma is a member': (id) => call(mallory, 'GET', `/v2/images/${id}/members/gamma`),
  'remove a member': (id) => call(mallory, 'DELETE', `/v2/images/${id}/members/gamma`),
  'delete it from the store': (id) => call(mallory, 'DELETE', `/v2/stores/pileus/${id}`),
};

describe('an image of another project', () => {
  for (const [what, attempt] of Object.entries(attempts)) {
    it(`cannot be told from none by one who tries to ${what}`, async () => {
      const none = await attempt(nowhere);
      expect([404, 409]).toContain(none.status);
      for (const id of [ids.secret, ids.shared]) {
        const there = await attempt(id);
        expect(there.status).toBe(none.status);
        const words = (answer: Answer, of: string) =>
          answer.bytes.toString('utf8').toLowerCase().replaceAll(of.toLowerCase(), 'ID');
        expect(words(there, id)).toBe(words(none, nowhere));
      }
    });
  }

  it('does not show in any listing, filter or page', async () => {
    const queries = [
      ...['', '?visibility=private', '?visibility=shared', '?visibility=all', '?owner=alpha'],
      ...[
        '?name=crown%20jewels',
        '?tag=jewel',
        '?colour=gold',
        `?id=in:${ids.secret},${ids.shared}`,
      ],
      ...['?member_status=all', '?member_status=pending', '?size_min=1', '?status=active'],
      ...['?os_hidden=true', '?sort=size:asc&limit=1000', "?name=in:%22crown%20jewels%22,x'or'1"],
    ];
    for (const query of queries) {
      const { status, json } = await call(mallory, 'GET', `/v2/images${query}`);
      const listed = JSON.stringify(json.images);
      expect([query, status]).toEqual([query, 200]);
      expect(listed).not.toContain(ids.secret);
      expect(listed).not.toContain(ids.shared);
    }
    const marker = await call(mallory, 'GET', `/v2/images?marker=${ids.secret}`);
    const none = await call(mallory, 'GET', `/v2/images?marker=${nowhere}`);
    expect([marker.status, none.status]).toEqual([400, 400]);
  });

  it('tells by no checksum or size that its bytes are known', async () => {
    const same = await newImage(world, mallory, {}, Buffer.from('secret bytes of alpha'));
    const other = await newImage(world, mallory, {}, Buffer.from('other bytes of beta'));
    const shown = await Promise.all(
      [same, other].map(async (id) =>
        Object.keys((await call(mallory, 'GET', `/v2/images/${id}`)).json),
      ),
    );
    expect(shown[0]).toEqual(shown[1]);
    expect((await call(mallory, 'DELETE', `/v2/images/${same}`)).status).toBe(204);
    expect((await call(owner, 'GET', `/v2/images/${ids.secret}/file`)).bytes.toString()).toBe(
      'secret bytes of alpha',
    );
  });
});

describe('an image that may be seen', () => {
  it('can be read by a member, and changed by nobody but its owner', async () => {
    expect((await call(member, 'GET', `/v2/images/${ids.shared}/file`)).status).toBe(200);
    const refused = [
      () => patch(world, member, ids.shared, replace('/name', 'mine')),
      () => patch(world, member, ids.shared, replace('/owner', 'gamma')),
      () => patch(world, mallory, ids.community, replace('/visibility', 'private')),
      () => call(mallory, 'DELETE', `/v2/images/${ids.public}`),
      () => call(member, 'DELETE', `/v2/images/${ids.shared}`),
      () => call(member, 'PUT', `/v2/images/${ids.shared}/tags/mine`),
      () => call(member, 'POST', `/v2/images/${ids.shared}/members`, { body: { member: 'beta' } }),
      () => call(member, 'DELETE', `/v2/images/${ids.shared}/members/gamma`),
      () => call(member, 'POST', `/v2/images/${ids.shared}/actions/deactivate`),
      () => call(reader, 'DELETE', `/v2/images/${ids.secret}`),
      () => call(reader, 'POST', '/v2/images', { body: { name: 'x' } }),
      () => call(reader, 'PUT', `/v2/images/${ids.secret}/file`, { raw: Buffer.from('x') }),
      () => call(mallory, 'POST', '/v2/images', { body: { owner: 'alpha' } }),
      () => call(mallory, 'POST', '/v2/images', { body: { visibility: 'public' } }),
      () => patch(world, owner, ids.secret, replace('/owner', 'beta')),
      () => call(owner, 'GET', '/v2/tasks'),
      () => call(owner, 'GET', '/v2/info/stores/detail'),
      () => call(owner, 'GET', '/v2/cache'),
    ];
    for (const [at, attempt] of refused.entries())
      expect([at, (await attempt()).status]).toEqual([at, 403]);
  });

  it('is answered for by its member alone', async () => {
    const path = `/v2/images/${ids.shared}/members/gamma`;
    const accept = { body: { status: 'accepted' } };
    expect((await call(owner, 'PUT', path, accept)).status).toBe(403);
    expect((await call(mallory, 'PUT', path, accept)).status).toBe(404);
    expect((await call(member, 'PUT', path, { body: { status: 'owner' } })).status).toBe(400);
    expect((await call(member, 'PUT', path, accept)).status).toBe(200);
    const listed = await call(member, 'GET', '/v2/images?visibility=shared');
    expect(listed.bytes.includes(ids.shared)).toBe(true);
    // One member learns nothing of the others.
    await call(owner, 'POST', `/v2/images/${ids.shared}/members`, { body: { member: 'delta' } });
    const seen = await call(member, 'GET', `/v2/images/${ids.shared}/members`);
    expect(seen.bytes.includes('delta')).toBe(false);
    expect((await call(member, 'GET', `/v2/images/${ids.shared}/members/delta`)).status).toBe(404);
  });

  it('gives a disk to those alone who may download it, and takes one from those alone who may make an image', async () => {
    const { forVolumes } = world;
    const wanted = {
      ...{ name: 'of a disk', containerFormat: 'bare', diskFormat: 'raw', protected: false },
      properties: {},
    };
    const made = (token: string, visibility: string) =>
      forVolumes.create({ ...wanted, visibility }, token);
    for (const id of [ids.secret, ids.shared, nowhere])
      await expect(forVolumes.look(id, mallory)).rejects.toMatchObject({ kind: 'missing' });
    const denied = { kind: 'denied' };
    await expect(forVolumes.look(ids.secret, reader)).rejects.toMatchObject(denied);
    expect((await forVolumes.look(ids.shared, member)).id).toBe(ids.shared);
    await expect(made(owner, 'public')).rejects.toMatchObject(denied);
    await expect(made(reader, 'private')).rejects.toMatchObject(denied);
    await made(owner, 'community');
    await made(admin, 'public');
    const properties = Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`p${at}`, 'x']));
    await expect(
      forVolumes.create({ ...wanted, visibility: 'private', properties }, owner),
    ).rejects.toThrow(/limit has been exceeded/);
  });

  it('asks for a token that is good', async () => {
    for (const token of ['', 'nonsense', 'alpha'])
      for (const path of ['/v2/images', `/v2/images/${ids.public}`, '/v2/schemas/image'])
        expect((await call(token, 'GET', path)).status).toBe(401);
  });
});
