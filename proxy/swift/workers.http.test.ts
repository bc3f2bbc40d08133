/** What goes on beside requests: container sync between two clusters, accounts that are emptied; and encryption. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SwiftClient } from '../testing/swift-client.ts';

/** Until it is so: workers have intervals of their own. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error('it did not come to be');
}

describe('container sync', () => {
  let here: SwiftClient;
  let there: SwiftClient;
  beforeAll(async () => {
    there = await SwiftClient.open({
      syncRealms: 'realm=shared realm/there=http://127.0.0.1:1/v1',
    });
    const realms = `realm=shared realm/there=${there.door.origin}/v1`;
    here = await SwiftClient.open({ syncRealms: realms, syncIntervalMs: 30 });
    await there.put('/copy', '', { 'X-Container-Sync-Key': 'key' });
    await here.put('/original', '', {
      'X-Container-Sync-To': '//realm/there/AUTH_id-demo/copy',
      'X-Container-Sync-Key': 'key',
    });
  });
  afterAll(async () => {
    await here.close();
    await there.close();
  });

  test('carries objects with all that belongs to them, then their deletion', async () => {
    const sent = { 'X-Object-Meta-Colour': 'red', 'Content-Type': 'text/css' };
    await here.put('/original/a b/ö', 'hello', sent);
    await until(async () => (await there.status('HEAD', '/copy/a b/ö')) === 200);
    const [mine, theirs] = await Promise.all([
      here.ask('GET', '/original/a b/ö'),
      there.ask('GET', '/copy/a b/ö'),
    ]);
    expect(theirs.text).toBe('hello');
    for (const name of ['x-timestamp', 'etag', 'content-type', 'x-object-meta-colour'])
      expect(theirs.headers.get(name)).toBe(mine.headers.get(name));
    await here.ask('DELETE', '/original/a b/ö');
    await until(async () => (await there.status('HEAD', '/copy/a b/ö')) === 404);
  });

  test('carries more deletions than a page of notes holds', async () => {
    const names = Array.from({ length: 1_010 }, (_, n) => `many-${String(n).padStart(4, '0')}`);
    const each = async (run: (name: string) => Promise<unknown>) => {
      for (let at = 0; at < names.length; at += 20)
        await Promise.all(names.slice(at, at + 20).map(run));
    };
    await each((name) => there.put(`/copy/${name}`, 'x'));
    await each((name) => here.put(`/original/${name}`, 'x'));
    await each((name) => here.status('DELETE', `/original/${name}`));
    await until(async () => (await there.status('HEAD', `/copy/${names.at(-1)}`)) === 404);
  }, 60_000);

  test('leaves what is newer over there alone', async () => {
    await here.put('/original/o', 'older');
    await until(async () => (await there.status('HEAD', '/copy/o')) === 200);
    await there.put('/copy/o', 'newer');
    await here.ask('POST', '/original', { headers: { 'X-Container-Meta-A': 'again' } });
    await here.put('/original/last', 'x');
    await until(async () => (await there.status('HEAD', '/copy/last')) === 200);
    expect((await there.ask('GET', '/copy/o')).text).toBe('newer');
  });

  test('lets nobody in without both keys', async () => {
    for (const auth of ['', 'realm', 'realm nonce 00', 'other nonce 00', 'realm nonce 00 more']) {
      const headers = { 'X-Container-Sync-Auth': auth, 'X-Timestamp': '1' };
      expect(await there.status('PUT', '/copy/x', { as: null, headers, body: 'x' })).toBe(401);
    }
    for (const target of [
      '//none/there/a/c',
      '//realm/none/a/c',
      'http://127.0.0.1/a/c',
      '//realm',
    ])
      expect(
        await here.status('POST', '/original', { headers: { 'X-Container-Sync-To': target } }),
      ).toBe(400);
  });
});

describe('objects with a time to go', () => {
  test('go, with their bytes; those that were written again stay', async () => {
    const client = await SwiftClient.open({ expireIntervalMs: 20 });
    const path = await client.container();
    const soon = { 'X-Delete-After': '1' };
    for (const name of ['gone', 'again', 'later', 'posted'])
      await client.put(`${path}/${name}`, 'x'.repeat(100_000), soon);
    await client.put(`${path}/again`, 'kept');
    await client.put(`${path}/later`, 'kept', { 'X-Delete-After': '1000' });
    await client.ask('POST', `${path}/posted`, { headers: { 'X-Object-Meta-A': 'a' } });
    const count = async () =>
      (await client.ask('HEAD', path)).headers.get('x-container-object-count');
    expect(await count()).toBe('4');
    await until(async () => (await count()) === '3');
    expect(await client.names(path)).toEqual(['again', 'later', 'posted']);
    expect(client.door.cluster.stored.size).toBeLessThanOrEqual(2);
    await client.close();
  });
});

describe('deleted accounts', () => {
  test('are gone at once, emptied soon, and can be made again', async () => {
    const client = await SwiftClient.open({ accountManagement: true, reapIntervalMs: 20 });
    const path = await client.container({ 'X-Versions-Enabled': 'true' });
    await client.put(`${path}/o`, 'one');
    await client.put(`${path}/o`, 'two');
    expect(await client.status('DELETE', '')).toBe(403);
    const root = { as: 'root' };
    expect(await client.status('DELETE', '', root)).toBe(204);
    expect([404, 410]).toContain(await client.status('GET', `${path}/o`));
    const { rows } = client.door.cluster;
    const left = () =>
      [...rows].filter(
        ([key, held]) => /^(?:account|container|object)\//.test(key) && held.size > 0,
      );
    await until(async () => left().length === 0);
    expect(await client.status('PUT', '', root)).toBe(201);
    expect(await client.names('')).toEqual([]);
    await client.close();
  });
});

describe('encryption', () => {
  test('keeps what is read as it was written, and what is stored unreadable', async () => {
    const client = await SwiftClient.open({ encryption: true });
    const path = await client.container();
    for (const [name, body] of [
      ['small', 'plain words'],
      ['large', 'plain words '.repeat(10_000)],
    ] as const) {
      const { headers } = await client.put(`${path}/${name}`, body);
      const got = await client.ask('GET', `${path}/${name}`);
      expect(got.text).toBe(body);
      expect(got.headers.get('etag')).toBe(headers.get('etag'));
      const range = { headers: { Range: 'bytes=6-10' } };
      expect((await client.ask('GET', `${path}/${name}`, range)).text).toBe('words');
      await client.put(`${path}/copy`, '', { 'X-Copy-From': `${path}/${name}` });
      expect((await client.ask('GET', `${path}/copy`)).text).toBe(body);
      const meta = { 'X-Object-Meta-A': 'hidden value' };
      await client.ask('POST', `${path}/${name}`, { headers: meta });
      const seen = await client.ask('HEAD', `${path}/${name}`);
      expect(seen.headers.get('x-object-meta-a')).toBe('hidden value');
      expect((await client.ask('GET', `${path}/${name}`)).text).toBe(body);
    }
    await client.put(`${path}/link`, '', {
      'X-Symlink-Target': `${path.slice(1)}/small`,
      'X-Object-Meta-A': 'hidden value',
    });
    const link = await client.ask('HEAD', `${path}/link?symlink=get`);
    expect(link.headers.get('x-object-meta-a')).toBe('hidden value');
    const manifest = JSON.stringify([{ path: `${path}/small` }]);
    await client.put(`${path}/slo?multipart-manifest=put`, manifest, {
      'X-Object-Meta-A': 'hidden value',
    });
    const whole = await client.ask('GET', `${path}/slo`);
    expect([whole.text, whole.headers.get('x-object-meta-a')]).toEqual([
      'plain words',
      'hidden value',
    ]);
    await client.ask('POST', path, { headers: { 'X-Versions-Enabled': 'true' } });
    await client.put(`${path}/slo`, 'plain words');
    const { rows, stored } = client.door.cluster;
    const metas = [...rows.values()].flatMap((held) => [...held.values()].map(({ meta }) => meta));
    for (const meta of metas) expect(meta.includes('hidden value')).toBe(false);
    const bodies = [...rows.values()].flatMap((held) => [...held.values()].map(({ body }) => body));
    for (const bytes of [...bodies, ...stored.values()])
      expect(bytes?.includes('plain words') ?? false).toBe(false);
    await client.close();
  });
});
