/** Temporary URLs and forms: what a signature gives, and that it gives nothing more. */
import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SwiftClient } from '../../testing/swift-client.ts';

let client: SwiftClient;
const account = '/v1/AUTH_id-demo';

beforeAll(async () => {
  client = await SwiftClient.open();
  await client.ask('POST', '', { headers: { 'X-Account-Meta-Temp-Url-Key': 'account-key' } });
  await client.put('/box', '', { 'X-Container-Meta-Temp-Url-Key-2': 'box-key' });
  await client.put('/vault', '');
  await client.put('/box/o', 'hello', {
    'X-Object-Meta-Secret': 's',
    'X-Object-Meta-Public-A': 'a',
  });
  await client.put('/box/dir/p', 'below');
  await client.put('/vault/o', 'treasure');
});
afterAll(() => client.close());

const later = () => Math.floor(Date.now() / 1000) + 600;

interface Signing {
  readonly method?: string;
  readonly key?: string;
  readonly digest?: string;
  readonly expires?: number;
  readonly prefix?: string;
  readonly ip?: string;
  readonly encode?: (bytes: Buffer) => string;
}

function signed(path: string, options: Signing = {}): string {
  const { method = 'GET', key = 'account-key', digest = 'sha256', expires = later() } = options;
  const target =
    options.prefix === undefined
      ? path
      : `prefix:${path.split('/').slice(0, 4).join('/')}/${options.prefix}`;
  const lines = [...(options.ip ? [`ip=${options.ip}`] : []), method, expires, target];
  const bytes = createHmac(digest, key).update(lines.join('\n')).digest();
  const signature = (options.encode ?? ((each) => each.toString('hex')))(bytes);
  const query = new URLSearchParams({ temp_url_sig: signature, temp_url_expires: `${expires}` });
  if (options.prefix !== undefined) query.set('temp_url_prefix', options.prefix);
  if (options.ip) query.set('temp_url_ip_range', options.ip);
  return `${path}?${query}`;
}

const anyone = { as: null };

describe('temporary URLs', () => {
  test('one method on one object, until a time', async () => {
    const url = signed(`${account}/box/o`);
    const answer = await client.ask('GET', url, anyone);
    expect([answer.status, answer.text]).toEqual([200, 'hello']);
    expect(answer.headers.get('content-disposition')).toBe(
      `attachment; filename="o"; filename*=UTF-8''o`,
    );
    expect(answer.headers.get('expires')).toMatch(/GMT$/);
    expect(answer.headers.get('x-object-meta-secret')).toBeNull();
    expect(answer.headers.get('x-object-meta-public-a')).toBe('a');
    expect(await client.status('HEAD', url, anyone)).toBe(200);
    for (const method of ['PUT', 'POST', 'DELETE', 'COPY'])
      expect(await client.status(method, url, anyone)).toBe(401);
    const past = signed(`${account}/box/o`, { expires: later() - 700 });
    expect((await client.ask('GET', past, anyone)).text).toBe(
      '401 Unauthorized: Temp URL invalid\n',
    );
    expect(await client.status('GET', url.replace('/box/o', '/vault/o'), anyone)).toBe(401);
  });

  test('digests in hex and base64; sha1 not unless settings say so', async () => {
    const base64 = (name: string) => (bytes: Buffer) => `${name}:${bytes.toString('base64url')}`;
    for (const options of [
      { digest: 'sha512' },
      { digest: 'sha256', encode: base64('sha256') },
      { digest: 'sha512', encode: base64('sha512') },
    ])
      expect(await client.status('GET', signed(`${account}/box/o`, options), anyone)).toBe(200);
    for (const options of [
      { digest: 'sha1' },
      { digest: 'sha1', encode: base64('sha1') },
      { digest: 'sha256', encode: base64('sha512') },
      { encode: () => '' },
      { encode: () => 'zz' },
    ])
      expect(await client.status('GET', signed(`${account}/box/o`, options), anyone)).toBe(401);
  });

  test('a prefix, an address range, a name for the file, inline', async () => {
    const below = signed(`${account}/box/dir/p`, { prefix: 'dir/' });
    expect((await client.ask('GET', below, anyone)).text).toBe('below');
    expect(await client.status('GET', below.replace('/dir/p', '/o'), anyone)).toBe(401);
    const here = signed(`${account}/box/o`, { ip: '127.0.0.0/8' });
    expect(await client.status('GET', here, anyone)).toBe(200);
    expect(await client.status('GET', here.replace(/&temp_url_ip_range.*/, ''), anyone)).toBe(401);
    for (const ip of ['10.0.0.0/8', '127.0.0.1/99', 'x', '::1', '::/64'])
      expect(await client.status('GET', signed(`${account}/box/o`, { ip }), anyone)).toBe(401);
    const named = `${signed(`${account}/box/o`)}&filename=a%22b%0a&inline`;
    const { headers } = await client.ask('GET', named, anyone);
    expect(headers.get('content-disposition')).toBe(
      `inline; filename="a%22b%0A"; filename*=UTF-8''a%22b%0A`,
    );
  });

  test('a container’s key reaches no other container', async () => {
    const key = 'box-key';
    expect(await client.status('GET', signed(`${account}/box/o`, { key }), anyone)).toBe(200);
    expect(await client.status('GET', signed(`${account}/vault/o`, { key }), anyone)).toBe(401);
    const put = signed(`${account}/box/new`, { method: 'PUT', key });
    expect(await client.status('PUT', put, { ...anyone, body: 'x' })).toBe(201);
  });

  test('no header makes a signed PUT reach another object', async () => {
    const put = signed(`${account}/box/stolen`, { method: 'PUT' });
    const forms: Record<string, string>[] = [
      { 'X-Copy-From': 'vault/o' },
      { 'X-Copy-From': 'vault/o', 'X-Copy-From-Account': 'AUTH_id-demo' },
      { 'X-Object-Manifest': 'vault/o' },
      { 'X-Symlink-Target': 'vault/o' },
    ];
    for (const headers of forms)
      expect(await client.status('PUT', put, { ...anyone, headers, body: '' })).toBe(400);
    expect(await client.status('GET', '/box/stolen')).toBe(404);
    const manifest = JSON.stringify([{ path: '/vault/o' }]);
    const slo = `${put}&multipart-manifest=put`;
    expect(await client.status('PUT', slo, { ...anyone, body: manifest })).toBe(201);
    // It was stored as the bytes that it is: no other part of the query counts.
    expect((await client.ask('GET', '/box/stolen')).text).toBe(manifest);
    const remove = `${signed(`${account}/box/stolen`, { method: 'DELETE' })}&multipart-manifest=delete`;
    expect(await client.status('DELETE', remove, anyone)).toBe(204);
    expect(await client.status('GET', '/vault/o')).toBe(200);
  });
});

