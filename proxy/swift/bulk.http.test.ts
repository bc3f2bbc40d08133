/** Archives that are put as their files; lists of names to delete; manifests that take long. */
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { md5, SwiftClient } from '../testing/swift-client.ts';

let client: SwiftClient;
beforeAll(async () => {
  client = await SwiftClient.open({ extractFailuresMax: 5 });
});
afterAll(() => client.close());

const json = { Accept: 'application/json' };

async function tar(
  files: Readonly<Record<string, string>>,
  pax?: Record<string, string>,
): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of Object.entries(files))
    archive.entry({ name, ...(pax === undefined ? {} : { pax }) }, content);
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}

async function extract(path: string, kind: string, body: Buffer, as = 'alice') {
  const answer = await client.ask('PUT', `${path}?extract-archive=${kind}`, {
    as,
    headers: json,
    body,
  });
  return JSON.parse(answer.text);
}

describe('archives', () => {
  test('plain and compressed, into one container or several', async () => {
    const path = await client.container();
    const plain = await tar({ './a/b.txt': 'b', 'c.txt': 'c' });
    expect(await extract(path, 'tar', plain)).toEqual({
      'Response Status': '201 Created',
      'Response Body': '',
      'Number Files Created': 2,
      Errors: [],
    });
    expect(await client.names(path)).toEqual(['a/b.txt', 'c.txt']);
    await extract(`${path}/below`, 'tar.gz', gzipSync(plain));
    expect((await client.ask('GET', `${path}/below/a/b.txt`)).text).toBe('b');
    expect(await extract('', 'tar', await tar({ 'made/x': '1', top: 'ignored' }))).toMatchObject({
      'Number Files Created': 1,
    });
    expect((await client.ask('GET', '/made/x')).text).toBe('1');
  });

  test('with bzip2, as the program makes it', async () => {
    const { execFileSync } = await import('node:child_process');
    const path = await client.container();
    const body = execFileSync('bzip2', ['-c'], { input: await tar({ big: 'z'.repeat(100_000) }) });
    expect(await extract(path, 'tar.bz2', body)).toMatchObject({ 'Number Files Created': 1 });
    expect((await client.ask('GET', `${path}/big`)).bytes.length).toBe(100_000);
  });

  test('extended attributes become metadata', async () => {
    const path = await client.container();
    const pax = {
      'SCHILY.xattr.user.mime_type': 'text/css',
      'SCHILY.xattr.user.meta.Colour': 'röt',
    };
    await extract(path, 'tar', await tar({ f: 'x' }, pax));
    const { headers } = await client.ask('HEAD', `${path}/f`);
    expect(headers.get('content-type')).toBe('text/css');
    expect(Buffer.from(headers.get('x-object-meta-colour') ?? '', 'latin1').toString()).toBe('röt');
  });

  test('what is no archive, or ends early, is told', async () => {
    const path = await client.container();
    const whole = gzipSync(await tar({ f: 'x'.repeat(50_000) }));
    for (const [kind, body] of [
      ['tar', Buffer.from('nonsense'.repeat(200))],
      ['tar.gz', Buffer.from('nonsense')],
      ['tar.gz', whole.subarray(0, whole.length / 2)],
      ['tar.bz2', Buffer.from('BZh9nonsense')],
      ['tar', Buffer.alloc(1024)],
    ] as const)
      expect(await extract(path, kind, body)).toMatchObject({
        'Response Status': '400 Bad Request',
      });
    expect(await client.status('PUT', `${path}?extract-archive=zip`, { body: '' })).toBe(400);
  });

  test('who may not write gets nothing in, and too many failures end it', async () => {
    const path = await client.container();
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`f${n}`, 'x']));
    const refused = await extract(path, 'tar', await tar(many), 'bob');
    expect(refused['Number Files Created']).toBe(0);
    expect(refused.Errors.length).toBeLessThanOrEqual(6);
    expect(await client.names(path)).toEqual([]);
  });
});

describe('lists of names', () => {
  test('are deleted, objects before containers, and told one by one', async () => {
    const path = await client.container();
    await client.put(`${path}/ä b`, 'x');
    const body = [path, `${path}/%C3%A4%20b`, `${path}/none`, '%FF'].join('\n');
    const headers = { ...json, 'Content-Type': 'text/plain' };
    const answer = await client.ask('POST', '?bulk-delete', { headers, body });
    expect(JSON.parse(answer.text)).toEqual({
      'Response Status': '400 Bad Request',
      'Response Body': '',
      'Number Deleted': 2,
      'Number Not Found': 1,
      Errors: [['%FF', '412 Precondition Failed']],
    });
    expect(await client.status('HEAD', path)).toBe(404);
  });
});

