import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FrontDoor, openFrontDoor } from '../testing/front-door.ts';

let door: FrontDoor;
let base: string;
const alice = { 'X-Auth-Token': 'token-alice' };

beforeAll(async () => {
  door = await openFrontDoor({ blobDeleteDelayMs: 0 });
  base = `${door.origin}/v1/AUTH_id-demo`;
});
afterAll(() => door.close());

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly bytes: Buffer;
}

async function ask(
  method: string,
  path: string,
  headers: Record<string, string> = alice,
  body?: string | Buffer,
): Promise<Answer> {
  const url = path.startsWith('http') ? path : `${base}${path}`;
  const response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });
  const bytes = Buffer.from(await response.arrayBuffer());
  return { status: response.status, headers: response.headers, bytes, text: bytes.toString() };
}

function md5(bytes: string | Buffer): string {
  return createHash('md5').update(bytes).digest('hex');
}

const as = (name: string, more: Record<string, string> = {}) => ({
  'X-Auth-Token': `token-${name}`,
  ...more,
});
const own = (more: Record<string, string>) => ({ ...alice, ...more });

let serial = 0;
async function freshContainer(headers: Record<string, string> = {}): Promise<string> {
  serial += 1;
  const path = `/c${serial}`;
  expect((await ask('PUT', path, own(headers))).status).toBe(201);
  return path;
}

describe('service endpoints', () => {
  test('TempAuth gives a token and the storage URL, or 401', async () => {
    const url = `${door.origin}/auth/v1.0`;
    const good = await ask('GET', url, { 'X-Auth-User': 'demo:alice', 'X-Auth-Key': 'alice-key' });
    expect(good.status).toBe(200);
    expect(good.headers.get('x-auth-token')).toBe('token-alice');
    expect(good.headers.get('x-storage-url')).toBe(base);
    const old = await ask('GET', url, {
      'X-Storage-User': 'demo:alice',
      'X-Storage-Pass': 'alice-key',
    });
    expect(old.status).toBe(200);
    const bad = await ask('GET', url, { 'X-Auth-User': 'demo:alice', 'X-Auth-Key': 'x' });
    expect(bad.status).toBe(401);
    expect((await ask('GET', url, {})).status).toBe(401);
  });

  test('info, health, and nothing else', async () => {
    const info = JSON.parse((await ask('GET', `${door.origin}/info`, {})).text);
    expect(info.swift.max_object_name_length).toBe(1024);
    expect(info.slo.max_manifest_segments).toBe(1000);
    expect((await ask('GET', `${door.origin}/healthcheck`, {})).text).toBe('OK');
    const nothing = await ask('GET', `${door.origin}/nothing`, {});
    expect(nothing.status).toBe(404);
    expect(nothing.text).toBe(
      '<html><h1>Not Found</h1><p>The resource could not be found.</p></html>',
    );
    expect(nothing.headers.get('x-trans-id')).toMatch(/^tx[0-9a-f]{21}-[0-9a-f]{10}$/);
    expect(nothing.headers.get('x-openstack-request-id')).toBe(nothing.headers.get('x-trans-id'));
  });
});

describe('accounts', () => {
  test('metadata is set, changed and removed', async () => {
    expect((await ask('POST', '', own({ 'X-Account-Meta-Colour': 'red' }))).status).toBe(204);
    expect((await ask('HEAD', '')).headers.get('x-account-meta-colour')).toBe('red');
    expect((await ask('POST', '', own({ 'X-Remove-Account-Meta-Colour': 'x' }))).status).toBe(204);
    expect((await ask('HEAD', '')).headers.has('x-account-meta-colour')).toBe(false);
    expect((await ask('PUT', '')).status).toBe(405);
  });

  test('containers are listed in every format', async () => {
    const admin = as('root');
    const url = `${door.origin}/v1/AUTH_listing`;
    expect((await ask('GET', url, admin)).status).toBe(204);
    for (const name of ['a', 'b<', 'c']) await ask('PUT', `${url}/${name}`, admin);
    await ask('PUT', `${url}/a/o`, admin, '12345');
    expect((await ask('GET', url, admin)).text).toBe('a\nb<\nc\n');
    const json = JSON.parse((await ask('GET', `${url}?format=json`, admin)).text);
    expect(json[0]).toMatchObject({ name: 'a', count: 1, bytes: 5 });
    const xml = await ask('GET', `${url}?format=xml&marker=a&limit=1`, admin);
    expect(xml.text).toContain('<container><name>b&lt;</name><count>0</count><bytes>0</bytes>');
    const head = await ask('HEAD', url, admin);
    expect(head.status).toBe(204);
    expect(head.headers.get('x-account-container-count')).toBe('3');
    expect(head.headers.get('x-account-bytes-used')).toBe('5');
    for (const limit of ['10001', '9'.repeat(30)]) {
      const over = await ask('GET', `${url}?limit=${limit}`, admin);
      expect([over.status, over.headers.get('content-type')]).toEqual([
        412,
        'text/html; charset=UTF-8',
      ]);
    }
    expect((await ask('GET', url, { ...admin, Accept: 'image/png' })).status).toBe(406);
    expect((await ask('GET', `${url}?reverse=true`, admin)).text).toBe('c\nb<\na\n');
  });
});