interface Form {
  readonly fields?: Record<string, string>;
  readonly files?: readonly (readonly [string, string])[];
  readonly key?: string;
  readonly path?: string;
}

async function post(form: Form) {
  const { path = `${account}/box/up-`, key = 'account-key' } = form;
  const fields: Record<string, string> = {
    redirect: '',
    max_file_size: '100',
    max_file_count: '2',
    expires: String(later()),
    ...form.fields,
  };
  const { redirect, max_file_size: size, max_file_count: count, expires } = fields;
  const text = [path, redirect, size, count, expires].join('\n');
  fields.signature ??= createHmac('sha256', key).update(text).digest('hex');
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.append(name, value);
  for (const [name, content] of form.files ?? [['f', 'content']])
    data.append('file', new Blob([content], { type: 'text/plain' }), name);
  const response = await fetch(`${client.door.origin}${path}`, {
    method: 'POST',
    body: data,
    redirect: 'manual',
  });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

describe('forms', () => {
  test('files become objects below the path, with their types', async () => {
    const files = [
      ['one', '1'],
      ['two', '22'],
    ] as const;
    expect(await post({ files })).toMatchObject({ status: 201, text: '201 Created' });
    const two = await client.ask('GET', '/box/up-two');
    expect([two.text, two.headers.get('content-type')]).toEqual(['22', 'text/plain']);
  });

  test('goes where it was told, with what came of it', async () => {
    const answer = await post({ fields: { redirect: 'http://example.com/?a=1' } });
    expect(answer.status).toBe(303);
    expect(answer.headers.get('location')).toBe('http://example.com/?a=1&status=201&message=');
  });

  test('too many, too large, too late, badly signed, by a key of elsewhere', async () => {
    const many = [
      ['a', '1'],
      ['b', '2'],
      ['c', '3'],
    ] as const;
    expect(await post({ files: many })).toMatchObject({ status: 400 });
    expect(await post({ files: [['big', 'x'.repeat(101)]] })).toMatchObject({
      status: 400,
      text: 'FormPost: max_file_size exceeded',
    });
    expect(await post({ fields: { x_delete_at: '' } })).toMatchObject({
      status: 400,
      text: 'FormPost: x_delete_at not an integer: Unix timestamp required.',
    });
    expect(await client.status('GET', '/box/up-big')).toBe(404);
    expect(await post({ fields: { expires: '1' } })).toMatchObject({
      status: 401,
      text: 'FormPost: Form Expired',
    });
    expect(await post({ fields: { signature: '00' } })).toMatchObject({ status: 401 });
    expect(await post({ key: 'box-key', path: `${account}/vault/` })).toMatchObject({
      status: 401,
    });
    expect(await post({ files: [] })).toMatchObject({ status: 400 });
    expect(await post({ fields: { max_file_size: 'x' } })).toMatchObject({ status: 400 });
  });

  test('a form that is none, or ends in the middle, is refused and leaves nothing', async () => {
    const headers = { 'Content-Type': 'multipart/form-data; boundary=b' };
    for (const body of [
      '',
      'nonsense',
      '--b\r\nContent-Disposition: form-data; name="x"\r\n\r\nab',
    ])
      expect(await client.status('POST', '/box', { ...anyone, headers, body })).toBe(400);
  });
});
