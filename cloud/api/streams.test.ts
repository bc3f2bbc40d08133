import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import Type from 'typebox';
import { request } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { parseRange, rangedReply } from './ranges.ts';
import { type Caller, routesFor } from './routes.ts';
import type { ApiBounds, ApiServer } from './server.ts';
import { startTestServer } from './testing/service.ts';

const stored = Buffer.from('0123456789'.repeat(100));
let opened = 0;
/** How far ahead of a reader who has stopped the sender got. */
let produced = 0;
let ended = false;

const route = routesFor<Caller>();
const routes = [
  route({
    method: 'PUT',
    path: '/file',
    policy: 'any-token',
    body: 'stream',
    mediaTypes: ['application/octet-stream'],
    bodyBytesMax: 64 * 1024 * 1024,
    handle: async (request) => {
      const hash = createHash('sha256');
      let size = 0;
      for await (const chunk of request.body) {
        hash.update(chunk);
        size += chunk.length;
      }
      return { status: 201, body: { size, sha256: hash.digest('hex') } };
    },
  }),
  route({
    method: 'GET',
    path: '/file',
    policy: 'public',
    handle: (request) =>
      rangedReply(request.headers, {
        sizeBytes: stored.length,
        mediaType: 'application/octet-stream',
        etag: '"v1"',
        open: ({ offset, length }) => {
          opened++;
          return Readable.from([stored.subarray(offset, offset + length)]);
        },
      }),
  }),
  route({
    method: 'GET',
    path: '/endless',
    policy: 'public',
    handle: () => ({
      headers: { 'Content-Type': 'application/octet-stream' },
      stream: async function* () {
        try {
          for (;;) {
            produced++;
            yield Buffer.alloc(65_536);
          }
        } finally {
          ended = true;
        }
      },
    }),
  }),
  route({
    method: 'PATCH',
    path: '/patch',
    policy: 'public',
    body: Type.Array(Type.Object({ op: Type.String() })),
    mediaTypes: ['application/openstack-images-v2.1-json-patch'],
    handle: (request) => ({ body: request.body }),
  }),
  route({
    method: 'POST',
    path: '/json',
    policy: 'public',
    body: Type.Object({}),
    handle: (request) => ({ body: request.body }),
  }),
];

let server: ApiServer | undefined;
afterEach(() => server?.close());

async function start(bounds: Partial<ApiBounds> = {}): Promise<string> {
  server = await startTestServer({ routes }, { bounds });
  return server.url;
}

async function send(url: string, options: Parameters<typeof request>[1] = {}) {
  const response = await request(url, options);
  const text = await response.body.text();
  return { status: response.statusCode, headers: response.headers, text };
}
const put = (url: string, body: Buffer | Readable, headers = {}) =>
  send(`${url}/file`, {
    method: 'PUT',
    body,
    headers: { 'x-auth-token': 'good', 'content-type': 'application/octet-stream', ...headers },
  });