describe('containers', () => {
  test('PUT twice, POST, HEAD, DELETE', async () => {
    const path = await freshContainer({ 'X-Container-Meta-A': '1' });
    const again = await ask('PUT', path, own({ 'X-Container-Meta-B': '2' }));
    expect(again.status).toBe(202);
    expect((await ask('POST', path, own({ 'X-Container-Meta-A': '' }))).status).toBe(204);
    const head = await ask('HEAD', path);
    expect(head.status).toBe(204);
    expect(head.headers.has('x-container-meta-a')).toBe(false);
    expect(head.headers.get('x-container-meta-b')).toBe('2');
    expect(head.headers.get('x-container-object-count')).toBe('0');
    await ask('PUT', `${path}/o`, alice, 'x');
    expect((await ask('DELETE', path)).status).toBe(409);
    await ask('DELETE', `${path}/o`);
    expect((await ask('DELETE', path)).status).toBe(204);
    expect((await ask('HEAD', path)).status).toBe(404);
    expect((await ask('POST', path)).status).toBe(404);
    expect((await ask('DELETE', path)).status).toBe(404);
  });

  test('what is not offered is refused', async () => {
    expect((await ask('PUT', '/v', own({ 'X-Container-Sync-To': 'x' }))).status).toBe(400);
    expect((await ask('PUT', '/v', own({ 'X-Storage-Policy': 'gold' }))).status).toBe(400);
    expect((await ask('PUT', `/${'x'.repeat(257)}`)).status).toBe(400);
    expect((await ask('PATCH', '/v')).status).toBe(405);
  });

  test('listings have prefix, delimiter, marker, end_marker, path, reverse and limit', async () => {
    const path = await freshContainer();
    const names = ['a', 'd/1', 'd/2/x', 'e "q" é', 'z'];
    for (const name of names)
      await ask('PUT', `${path}/${encodeURIComponent(name)}`, own({ 'Content-Type': 'a/b' }), name);
    const list = async (query: string) => (await ask('GET', `${path}?${query}`)).text;
    expect(await list('')).toBe(`${names.join('\n')}\n`);
    expect(await list('delimiter=/')).toBe('a\nd/\ne "q" é\nz\n');
    expect(await list('delimiter=/&marker=d/')).toBe('e "q" é\nz\n');
    expect(await list('prefix=d/&delimiter=/')).toBe('d/1\nd/2/\n');
    expect(await list('path=d')).toBe('d/1\nd/2/\n');
    expect(await list('marker=a&end_marker=e')).toBe('d/1\nd/2/x\n');
    expect(await list('reverse=on&limit=2')).toBe('z\ne "q" é\n');
    expect((await ask('GET', `${path}?limit=0`)).status).toBe(204);
    const json = JSON.parse(await list('format=json&delimiter=/'));
    expect(json[1]).toEqual({ subdir: 'd/' });
    expect(json[2]).toMatchObject({ name: 'e "q" é', bytes: 8, content_type: 'a/b' });
    expect(json[2].hash).toBe(md5('e "q" é'));
    expect(json[2].last_modified).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/);
    const xml = await list('format=xml&prefix=e');
    expect(xml).toContain('<object><name>e &quot;q&quot; é</name>');
  });
});

