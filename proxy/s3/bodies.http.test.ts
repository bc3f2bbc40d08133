import { hash } from 'node:crypto';
import * as net from 'node:net';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '#common';
import { deriveSigningKey } from './sigv4/signing-key.ts';
import { blueKey, type S3World, startS3World } from './testing/s3-world.ts';
import { type Answer, send, sendRaw, signCall } from './testing/signed-client.ts';

let world: S3World;
beforeAll(async () => {
  world = await startS3World();
  await send(world, { method: 'PUT', path: '/bodies' });
});
afterAll(() => world.close());

const data = Buffer.alloc(150_000, 'chunked ');
const crcOf = (body: Buffer): string => {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(crc32(body));
  return out.toString('base64');
};

const status = async (name: string) => (await send(world, { path: `/bodies/${name}` })).status;

/** Signs the head of a put and sends any wire under it. */
async function putWire(
  name: string,
  headers: Readonly<Record<string, string>>,
  wire: Buffer | ((seed: string, amzDate: string) => Buffer),
): Promise<Answer> {
  const path = `/bodies/${name}`;
  const signed = signCall(world, { method: 'PUT', path, headers });
  const all: Record<string, string> = {};
  for (const [header, value] of Object.entries(signed.headers ?? {})) all[header] = String(value);
  const seed = /Signature=([0-9a-f]{64})/.exec(all.Authorization ?? '')?.[1] ?? '';
  const body = typeof wire === 'function' ? wire(seed, all['X-Amz-Date'] ?? '') : wire;
  return sendRaw(world, {
    method: 'PUT',
    path,
    headers: { ...all, 'Content-Length': String(body.length) },
    body,
  });
}

describe('unsigned chunks with a trailer, as SDKs send them today', () => {
  const frame = (trailer: string) =>
    Buffer.concat([
      Buffer.from(`${(100_000).toString(16)}\r\n`),
      data.subarray(0, 100_000),
      Buffer.from(`\r\n${(50_000).toString(16)}\r\n`),
      data.subarray(100_000),
      Buffer.from(`\r\n0\r\n${trailer}\r\n`),
    ]);
  const headers = {
    'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    'x-amz-decoded-content-length': String(data.length),
    'x-amz-trailer': 'x-amz-checksum-crc32',
    'content-encoding': 'aws-chunked',
  };
  const good = `x-amz-checksum-crc32:${crcOf(data)}\r\n`;

  test('are stored without their framing', async () => {
    const answer = await putWire('framed', headers, frame(good));
    expect([answer.status, answer.headers['x-amz-checksum-crc32']]).toEqual([200, crcOf(data)]);
    const got = await send(world, { path: '/bodies/framed' });
    expect(got.body.equals(data)).toBe(true);
    expect(got.headers['content-encoding']).toBeUndefined();
  });

  test.each([
    ['a wrong checksum', good.replace(/:./, ':z'), 'BadDigest'],
    ['no checksum', '', 'MalformedTrailerError'],
    ['another checksum', 'x-amz-checksum-sha1:AAAA\r\n', 'MalformedTrailerError'],
  ])('%s leaves nothing behind', async (_, trailer, code) => {
    expect((await putWire('nothing', headers, frame(trailer))).code).toBe(code);
    expect(await status('nothing')).toBe(404);
  });

  test('cut short anywhere they leave nothing behind', async () => {
    const whole = frame(good);
    for (const length of [0, 3, 50_000, 100_007, 150_010, whole.length - 2]) {
      const answer = await putWire('nothing', headers, whole.subarray(0, length));
      expect([answer.status, answer.code], `cut at ${length}`).toEqual([400, 'IncompleteBody']);
    }
    expect(await status('nothing')).toBe(404);
  });

  test('need their length said', async () => {
    const { 'x-amz-decoded-content-length': _, ...rest } = headers;
    const answer = await putWire('nothing', rest, frame(good));
    expect([answer.status, answer.code]).toEqual([411, 'MissingContentLength']);
    const huge = { ...headers, 'x-amz-decoded-content-length': '5368709121' };
    expect((await putWire('nothing', huge, frame(good))).code).toBe('EntityTooLarge');
  });
});