describe('bodies that stream', () => {
  it('hands the bytes to the handler as they come, chunked or with a length', async () => {
    const url = await start();
    const body = Buffer.alloc(9_000_000, 'pileus');
    const sha256 = createHash('sha256').update(body).digest('hex');
    const answers = await Promise.all([
      put(url, body),
      put(url, Readable.from([body.subarray(0, 5), body.subarray(5)])),
    ]);
    for (const answer of answers)
      expect([answer.status, JSON.parse(answer.text)]).toEqual([201, { size: 9_000_000, sha256 }]);
    expect((await put(url, Buffer.alloc(0))).status).toBe(201);
  });

  it('refuses before it reads: no token, another type, too long', async () => {
    const url = await start();
    const body = Buffer.alloc(1_000_000);
    expect((await put(url, body, { 'x-auth-token': 'bad' })).status).toBe(401);
    const typed = await put(url, body, { 'content-type': 'application/json' });
    expect([typed.status, typed.text]).toEqual([
      415,
      '{"status":415,"message":"Unsupported content type: application/json; expected application/octet-stream."}',
    ]);
    expect((await put(url, Buffer.alloc(65 * 1024 * 1024))).status).toBe(413);
  });

  it('answers busy when too many stream, and others are served', async () => {
    const url = await start({ streamsMax: 1 });
    let release: (() => void) | undefined;
    const slow = put(
      url,
      Readable.from(
        (async function* () {
          yield Buffer.alloc(10);
          await new Promise<void>((resolve) => {
            release = resolve;
          });
        })(),
      ),
    );
    while (release === undefined) await sleep(5);
    await expect.poll(async () => (await put(url, Buffer.alloc(1))).status).toBe(503);
    expect((await send(`${url}/file`)).status).toBe(200);
    release();
    expect((await slow).status).toBe(201);
  });

  it('ends a connection on which nothing moves, and one whose JSON trickles', async () => {
    const url = await start({ streamIdleMs: 100, requestTimeoutMs: 200 });
    const port = Number(new URL(url).port);
    const closed = (head: string) =>
      new Promise<string>((resolve) => {
        const socket = connect(port, '127.0.0.1', () => socket.write(head));
        socket.on('error', () => socket.destroy());
        socket.on('close', () => resolve('closed'));
      });
    const common = 'Host: x\r\nContent-Length: 100\r\n';
    const stream = `PUT /file HTTP/1.1\r\nX-Auth-Token: good\r\nContent-Type: application/octet-stream\r\n${common}\r\n12`;
    const json = `POST /json HTTP/1.1\r\nContent-Type: application/json\r\n${common}\r\n{`;
    expect(await Promise.all([closed(stream), closed(json)])).toEqual(['closed', 'closed']);
  });

  it('sends no faster than the client reads, and stops when it has gone', async () => {
    const url = await start();
    const response = await request(`${url}/endless`);
    await sleep(50);
    const before = produced;
    await sleep(100);
    expect(produced).toBe(before);
    response.body.destroy();
    await expect.poll(() => ended).toBe(true);
  });

  it('takes JSON patch only where a route says so', async () => {
    const url = await start();
    const type = 'application/openstack-images-v2.1-json-patch';
    const body = '[{"op":"add"}]';
    const patch = (path: string, method: 'PATCH' | 'POST') =>
      send(`${url}${path}`, { method, body, headers: { 'content-type': type } });
    expect((await patch('/patch', 'PATCH')).text).toBe(body);
    expect((await patch('/json', 'POST')).status).toBe(400);
  });
});

describe('ranges', () => {
  it('sends what was asked for', async () => {
    const url = await start();
    const get = (range: string, headers = {}) =>
      send(`${url}/file`, { headers: { range, ...headers } });
    const part = await get('bytes=10-14');
    expect([part.status, part.text, part.headers['content-range']]).toEqual([
      206,
      '01234',
      'bytes 10-14/1000',
    ]);
    expect((await get('bytes=-3')).text).toBe('789');
    expect((await get('bytes=990-5000')).text).toBe('0123456789');
    const beyond = await get('bytes=1000-');
    expect([beyond.status, beyond.headers['content-range']]).toEqual([416, 'bytes */1000']);
    expect((await get('bytes=0-1', { 'if-range': '"other"' })).status).toBe(200);
    expect((await get('bytes=0-1', { 'if-range': '"v1"' })).status).toBe(206);
    opened = 0;
    const head = await send(`${url}/file`, { method: 'HEAD' });
    expect([head.status, head.headers['content-length'], opened]).toEqual([200, '1000', 0]);
  });

  it('ignores what is no single range of bytes', () => {
    for (const header of ['bytes=5-1', 'bytes=1-2,4-5', 'lines=1-2', 'bytes=-', 'x', undefined])
      expect(parseRange(header, 10)).toBe('whole');
    expect(parseRange('bytes=-0', 10)).toBe('unsatisfiable');
    expect(parseRange('bytes=0-', 0)).toBe('unsatisfiable');
  });
});