describe('objects', () => {
  test('PUT, GET, HEAD, POST, DELETE', async () => {
    const path = `${await freshContainer()}/o`;
    const put = await ask(
      'PUT',
      path,
      own({ 'X-Object-Meta-Colour': 'r\u00c3\u00b6t', 'Content-Disposition': 'attachment' }),
      'hello',
    );
    expect(put.status).toBe(201);
    expect(put.headers.get('etag')).toBe(md5('hello'));
    const got = await ask('GET', path);
    expect(got.text).toBe('hello');
    expect(got.headers.get('x-object-meta-colour')).toBe('r\u00c3\u00b6t');
    expect(got.headers.get('content-disposition')).toBe('attachment');
    expect(got.headers.get('accept-ranges')).toBe('bytes');
    expect(got.headers.get('x-timestamp')).toMatch(/^\d{10}\.\d{5}$/);
    const head = await ask('HEAD', path);
    expect(head.status).toBe(200);
    expect(head.headers.get('content-length')).toBe('5');
    const post = await ask('POST', path, own({ 'X-Object-Meta-Other': 'x' }));
    expect(post.status).toBe(202);
    const after = await ask('HEAD', path);
    expect(after.headers.has('x-object-meta-colour')).toBe(false);
    expect(after.headers.has('content-disposition')).toBe(false);
    expect(after.headers.get('x-object-meta-other')).toBe('x');
    expect(after.headers.get('content-length')).toBe('5');
    expect((await ask('DELETE', path)).status).toBe(204);
    expect((await ask('DELETE', path)).status).toBe(404);
    expect((await ask('GET', path)).status).toBe(404);
    expect((await ask('POST', path)).status).toBe(404);
  });

  test('names that a router would tidy keep their form', async () => {
    const container = await freshContainer();
    const names = ['a//b', '../x', './y', 'a%2Fb', 'q%3Fz', '%E2%82%AC', '%25', 'a+b', ';x=1', 'é'];
    for (const name of names) {
      const put = await rawPut(`${container}/${name}`);
      expect(put, name).toBe(201);
    }
    const listed = (await ask('GET', container)).text.trimEnd().split('\n');
    expect(listed.sort()).toEqual(
      ['a//b', '../x', './y', 'a/b', 'q?z', '€', '%', 'a+b', ';x=1', 'é'].sort(),
    );
  });

  test('wrong ETags, missing lengths and bad metadata are refused', async () => {
    const container = await freshContainer();
    const put = (headers: Record<string, string>) =>
      ask('PUT', `${container}/o`, own(headers), 'x');
    expect((await put({ ETag: md5('y') })).status).toBe(422);
    expect((await ask('HEAD', `${container}/o`)).status).toBe(404);
    expect((await put({ ETag: `"${md5('x')}"` })).status).toBe(201);
    expect((await put({ 'If-None-Match': '*' })).status).toBe(412);
    expect((await put({ 'If-None-Match': 'abc' })).status).toBe(400);
    expect((await put({ [`X-Object-Meta-${'n'.repeat(129)}`]: 'x' })).status).toBe(400);
    expect((await put({ 'X-Object-Meta-N': 'v'.repeat(257) })).status).toBe(400);
    const many = Array.from({ length: 91 }, (_, n) => [`X-Object-Meta-N${n}`, 'x']);
    expect((await put(Object.fromEntries(many))).status).toBe(400);
    const large = Array.from({ length: 17 }, (_, n) => [`X-Object-Meta-N${n}`, 'v'.repeat(250)]);
    expect((await put(Object.fromEntries(large))).status).toBe(400);
    expect((await put({ 'X-Delete-At': '5' })).status).toBe(400);
    expect((await put({ 'X-Delete-After': 'x' })).text).toBe('Non-integer X-Delete-After');
    expect((await ask('PUT', `${container}/${'n'.repeat(1025)}`, alice, 'x')).status).toBe(400);
    expect((await ask('PUT', '/no-such/o', alice, 'x')).status).toBe(404);
  });

  test('an object with X-Delete-After tells when it goes', async () => {
    const path = `${await freshContainer()}/o`;
    await ask('PUT', path, own({ 'X-Delete-After': '1000' }), 'x');
    const at = Number((await ask('HEAD', path)).headers.get('x-delete-at'));
    expect(at).toBeGreaterThan(1_000_000_000);
  });

  test('conditional reads', async () => {
    const path = `${await freshContainer()}/o`;
    await ask('PUT', path, alice, 'x');
    const modified = (await ask('HEAD', path)).headers.get('last-modified') ?? '';
    const get = async (headers: Record<string, string>) =>
      (await ask('GET', path, own(headers))).status;
    expect(await get({ 'If-None-Match': md5('x') })).toBe(304);
    expect(await get({ 'If-None-Match': `"${md5('y')}", "${md5('x')}"` })).toBe(304);
    expect(await get({ 'If-None-Match': md5('y') })).toBe(200);
    expect(await get({ 'If-Match': md5('x') })).toBe(200);
    expect(await get({ 'If-Match': md5('y') })).toBe(412);
    expect(await get({ 'If-Modified-Since': modified })).toBe(304);
    expect(await get({ 'If-Modified-Since': 'Thu, 01 Jan 1970 00:00:00 GMT' })).toBe(200);
    expect(await get({ 'If-Unmodified-Since': 'Thu, 01 Jan 1970 00:00:00 GMT' })).toBe(412);
    expect(await get({ 'If-Unmodified-Since': modified })).toBe(200);
    expect(await get({ 'If-Modified-Since': 'nonsense' })).toBe(200);
  });

  test('ranges, one and several', async () => {
    const path = `${await freshContainer()}/o`;
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, at) => at % 251));
    await ask('PUT', path, own({ 'Content-Type': 'a/b' }), bytes);
    const get = (range: string) => ask('GET', path, own({ Range: range }));
    const one = await get('bytes=10-19');
    expect(one.status).toBe(206);
    expect(one.headers.get('content-range')).toBe('bytes 10-19/100000');
    expect(one.bytes).toEqual(bytes.subarray(10, 20));
    expect((await get('bytes=-5')).bytes).toEqual(bytes.subarray(99_995));
    expect((await get('bytes=99990-')).bytes).toEqual(bytes.subarray(99_990));
    const outside = await get('bytes=100000-');
    expect(outside.status).toBe(416);
    expect(outside.headers.get('content-range')).toBe('bytes */100000');
    expect((await get('lines=1-2')).status).toBe(200);
    const two = await get('bytes=0-3,99996-');
    expect(two.status).toBe(206);
    const boundary = /boundary=(.+)$/.exec(two.headers.get('content-type') ?? '')?.[1];
    expect(two.text.split(`--${boundary}`)).toHaveLength(4);
    expect(Number(two.headers.get('content-length'))).toBe(two.bytes.length);
    expect(two.bytes.includes(bytes.subarray(99_996))).toBe(true);
    const many = Array.from({ length: 60 }, (_, n) => `${n}-${n}`).join(',');
    expect((await get(`bytes=${many}`)).status).toBe(416);
  });

  test('copies, both ways of asking', async () => {
    const container = await freshContainer();
    const target = await freshContainer();
    await ask(
      'PUT',
      `${container}/o`,
      own({ 'X-Object-Meta-A': '1', 'Content-Type': 'a/b' }),
      'body',
    );
    const copy = await ask('COPY', `${container}/o`, own({ Destination: `${target}/p%20q` }));
    expect(copy.status).toBe(201);
    expect(copy.headers.get('x-copied-from')).toBe(`${container.slice(1)}/o`);
    const got = await ask('GET', `${target}/p%20q`);
    expect([got.text, got.headers.get('x-object-meta-a')]).toEqual(['body', '1']);
    const put = await ask(
      'PUT',
      `${target}/r`,
      own({ 'X-Copy-From': `${container}/o`, 'X-Fresh-Metadata': 'true', 'X-Object-Meta-B': '2' }),
    );
    expect(put.status).toBe(201);
    const fresh = await ask('HEAD', `${target}/r`);
    expect(fresh.headers.has('x-object-meta-a')).toBe(false);
    expect(fresh.headers.get('x-object-meta-b')).toBe('2');
    expect(fresh.headers.get('content-type')).toBe('a/b');
    expect((await ask('COPY', `${container}/o`)).status).toBe(412);
    const nowhere = await ask('COPY', `${container}/o`, own({ Destination: 'x' }));
    expect([nowhere.status, nowhere.headers.get('content-type')]).toEqual([
      412,
      'text/html; charset=UTF-8',
    ]);
    const none = { 'X-Copy-From': `${container}/none` };
    expect((await ask('PUT', `${target}/r`, own(none))).status).toBe(404);
    const self = await ask('COPY', `${container}/o`, own({ Destination: `${container}/o` }));
    expect(self.status).toBe(201);
    expect((await ask('GET', `${container}/o`)).text).toBe('body');
  });
});