describe('signed chunks', () => {
  const empty = hash('sha256', '');

  function frame(seed: string, amzDate: string, forged: boolean): Buffer {
    const day = amzDate.slice(0, 8);
    const key = deriveSigningKey(blueKey.secret, { date: day, region: 'us-east-1', service: 's3' });
    const scope = `${day}/us-east-1/s3/aws4_request`;
    const pieces: Buffer[] = [];
    let before = seed;
    for (const chunk of [data.subarray(0, 70_000), data.subarray(70_000), Buffer.alloc(0)]) {
      const parts = [
        'AWS4-HMAC-SHA256-PAYLOAD',
        amzDate,
        scope,
        before,
        empty,
        hash('sha256', chunk),
      ];
      before = key.sign(parts.join('\n'));
      pieces.push(Buffer.from(`${chunk.length.toString(16)};chunk-signature=${before}\r\n`));
      const sent = Buffer.from(chunk);
      if (forged && sent.length > 0) sent[sent.length - 1] = 0;
      pieces.push(sent, Buffer.from('\r\n'));
    }
    return Buffer.concat(pieces);
  }
  const headers = {
    'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    'x-amz-decoded-content-length': String(data.length),
  };

  test('are stored when every signature holds, and not at all otherwise', async () => {
    const right = await putWire('signed', headers, (seed, date) => frame(seed, date, false));
    expect(right.status).toBe(200);
    expect((await send(world, { path: '/bodies/signed' })).body.equals(data)).toBe(true);
    const wrong = await putWire('forged', headers, (seed, date) => frame(seed, date, true));
    expect([wrong.status, wrong.code]).toEqual([403, 'SignatureDoesNotMatch']);
    expect(await status('forged')).toBe(404);
  });
});

/** Writes pieces to a socket of its own, then cuts the connection or waits for an answer. */
async function speak(pieces: readonly (string | Buffer)[], cut: boolean): Promise<string> {
  const socket = net.connect(world.port, '127.0.0.1');
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  let heard = '';
  socket.on('data', (piece: Buffer) => {
    heard += piece.toString('latin1');
  });
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  for (const piece of pieces) {
    socket.write(piece);
    await systemClock.sleep(20);
  }
  if (cut) socket.destroy();
  await closed;
  return heard;
}

function rawHead(name: string, extra: Readonly<Record<string, string>>): string {
  const path = `/bodies/${name}`;
  const headers = { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', ...extra };
  const signed = signCall(world, { method: 'PUT', path, headers });
  const lines = Object.entries(signed.headers ?? {}).map(
    ([header, value]) => `${header}: ${value}`,
  );
  return `PUT ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`;
}

describe('on the wire', () => {
  test('a client that leaves in the middle leaves nothing behind', async () => {
    const head = rawHead('left', { 'content-length': '1000000' });
    await speak([head, Buffer.alloc(300_000), Buffer.alloc(100_000)], true);
    await systemClock.sleep(100);
    expect(await status('left')).toBe(404);
    expect([...world.cluster.rows].flatMap(([, rows]) => [...rows.keys()])).not.toContain('left');
  });

  test('a body whose length nobody said is taken as it comes', async () => {
    const head = rawHead('unsaid', { 'transfer-encoding': 'chunked' });
    const heard = await speak([head, '5\r\nhello\r\n', '0\r\n\r\n'], false);
    expect(heard).toContain('HTTP/1.1 200');
    expect((await send(world, { path: '/bodies/unsaid' })).text).toBe('hello');
  });

  test('100 Continue comes only to those whose body is wanted', async () => {
    const wanted = rawHead('continued', { 'content-length': '2', expect: '100-continue' });
    expect(await speak([wanted, 'ok'], false)).toMatch(
      /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200/,
    );
    const forged = wanted.replace(/Signature=.{8}/, 'Signature=00000000');
    expect(await speak([forged], false)).toMatch(/^HTTP\/1.1 403/);
  });
});

test('what a presigner moved into the query counts as sent', async () => {
  const path = '/bodies/hoisted?x-amz-meta-color=blue&x-amz-checksum-crc32=AAAAAA%3D%3D';
  const put = await send(world, { method: 'PUT', path, presign: true, body: 'hoisted' });
  expect(put.status).toBe(200);
  const got = await send(world, { path: '/bodies/hoisted' });
  expect([got.text, got.headers['x-amz-meta-color']]).toEqual(['hoisted', 'blue']);
  const acl = await send(world, {
    method: 'PUT',
    path: '/bodies/hoisted?x-amz-acl=public-read',
    presign: true,
    body: 'x',
  });
  expect(acl.status).toBe(200);
  const open = await send(world, { path: '/bodies/hoisted', anonymous: true });
  expect(open.text).toBe('x');
});
