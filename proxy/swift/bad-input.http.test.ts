/** What hostile, broken and slow clients get, and that nothing half-written becomes visible. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FrontDoor, openFrontDoor } from '../testing/front-door.ts';
import { exchangeRaw, statusOf } from '../testing/raw-http.ts';

let door: FrontDoor;

beforeAll(async () => {
  door = await openFrontDoor({
    bodyIdleMs: 300,
    blobDeleteDelayMs: 0,
    requestsInFlightMax: 8,
    objectBytesMax: 10_000_000,
  });
  await fetch(`${door.origin}/v1/AUTH_id-demo/c`, {
    method: 'PUT',
    headers: { 'X-Auth-Token': 'token-alice' },
  });
});
afterAll(() => door.close());

const token = 'Host: x\r\nX-Auth-Token: token-alice\r\n';
const head = (method: string, path: string, more = '', connection = 'close') =>
  `${method} ${path} HTTP/1.1\r\n${token}Connection: ${connection}\r\n${more}\r\n`;
const object = '/v1/AUTH_id-demo/c/o';

async function send(...pieces: (string | Buffer)[]): Promise<string> {
  return await exchangeRaw(door.port, pieces, { silenceMs: 400 });
}

async function expectNothing(): Promise<void> {
  const headers = { 'X-Auth-Token': 'token-alice' };
  const object404 = await fetch(`${door.origin}${object}`, { headers });
  expect(object404.status).toBe(404);
  const listing = await fetch(`${door.origin}/v1/AUTH_id-demo/c`, { headers });
  expect(listing.status).toBe(204);
  await expect.poll(() => door.cluster.stored.size, { timeout: 10_000 }).toBe(0);
}

test('paths with NUL, bad UTF-8 or no account are refused', async () => {
  for (const path of ['/v1/AUTH_id-demo/c/%00', '/v1/AUTH_id-demo/c/%ff', '/v1/AUTH%c3%28/c/o']) {
    const answer = await send(head('GET', path));
    expect(statusOf(answer), path).toBe(412);
    expect(answer).toContain('Invalid UTF8 or contains NULL');
  }
  for (const path of ['/v1/AUTH_id-demo//o', '/v1//c'])
    expect(statusOf(await send(head('GET', path))), path).toBe(412);
  expect(statusOf(await send(head('GET', '/v1/AUTH_id-demo/c?prefix=%ff')))).toBe(400);
  expect(statusOf(await send(head('GET', '/v2/AUTH_id-demo/c')))).toBe(404);
  expect(statusOf(await send(head('GET', '/v1/AUTH_id-demo/c/..%2f..%2fetc')))).toBe(404);
  expect(statusOf(await send('GARBAGE\r\n\r\n'))).toBe(400);
  expect(statusOf(await send(head('BREW', object)))).toBe(405);
});

test('headers beyond their bounds are refused', async () => {
  const many = Array.from({ length: 100_000 }, (_, n) => `X-H-${n}: v\r\n`).join('');
  expect(statusOf(await send(head('GET', object, many)))).toBe(431);
  const some = Array.from({ length: 300 }, (_, n) => `X-H-${n}: v\r\n`).join('');
  expect(statusOf(await send(head('GET', object, some)))).toBe(400);
  expect(statusOf(await send(head('GET', object, `X-Long: ${'v'.repeat(40_000)}\r\n`)))).toBe(431);
  const value = `X-Object-Meta-Long: ${'v'.repeat(9_000)}\r\nContent-Length: 0\r\n`;
  expect(statusOf(await send(head('PUT', object, value)))).toBe(400);
  const bad = 'X-Object-Meta-Bad: \xff\xfe\r\nContent-Length: 0\r\n';
  expect(statusOf(await send(Buffer.from(head('PUT', object, bad), 'latin1')))).toBe(400);
});

test('a body that ends early leaves nothing, small or large', async () => {
  for (const sent of [10, 5_000_000]) {
    const answer = await exchangeRaw(
      door.port,
      [head('PUT', object, 'Content-Length: 9000000\r\n'), 'x'.repeat(sent)],
      { silenceMs: 100 },
    );
    expect(answer).toBe('');
    await expectNothing();
  }
});

test('a chunked body that breaks its framing leaves nothing', async () => {
  const chunked = head('PUT', object, 'Transfer-Encoding: chunked\r\n');
  const answer = await send(chunked, '5\r\nhello\r\nzz\r\n');
  expect([0, 400, 499]).toContain(statusOf(answer));
  await expectNothing();
  const both = 'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n';
  expect(statusOf(await send(head('PUT', object, both), 'hello'))).toBe(400);
  await expectNothing();
});

test('a client that pauses for too long is told so, and leaves nothing', async () => {
  const slow = head('PUT', object, 'Content-Length: 1000000\r\n');
  const answer = await exchangeRaw(door.port, [slow, 'x'.repeat(100_000)], { silenceMs: 3_000 });
  expect(statusOf(answer)).toBe(408);
  await expectNothing();
});

test('a client that keeps sending, however slowly, is served', async () => {
  const pieces = [head('PUT', object, 'Content-Length: 5\r\n'), 'h', 'e', 'l', 'l', 'o'];
  const answer = await exchangeRaw(door.port, pieces, { pauseMs: 100, silenceMs: 700 });
  expect(statusOf(answer)).toBe(201);
  expect(statusOf(await send(head('DELETE', object)))).toBe(204);
});

test('bytes beyond Content-Length are not part of the object', async () => {
  const answer = await send(
    head('PUT', object, 'Content-Length: 5\r\n', 'keep-alive'),
    'hello and more\r\n\r\n',
  );
  expect(statusOf(answer)).toBe(201);
  expect(answer).not.toContain('400 Bad Request');
  expect(await send(head('GET', object))).toMatch(/Content-Length: 5\r\n[\s\S]*\r\n\r\nhello$/);
  expect(statusOf(await send(head('DELETE', object)))).toBe(204);
});

test('a body that is too large is refused before it is sent', async () => {
  const large = head('PUT', object, 'Content-Length: 99999999999\r\nExpect: 100-continue\r\n');
  const answer = await send(large);
  expect(statusOf(answer)).toBe(413);
  expect(answer).not.toContain('100 Continue');
  expect(answer.toLowerCase()).toContain('connection: close');
  expect(statusOf(await send(head('PUT', object, '')))).toBe(411);
});

test('an expected 100 Continue comes when the body is wanted', async () => {
  const expecting = head('PUT', object, 'Content-Length: 5\r\nExpect: 100-continue\r\n');
  const answer = await exchangeRaw(door.port, [expecting, 'hello'], { pauseMs: 200 });
  expect(answer).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 Created/);
  expect(statusOf(await send(head('DELETE', object)))).toBe(204);
});

test('a chunked body may not grow past the largest object', async () => {
  const block = Buffer.alloc(1_000_000, 'x');
  const pieces: (string | Buffer)[] = [head('PUT', object, 'Transfer-Encoding: chunked\r\n')];
  for (let n = 0; n < 12; n++) pieces.push(`${block.length.toString(16)}\r\n`, block, '\r\n');
  const answer = await exchangeRaw(door.port, pieces, { silenceMs: 3_000 });
  expect(statusOf(answer)).toBe(413);
  await expectNothing();
});

test('requests beyond the bound are told to come back', async () => {
  const hold = head('PUT', object, 'Content-Length: 10\r\n');
  const holders = Array.from({ length: 8 }, () =>
    exchangeRaw(door.port, [hold], { silenceMs: 1_000 }),
  );
  await expect
    .poll(async () =>
      statusOf(await exchangeRaw(door.port, [head('GET', object)], { silenceMs: 50 })),
    )
    .toBe(503);
  await Promise.all(holders);
  expect(statusOf(await send(head('GET', object)))).toBe(404);
});