describe('large objects', () => {
  const first = 'a'.repeat(1000);
  const second = 'b'.repeat(500);

  async function segments(): Promise<string> {
    const container = await freshContainer();
    await ask('PUT', `${container}/s/1`, alice, first);
    await ask('PUT', `${container}/s/2`, alice, second);
    return container;
  }

  const putSlo = (path: string, manifest: unknown, more: Record<string, string> = {}) =>
    ask('PUT', `${path}?multipart-manifest=put`, own(more), JSON.stringify(manifest));

  test('a static one is put, read in ranges, shown, copied and deleted with its segments', async () => {
    const container = await segments();
    const manifest = [
      { path: `${container}/s/1`, etag: md5(first), size_bytes: 1000 },
      { path: `${container}/s/2`, range: '0-99' },
      { data: Buffer.from('tail').toString('base64') },
    ];
    const etag = md5(`${md5(first)}${md5(second)}:0-99;${md5('tail')}`);
    const put = await putSlo(`${container}/big`, manifest, { ETag: etag });
    expect(put.text).toBe('');
    expect(put.status).toBe(201);
    expect(put.headers.get('etag')).toBe(`"${etag}"`);
    const whole = `${first}${'b'.repeat(100)}tail`;
    const got = await ask('GET', `${container}/big`);
    expect(got.text).toBe(whole);
    expect(got.headers.get('x-static-large-object')).toBe('True');
    expect(got.headers.get('etag')).toBe(`"${etag}"`);
    const head = await ask('HEAD', `${container}/big`);
    expect(head.headers.get('content-length')).toBe('1104');
    const range = await ask('GET', `${container}/big`, own({ Range: 'bytes=998-1101' }));
    expect(range.text).toBe(whole.slice(998, 1102));
    const seen = await ask('GET', `${container}/big`, own({ 'If-None-Match': etag }));
    expect(seen.status).toBe(304);
    const shown = await ask('GET', `${container}/big?multipart-manifest=get`);
    expect(shown.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(JSON.parse(shown.text)[1]).toMatchObject({ name: `${container}/s/2`, range: '0-99' });
    const raw = await ask('GET', `${container}/big?multipart-manifest=get&format=raw`);
    expect(JSON.parse(raw.text)[0]).toEqual({ ...manifest[0] });
    const listed = JSON.parse((await ask('GET', `${container}?format=json&prefix=big`)).text);
    expect(listed[0]).toMatchObject({ bytes: 1104, slo_etag: `"${etag}"` });
    await ask('COPY', `${container}/big`, own({ Destination: `${container}/flat` }));
    const flat = await ask('GET', `${container}/flat`);
    expect(flat.text).toBe(whole);
    expect(flat.headers.has('x-static-large-object')).toBe(false);
    const nested = [{ path: `${container}/big`, range: '995-1004' }, { path: `${container}/flat` }];
    expect((await putSlo(`${container}/outer`, nested)).status).toBe(201);
    expect((await ask('GET', `${container}/outer`)).text).toBe(whole.slice(995, 1005) + whole);
    const gone = await ask('DELETE', `${container}/outer?multipart-manifest=delete`, {
      ...alice,
      Accept: 'application/json',
    });
    expect(JSON.parse(gone.text)).toMatchObject({ 'Number Deleted': 5, Errors: [] });
    expect((await ask('GET', container)).status).toBe(204);
  });

  test('a manifest that fits nothing is refused with what is wrong', async () => {
    const container = await segments();
    const put = (manifest: unknown) => putSlo(`${container}/big`, manifest);
    expect((await put('x')).text).toBe('Manifest must be a list.\n');
    expect((await put([{ path: 'x' }])).text).toContain('Index 0: path does not refer');
    expect((await put([{ path: '/a/b', more: 1 }])).text).toContain('extraneous keys "more"');
    expect((await put([{ data: '!' }])).text).toContain('data must be valid base64');
    expect((await put([{ data: 'eA==' }])).text).toContain('at least one object-backed');
    expect((await put([{ path: `${container}/big` }])).text).toContain('must not include itself');
    const missing = await put([{ path: `${container}/none` }]);
    expect([missing.status, missing.text]).toEqual([
      400,
      `Errors:\n${container}/none, 404 Not Found\n`,
    ]);
    const mismatch = await put([{ path: `${container}/s/1`, size_bytes: 5, etag: 'x' }]);
    expect(mismatch.text).toContain('Size Mismatch');
    expect(mismatch.text).toContain('Etag Mismatch');
    const beyond = await put([{ path: `${container}/s/2`, range: '500-' }]);
    expect(beyond.text).toContain('Unsatisfiable Range');
    const wrongEtag = await putSlo(`${container}/big`, [{ path: `${container}/s/1` }], {
      ETag: 'x',
    });
    expect(wrongEtag.status).toBe(422);
    const many = Array.from({ length: 1001 }, () => ({ path: `${container}/s/1` }));
    expect((await put(many)).status).toBe(413);
  });

  test('a segment that changed is noticed before anything is sent', async () => {
    const container = await segments();
    await putSlo(`${container}/big`, [{ path: `${container}/s/1` }]);
    await ask('PUT', `${container}/s/1`, alice, 'other');
    expect((await ask('GET', `${container}/big`)).status).toBe(409);
  });

  test('a manifest that ends up within itself ends', async () => {
    const container = await segments();
    await putSlo(`${container}/x`, [{ path: `${container}/s/1` }]);
    for (let depth = 0; depth < 11; depth++) {
      const inner = depth === 0 ? `${container}/x` : `${container}/n${depth - 1}`;
      expect((await putSlo(`${container}/n${depth}`, [{ path: inner }])).status).toBe(201);
    }
    expect((await ask('GET', `${container}/n5`)).text).toBe(first);
    expect((await ask('GET', `${container}/n10`)).status).toBe(409);
  });

  test('a dynamic one is whatever lies under its prefix', async () => {
    const container = await segments();
    const manifest = { 'X-Object-Manifest': `${container.slice(1)}/s/` };
    expect((await ask('PUT', `${container}/dyn`, own(manifest), '')).status).toBe(201);
    const got = await ask('GET', `${container}/dyn`);
    expect(got.text).toBe(first + second);
    expect(got.headers.get('etag')).toBe(`"${md5(md5(first) + md5(second))}"`);
    expect(got.headers.get('x-object-manifest')).toBe(manifest['X-Object-Manifest']);
    await ask('PUT', `${container}/s/3`, alice, 'c');
    expect((await ask('HEAD', `${container}/dyn`)).headers.get('content-length')).toBe('1501');
    const range = await ask('GET', `${container}/dyn`, own({ Range: 'bytes=1498-' }));
    expect(range.text).toBe('bbc');
    const bad = { 'X-Object-Manifest': 'no-slash' };
    expect((await ask('PUT', `${container}/dyn`, own(bad), '')).status).toBe(400);
  });
});

describe('bulk delete', () => {
  test('deletes objects, then containers, and reports', async () => {
    const container = await freshContainer();
    await ask('PUT', `${container}/a%20b`, alice, 'x');
    const other = await freshContainer();
    await ask('PUT', `${other}/o`, alice, 'x');
    const body = `${container}\n${container}/a%20b\n${container}/none\n${other}\n`;
    const headers = own({ 'Content-Type': 'text/plain', Accept: 'application/json' });
    const report = JSON.parse((await ask('POST', '?bulk-delete', headers, body)).text);
    expect(report).toMatchObject({
      'Response Status': '400 Bad Request',
      'Number Deleted': 2,
      'Number Not Found': 1,
      Errors: [[other, '409 Conflict']],
    });
    const text = await ask('POST', '?bulk-delete', own({ 'Content-Type': 'text/plain' }), '');
    expect(text.text).toContain('Response Body: Invalid bulk delete.');
  });
});

describe('access', () => {
  test('without a right there is 401 or 403, whether or not it exists', async () => {
    const path = await freshContainer();
    await ask('PUT', `${path}/o`, alice, 'x');
    for (const target of [path, `${path}/o`, '/none', '/none/o', '']) {
      const anonymous = await ask('GET', target, {});
      expect(anonymous.status, target).toBe(401);
      expect(anonymous.headers.get('www-authenticate')).toBe('Swift realm="AUTH_id-demo"');
      expect((await ask('GET', target, as('forged'))).status).toBe(401);
      expect((await ask('GET', target, as('bob'))).status).toBe(403);
    }
    expect((await ask('DELETE', path, as('ron'))).status).toBe(403);
    expect((await ask('DELETE', `${path}/o`, as('ron'))).status).toBe(403);
    expect((await ask('DELETE', `${path}/o`, as('bob'))).status).toBe(403);
    expect((await ask('GET', `${path}/o`, as('ron'))).status).toBe(200);
    expect((await ask('PUT', `${path}/o`, as('ron'), 'x')).status).toBe(403);
    expect((await ask('PUT', `${path}/o`, as('root'), 'x')).status).toBe(201);
  });

  test('ACLs let others in, and no further', async () => {
    const path = await freshContainer({ 'X-Container-Read': '.r:*' });
    await ask('PUT', `${path}/o`, alice, 'x');
    expect((await ask('GET', `${path}/o`, {})).status).toBe(200);
    expect((await ask('GET', path, {})).status).toBe(401);
    await ask('POST', path, own({ 'X-Container-Read': '.r:*, .rlistings' }));
    const listing = await ask('GET', path, {});
    expect(listing.status).toBe(200);
    expect(listing.headers.has('x-container-read')).toBe(false);
    expect((await ask('HEAD', path)).headers.get('x-container-read')).toBe('.r:*,.rlistings');
    await ask(
      'POST',
      path,
      own({ 'X-Container-Read': 'other:bob', 'X-Container-Write': '*:id-bob' }),
    );
    expect((await ask('GET', `${path}/o`, {})).status).toBe(401);
    expect((await ask('GET', path, as('bob'))).status).toBe(200);
    expect((await ask('PUT', `${path}/p`, as('bob'), 'y')).status).toBe(201);
    expect((await ask('DELETE', `${path}/p`, as('bob'))).status).toBe(204);
    expect((await ask('POST', path, as('bob'))).status).toBe(403);
    await ask('POST', path, own({ 'X-Remove-Container-Read': 'x', 'X-Container-Write': '' }));
    expect((await ask('GET', path, as('bob'))).status).toBe(403);
    expect((await ask('POST', path, own({ 'X-Container-Read': '.x:y' }))).status).toBe(400);
    expect((await ask('POST', path, own({ 'X-Container-Write': '.r:*' }))).status).toBe(400);
    await ask('POST', path, own({ 'X-Container-Read': '.r:.example.com,.r:-bad.example.com' }));
    const from = (referer: string) =>
      ask('GET', `${path}/o`, { Referer: referer }).then(({ status }) => status);
    expect(await from('http://www.example.com/page')).toBe(200);
    expect(await from('http://bad.example.com/page')).toBe(401);
    expect(await from('http://example.org/')).toBe(401);
  });

  test('a copy needs the right to read its source', async () => {
    const path = await freshContainer();
    await ask('PUT', `${path}/o`, alice, 'secret');
    const bobs = `${door.origin}/v1/AUTH_id-other/mine`;
    await ask('PUT', bobs, as('bob'));
    const from = { 'X-Copy-From': `${path}/o`, 'X-Copy-From-Account': 'AUTH_id-demo' };
    expect((await ask('PUT', `${bobs}/o`, as('bob', from))).status).toBe(403);
    const into = { Destination: '/mine/o', 'Destination-Account': 'AUTH_id-other' };
    expect((await ask('COPY', `${path}/o`, own(into))).status).toBe(403);
    await ask('POST', path, own({ 'X-Container-Read': 'other:*' }));
    expect((await ask('PUT', `${bobs}/o`, as('bob', from))).status).toBe(201);
  });
});

/** fetch tidies paths, so odd ones go over http directly. */
async function rawPut(path: string): Promise<number> {
  const { request } = await import('node:http');
  return await new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port: door.port,
        method: 'PUT',
        path: `/v1/AUTH_id-demo${encodeURI(path).replaceAll('%25', '%')}`,
        headers: { ...alice, 'Content-Length': 1 },
      },
      (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      },
    );
    sent.on('error', reject);
    sent.end('x');
  });
}
