/** ETags in quotes, and names that the operator will not have. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SwiftClient } from '../../testing/swift-client.ts';
import { defaultPipeline } from '../settings.ts';

let client: SwiftClient;
beforeAll(async () => {
  client = await SwiftClient.open({
    pipeline: `name-check ${defaultPipeline}`,
    nameForbiddenPattern: '/draft-\\d+$',
  });
});
afterAll(() => client.close());

describe('ETags', () => {
  const bare = '5d41402abc4b2a76b9719d911017c592';
  const etagOf = async (path: string, method = 'HEAD') =>
    (await client.ask(method, path)).headers.get('etag');
  const say = (path: string, headers: Record<string, string>) =>
    client.status('POST', path, { headers });

  test('are in quotes where the container says so, or else the account', async () => {
    const path = await client.container();
    await client.put(`${path}/o`, 'hello');
    expect(await etagOf(`${path}/o`)).toBe(bare);
    expect(await say('', { 'X-Account-Rfc-Compliant-Etags': 'yes' })).toBe(204);
    const account = await client.ask('HEAD', '');
    expect(account.headers.get('x-account-rfc-compliant-etags')).toBe('True');
    expect(await etagOf(`${path}/o`, 'GET')).toBe(`"${bare}"`);
    const written = await client.put(`${path}/o`, 'hello', { ETag: `"${bare}"` });
    expect(written.headers.get('etag')).toBe(`"${bare}"`);
    expect(await say(path, { 'X-Container-Rfc-Compliant-Etags': 'no' })).toBe(204);
    expect((await client.ask('HEAD', path)).headers.get('x-container-rfc-compliant-etags')).toBe(
      'False',
    );
    expect(await etagOf(`${path}/o`)).toBe(bare);
    await say(path, { 'X-Remove-Container-Rfc-Compliant-Etags': 'x' });
    expect(await etagOf(`${path}/o`)).toBe(`"${bare}"`);
    await say('', { 'X-Account-Rfc-Compliant-Etags': '' });
    expect(await etagOf(`${path}/o`)).toBe(bare);
  });

  test('that hold conditions are taken with quotes and without', async () => {
    const path = await client.container({ 'X-Container-Rfc-Compliant-Etags': 'true' });
    await client.put(`${path}/o`, 'hello');
    for (const tag of [bare, `"${bare}"`]) {
      const headers = { 'If-None-Match': tag };
      const same = await client.ask('GET', `${path}/o`, { headers });
      expect([same.status, same.headers.get('etag')]).toEqual([304, `"${bare}"`]);
    }
  });
});

describe('names', () => {
  test('are refused by character, length and pattern', async () => {
    const path = await client.container();
    const refused = async (name: string) => {
      const { status, text } = await client.ask('PUT', `${path}/${name}`, { body: '' });
      return `${status} ${text}`;
    };
    expect(await refused('a%3Cb')).toMatch(/^400 .*forbidden chars from '"`<>$/);
    expect(await refused('n'.repeat(255))).toMatch(/^400 .*allowed maximum 255$/);
    expect(await refused('draft-7')).toMatch(/^400 .*forbidden substring/);
    expect(await refused('a%20b')).toMatch(/^201/);
  });

  test('what is no regular expression is refused at the start', async () => {
    const pipeline = 'name-check';
    await expect(SwiftClient.open({ pipeline, nameForbiddenPattern: '(' })).rejects.toMatchObject({
      code: 'bad-settings',
    });
  });
});