describe('static large objects', () => {
  async function large(): Promise<string> {
    const path = await client.container();
    const segments = [];
    for (const [name, body] of [
      ['1', 'aaa'],
      ['2', 'bbbb'],
    ] as const) {
      await client.put(`${path}/s${name}`, body);
      segments.push({ path: `${path}/s${name}`, etag: md5(body), size_bytes: body.length });
    }
    await client.put(`${path}/big?multipart-manifest=put`, JSON.stringify(segments));
    return path;
  }

  test('a heartbeat keeps the client waiting, and the end says what came of it', async () => {
    const path = await large();
    const put = (segment: string) =>
      client.ask('PUT', `${path}/beat?multipart-manifest=put&heartbeat=on`, {
        headers: json,
        body: JSON.stringify([{ path: `${path}/${segment}` }]),
      });
    const good = await put('s1');
    expect(good.status).toBe(202);
    expect(JSON.parse(good.text)).toMatchObject({ 'Response Status': '201 Created', Errors: [] });
    expect(JSON.parse((await put('none')).text)).toMatchObject({
      'Response Status': '400 Bad Request',
      Errors: [[`${path}/none`, '404 Not Found']],
    });
  });

  test('what is wrong with a manifest is told as Swift tells it', async () => {
    const path = await large();
    const put = async (body: string) => {
      const answer = await client.ask('PUT', `${path}/m?multipart-manifest=put`, { body });
      return [answer.status, answer.headers.get('content-type'), answer.text];
    };
    const html = 'text/html; charset=UTF-8';
    expect(await put('nonsense')).toEqual([400, html, 'Manifest must be valid JSON.\n']);
    expect(await put('{}')).toEqual([400, html, 'Manifest must be a list.\n']);
    const short = { path: `${path}/s1`, size_bytes: 3 };
    const say = async (...segments: readonly object[]) => await put(JSON.stringify(segments));
    expect(await say({ ...short, range: '5-9' })).toEqual([
      400,
      'text/plain',
      'Index 0: unsatisfiable range\n',
    ]);
    expect((await say({ ...short, size_bytes: -1 }, short))[2]).toBe(
      'Index 0: too small; each segment must be at least 1 byte.\n',
    );
    // Segments go by the name that the client gave them.
    const bare = path.slice(1);
    const missing = await say({ path: `${bare}/none` }, { path: `/${bare}/none` });
    expect(missing[2]).toBe(`Errors:\n${bare}/none, 404 Not Found\n/${bare}/none, 404 Not Found\n`);
  });

  test('a part by its number', async () => {
    const path = await large();
    const second = await client.ask('GET', `${path}/big?part-number=2`);
    expect([second.status, second.text, second.headers.get('x-parts-count')]).toEqual([
      206,
      'bbbb',
      '2',
    ]);
    expect(await client.status('GET', `${path}/big?part-number=3`)).toBe(416);
    expect(await client.status('GET', `${path}/big?part-number=0`)).toBe(400);
  });

  test('deleted later: gone at once, its segments too', async () => {
    const path = await large();
    const all = `${path}/big?multipart-manifest=delete&async=yes`;
    expect(await client.status('DELETE', all)).toBe(204);
    for (const name of ['big', 's1', 's2'])
      expect(await client.status('GET', `${path}/${name}`)).toBe(404);
  });

  test('a copied manifest needs the right to its segments', async () => {
    const path = await large();
    const raw = { 'X-Copy-From': `${path}/big` };
    await client.put(`${path}/copy?multipart-manifest=get`, '', raw);
    expect((await client.ask('GET', `${path}/copy`)).text).toBe('aaabbbb');
    await client.put(`${path}/flat`, '', raw);
    const flat = await client.ask('HEAD', `${path}/flat`);
    expect(flat.headers.get('x-static-large-object')).toBeNull();
    const reserved = { 'X-Static-Large-Object': 'True' };
    expect(await client.status('PUT', `${path}/x`, { headers: reserved, body: '' })).toBe(400);
  });
});
