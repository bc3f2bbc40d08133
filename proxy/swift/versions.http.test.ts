/** Versions, both kinds; symlinks; copies. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SwiftClient } from '../testing/swift-client.ts';

let client: SwiftClient;
beforeAll(async () => {
  client = await SwiftClient.open();
});
afterAll(() => client.close());

const html = { 'Content-Type': 'text/html' };

describe('versions', () => {
  async function versioned(): Promise<string> {
    return await client.container({ 'X-Versions-Enabled': 'true' });
  }
  const idOf = (answer: { headers: Headers }) => answer.headers.get('x-object-version-id') ?? '';
  async function list(path: string, query = '') {
    return JSON.parse((await client.ask('GET', `${path}?versions${query}`)).text);
  }

  test('each write is one, and old ones can be read, restored and deleted', async () => {
    const path = await versioned();
    const first = idOf(await client.put(`${path}/o`, 'one', html));
    const second = idOf(await client.put(`${path}/o`, 'two'));
    expect(first).not.toBe(second);
    const old = await client.ask('GET', `${path}/o?version-id=${first}`);
    expect([old.text, idOf(old)]).toEqual(['one', first]);
    expect(await list(path)).toMatchObject([
      { name: 'o', version_id: second, is_latest: true, bytes: 3 },
      { name: 'o', version_id: first, is_latest: false, content_type: 'text/html' },
    ]);
    const head = await client.ask('HEAD', path);
    expect(head.headers.get('x-versions-enabled')).toBe('True');
    expect(head.headers.get('x-container-object-count')).toBe('1');
    expect(head.headers.get('x-container-bytes-used')).toBe('6');
    expect(await client.status('PUT', `${path}/o?version-id=${first}`, { body: '' })).toBe(201);
    expect((await client.ask('GET', `${path}/o`)).text).toBe('one');
    const gone = await client.ask('DELETE', `${path}/o?version-id=${second}`);
    expect([gone.status, idOf(gone)]).toEqual([204, second]);
    expect(await client.status('GET', `${path}/o?version-id=${second}`)).toBe(404);
  });

  test('a deletion is a marker, which can be taken away', async () => {
    const path = await versioned();
    const kept = idOf(await client.put(`${path}/o`, 'kept'));
    const marker = idOf(await client.ask('DELETE', `${path}/o`));
    expect(await client.status('GET', `${path}/o`)).toBe(404);
    const read = await client.ask('GET', `${path}/o?version-id=${marker}`);
    expect([read.status, read.headers.get('content-type')]).toEqual([
      404,
      'application/x-deleted;swift_versions_deleted=1',
    ]);
    expect((await client.ask('DELETE', path)).text).toBe(
      'Delete all versions before deleting container.',
    );
    await client.ask('DELETE', `${path}/o?version-id=${marker}`);
    // What lies under it does not come back by itself, and does when asked for.
    expect((await client.ask('GET', `${path}/o`)).status).toBe(404);
    await client.ask('PUT', `${path}/o?version-id=${kept}`);
    expect((await client.ask('GET', `${path}/o`)).text).toBe('kept');
  });

  test('are listed in pages, in either direction', async () => {
    const path = await versioned();
    for (const name of ['a', 'b'])
      for (const body of ['1', '22']) await client.put(`${path}/${name}`, body);
    const all = await list(path);
    expect(all.map((entry: { name: string }) => entry.name)).toEqual(['a', 'a', 'b', 'b']);
    expect(await list(path, '&reverse=true')).toEqual([...all].reverse());
    expect(await list(path, '&limit=1')).toEqual([all[0]]);
    const after = `&marker=a&version_marker=${all[0].version_id}`;
    expect(await list(path, after)).toEqual(all.slice(1));
    expect(await list(path, '&prefix=b')).toEqual(all.slice(2));
    expect(await client.status('GET', `${path}?versions&version_marker=null`)).toBe(400);
    expect(await client.status('GET', `${path}?versions&format=xml`)).toBe(406);
  });

  test('belong to the account: a container’s readers see the present only', async () => {
    const path = await versioned();
    await client.ask('POST', path, { headers: { 'X-Container-Read': 'other:bob' } });
    const id = idOf(await client.put(`${path}/o`, 'x'));
    expect(await client.status('GET', `${path}/o`, { as: 'bob' })).toBe(200);
    expect(await client.status('GET', `${path}/o?version-id=${id}`, { as: 'bob' })).toBe(403);
    expect(await client.status('POST', `${path}/o?version-id=${id}`)).toBe(400);
    const plain = await client.container();
    await client.put(`${plain}/o`, 'x');
    expect(await client.status('GET', `${plain}/o?version-id=${id}`)).toBe(400);
    expect(await list(plain)).toMatchObject([{ name: 'o', version_id: 'null', is_latest: true }]);
  });

  test('and the legacy kinds do not go together', async () => {
    const path = await versioned();
    for (const header of ['X-Versions-Location', 'X-History-Location'])
      expect(await client.status('POST', path, { headers: { [header]: 'x' } })).toBe(400);
    const both = { 'X-Versions-Location': 'x', 'X-History-Location': 'y' };
    expect(await client.status('PUT', '/both', { headers: both })).toBe(400);
  });
});

describe('legacy versions', () => {
  test('as a stack: a delete brings the last one back', async () => {
    const store = await client.container();
    const path = await client.container({ 'X-Versions-Location': store.slice(1) });
    expect((await client.ask('HEAD', path)).headers.get('x-versions-location')).toBe(
      store.slice(1),
    );
    for (const body of ['one', 'two', 'three']) await client.put(`${path}/ö`, body, html);
    expect(await client.names(store)).toHaveLength(2);
    for (const left of ['two', 'one']) {
      expect(await client.status('DELETE', `${path}/ö`)).toBe(204);
      const now = await client.ask('GET', `${path}/ö`);
      expect([now.text, now.headers.get('content-type')]).toEqual([left, 'text/html']);
    }
    expect(await client.status('DELETE', `${path}/ö`)).toBe(204);
    expect(await client.status('GET', `${path}/ö`)).toBe(404);
    expect(await client.names(store)).toEqual([]);
  });

  test('keeps each of many that follow at once', async () => {
    const store = await client.container();
    const path = await client.container({ 'X-History-Location': store.slice(1) });
    for (let n = 0; n < 25; n++) {
      await client.put(`${path}/o`, `${n}`, html);
      expect(await client.status('DELETE', `${path}/o`)).toBe(204);
    }
    for (let n = 0; n < 25; n++) await client.put(`${path}/p`, `${n}`, html);
    expect(await client.names(store)).toHaveLength(2 * 25 + 24);
  });

  test('as a history: a delete leaves its mark', async () => {
    const store = await client.container();
    const path = await client.container({ 'X-History-Location': store.slice(1) });
    await client.put(`${path}/o`, 'one', html);
    expect(await client.status('DELETE', `${path}/o`)).toBe(204);
    const kept = await client.ask('GET', `${store}?format=json`);
    expect(
      JSON.parse(kept.text).map((entry: { content_type: string }) => entry.content_type),
    ).toEqual(['text/html', 'application/x-deleted;swift_versions_deleted=1']);
  });

  test('nothing is lost when the other container is not there', async () => {
    const path = await client.container({ 'X-Versions-Location': 'nowhere' });
    await client.put(`${path}/o`, 'one');
    expect(await client.status('PUT', `${path}/o`, { body: 'two' })).toBe(412);
    expect((await client.ask('GET', `${path}/o`)).text).toBe('one');
  });
});

describe('symlinks', () => {
  test('stand for another object, and are told from it', async () => {
    const path = await client.container();
    await client.put(`${path}/target`, 'hello', html);
    const link = { 'X-Symlink-Target': `${path.slice(1)}/target`, 'X-Object-Meta-Own': 'yes' };
    await client.put(`${path}/link`, '', link);
    const got = await client.ask('GET', `${path}/link`);
    expect([got.text, got.headers.get('content-location')]).toEqual([
      'hello',
      `/v1/AUTH_id-demo${path}/target`,
    ]);
    const itself = await client.ask('GET', `${path}/link?symlink=get`);
    expect(itself.text).toBe('');
    expect(itself.headers.get('x-symlink-target')).toBe(`${path.slice(1)}/target`);
    const posted = await client.ask('POST', `${path}/link`, {
      headers: { 'X-Object-Meta-A': 'a' },
    });
    expect([posted.status, posted.headers.get('location')]).toEqual([
      307,
      `/v1/AUTH_id-demo${path}/target`,
    ]);
    const listed = JSON.parse((await client.ask('GET', `${path}?format=json`)).text);
    expect(listed[0]).toMatchObject({
      name: 'link',
      bytes: 0,
      symlink_path: posted.headers.get('location'),
    });
    await client.ask('DELETE', `${path}/target`);
    const broken = await client.ask('GET', `${path}/link`);
    expect([broken.status, broken.headers.get('content-location')]).toEqual([
      404,
      `/v1/AUTH_id-demo${path}/target`,
    ]);
  });

  test('fixed ones break when their target changes', async () => {
    const path = await client.container();
    const { headers } = await client.put(`${path}/target`, 'hello');
    const target = { 'X-Symlink-Target': `${path.slice(1)}/target` };
    const etag = headers.get('etag') ?? '';
    await client.put(`${path}/link`, '', { ...target, 'X-Symlink-Target-Etag': etag });
    expect((await client.ask('GET', `${path}/link`)).text).toBe('hello');
    await client.put(`${path}/target`, 'other');
    expect(await client.status('GET', `${path}/link`)).toBe(409);
    const wrong = { ...target, 'X-Symlink-Target-Etag': etag };
    expect(await client.status('PUT', `${path}/again`, { headers: wrong, body: '' })).toBe(409);
    const none = { 'X-Symlink-Target': `${path.slice(1)}/none`, 'X-Symlink-Target-Etag': etag };
    expect(await client.status('PUT', `${path}/again`, { headers: none, body: '' })).toBe(409);
  });

  test('loops, bodies and targets that are none are refused', async () => {
    const path = await client.container();
    const to = (name: string) => ({ 'X-Symlink-Target': `${path.slice(1)}/${name}` });
    for (const [name, target] of ['ab', 'bc', 'ca'].map((pair) => [...pair]))
      await client.put(`${path}/${name}`, '', to(target ?? ''));
    expect(await client.status('GET', `${path}/a`)).toBe(409);
    expect(await client.status('PUT', `${path}/x`, { headers: to('x'), body: '' })).toBe(400);
    expect(await client.status('PUT', `${path}/x`, { headers: to('y'), body: 'body' })).toBe(400);
    for (const target of ['', 'c', '/c/o', 'c/'])
      expect(
        await client.status('PUT', `${path}/x`, {
          headers: { 'X-Symlink-Target': target },
          body: '',
        }),
      ).toBe(412);
  });

  test('give no right to what they lead to', async () => {
    const path = await client.container({ 'X-Container-Read': 'other:bob' });
    const secret = await client.container();
    await client.put(`${secret}/o`, 'secret');
    await client.put(`${path}/link`, '', { 'X-Symlink-Target': `${secret.slice(1)}/o` });
    expect(await client.status('GET', `${path}/link`, { as: 'bob' })).toBe(403);
    const far = {
      'X-Symlink-Target': `${secret.slice(1)}/o`,
      'X-Symlink-Target-Account': 'AUTH_id-demo',
    };
    const bobs = { as: 'bob', account: 'AUTH_id-other' };
    await client.ask('PUT', '/mine', bobs);
    expect(await client.status('PUT', '/mine/l', { ...bobs, headers: far, body: '' })).toBe(201);
    expect(await client.status('GET', '/mine/l', bobs)).toBe(403);
  });
});

describe('copies', () => {
  test('take a range, fresh metadata, another account', async () => {
    const path = await client.container();
    await client.put(`${path}/o`, 'abcdef', { 'X-Object-Meta-A': 'a', ...html });
    const from = { 'X-Copy-From': `${path}/o` };
    await client.put(`${path}/part`, '', { ...from, Range: 'bytes=1-2' });
    expect((await client.ask('GET', `${path}/part`)).text).toBe('bc');
    await client.put(`${path}/fresh`, '', { ...from, 'X-Fresh-Metadata': 'true' });
    expect((await client.ask('HEAD', `${path}/fresh`)).headers.get('x-object-meta-a')).toBeNull();
    const copied = await client.ask('COPY', `${path}/o`, {
      headers: { Destination: `${path}/d`, 'X-Object-Meta-B': 'b' },
    });
    expect(copied.status).toBe(201);
    expect(copied.headers.get('x-copied-from')).toBe(`${path.slice(1)}/o`);
    const both = await client.ask('HEAD', `${path}/d`);
    expect([both.headers.get('x-object-meta-a'), both.headers.get('x-object-meta-b')]).toEqual([
      'a',
      'b',
    ]);
    const stolen = { ...from, 'X-Copy-From-Account': 'AUTH_id-demo' };
    const bobs = { as: 'bob', account: 'AUTH_id-other' };
    await client.ask('PUT', '/copies', bobs);
    expect(await client.status('PUT', '/copies/o', { ...bobs, headers: stolen, body: '' })).toBe(
      403,
    );
    expect(await client.status('PUT', `${path}/x`, { headers: from, body: 'body' })).toBe(400);
  });
});
