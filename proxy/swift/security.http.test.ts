/**
 * What was reported against Swift itself (its 2.38 release) and must not be so here: copies by signed URLs, bodies that keep a server
 * in a loop, headers of its own that clients send along, expressions that backtrack, copies by headers of control.
 */
import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exchangeRaw } from '../testing/raw-http.ts';
import { SwiftClient } from '../testing/swift-client.ts';

let client: SwiftClient;
beforeAll(async () => {
  client = await SwiftClient.open();
  await client.put('/vault', '');
  await client.put('/vault/o', 'treasure');
  await client.put('/open', '', { 'X-Container-Meta-Temp-Url-Key': 'key' });
});
afterAll(() => client.close());

test('a signed PUT copies nothing', async () => {
  const path = '/v1/AUTH_id-demo/open/x';
  const expires = Math.floor(Date.now() / 1000) + 60;
  const signature = createHmac('sha256', 'key').update(`PUT\n${expires}\n${path}`).digest('hex');
  const url = `${path}?temp_url_sig=${signature}&temp_url_expires=${expires}`;
  const headers = { 'X-Copy-From': 'vault/o', 'Content-Length': '0' };
  expect(await client.status('PUT', url, { as: null, headers })).toBe(400);
  expect(await client.status('HEAD', '/open/x')).toBe(404);
});

describe('bodies in chunks', () => {
  test('that are none end the request', async () => {
    for (const chunk of [
      'zz\r\nabc\r\n',
      '-1\r\n',
      'ffffffffffffffffff\r\n',
      '3\r\nabcdef\r\n',
      '\r\n\r\n',
    ]) {
      const request =
        `PUT /v1/AUTH_id-demo/open/chunks HTTP/1.1\r\nHost: x\r\nX-Auth-Token: token-alice\r\n` +
        `Transfer-Encoding: chunked\r\n\r\n${chunk}`;
      const answer = await exchangeRaw(client.door.port, [request], { silenceMs: 100 });
      expect(answer).not.toMatch(/^HTTP\/1.1 2/);
    }
    expect(await client.status('HEAD', '/open/chunks')).toBe(404);
  });
});

test('headers of the inside do nothing, and are never answered', async () => {
  const inside = {
    'X-Container-Host': '127.0.0.1:1',
    'X-Container-Partition': '1',
    'X-Container-Device': 'sda',
    'X-Account-Host': '127.0.0.1:1',
    'X-Delete-At-Host': '127.0.0.1:1',
    'X-Backend-Storage-Policy-Index': '1',
    'X-Backend-Allow-Reserved-Names': 'true',
    'X-Object-Sysmeta-Slo-Etag': 'x',
    'X-Object-Sysmeta-Symlink-Target': 'vault/o',
    'X-Object-Transient-Sysmeta-A': 'x',
    'X-Container-Sysmeta-Versions-Location': 'vault',
    'X-Timestamp': '0000000001.00000',
  };
  const put = await client.ask('PUT', '/open/inside', { headers: inside, body: 'own' });
  expect(put.status).toBe(201);
  await client.ask('POST', '/open', { headers: inside });
  const got = await client.ask('GET', '/open/inside');
  expect(got.text).toBe('own');
  expect(Number(got.headers.get('x-timestamp'))).toBeGreaterThan(1e9);
  const box = await client.ask('HEAD', '/open');
  for (const name of [...got.headers.keys(), ...box.headers.keys()])
    expect(name).not.toMatch(/sysmeta|x-backend|-host$|-partition$|-device$/);
  // Nobody but a reseller sets what the account keeps inside.
  await client.ask('POST', '', { headers: { 'X-Account-Sysmeta-Read-Only': 'true' } });
  expect(await client.status('PUT', '/open/still', { body: '' })).toBe(201);
});

test('no header takes longer the more it repeats itself', async () => {
  const long = [
    { Accept: `${'text/*;q=0.1,'.repeat(2_000)}x` },
    { Accept: `a${';'.repeat(7_000)}` },
    { Accept: `${' '.repeat(7_000)}/` },
    { Range: `bytes=${'0-,'.repeat(2_000)}` },
    { 'If-None-Match': `${'"'.repeat(7_000)}` },
    { Origin: `http://${'a.'.repeat(3_000)}` },
    { Referer: `http://${'a.'.repeat(3_000)}` },
  ];
  for (const headers of long) {
    const before = process.cpuUsage();
    const answer = await client.ask('GET', '/open?format=', { headers });
    await client.ask('GET', '/vault/o', { headers });
    const { user, system } = process.cpuUsage(before);
    expect(answer.status).toBeLessThan(500);
    expect((user + system) / 1000).toBeLessThan(2_000);
  }
});

test('control characters in names make no second header, and no other object', async () => {
  const injected = 'open/a%0d%0aX-Injected: 1';
  await client.put('/open/a', 'a');
  const forms: Record<string, string>[] = [
    { 'X-Copy-From': injected },
    { 'X-Copy-From': 'vault/o%00' },
    { 'X-Copy-From': '../AUTH_id-other/x' },
  ];
  for (const headers of forms) {
    const answer = await client.ask('PUT', '/open/copy', { headers, body: '' });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.headers.get('x-injected')).toBeNull();
  }
  const copied = await client.ask('COPY', '/open/a', {
    headers: { Destination: 'open/b%0d%0aX-Injected:%201' },
  });
  expect(copied.headers.get('x-injected')).toBeNull();
  const reached = await client.ask('GET', '/open/a', { as: 'bob' });
  expect(reached.status).toBe(403);
});
