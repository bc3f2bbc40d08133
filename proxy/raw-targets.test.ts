import { Buffer } from 'node:buffer';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { defaultsOf, seededRandom, silentLogger, systemClock } from '#common';
import { type ListeningServer, listenHttp } from './http-server.ts';
import { proxySettings } from './settings.ts';
import { exchangeRaw, statusOf } from './testing/raw-http.ts';

let server: ListeningServer;
let seen: string[];

beforeEach(async () => {
  seen = [];
  server = await listenHttp(
    {
      clock: systemClock,
      random: seededRandom(1),
      log: silentLogger,
      settings: { ...defaultsOf(proxySettings), headerBytesMax: 4096, headersTimeoutMs: 200 },
      handler: async ({ method, url, body, peer }) => {
        const text = (await body.whole(1_000_000)).toString();
        seen.push(`${method} ${url} ${text.length > 20 ? text.length : text}`.trim());
        return { status: 200, headers: {}, body: peer?.remoteAddress ?? '' };
      },
    },
    { host: '127.0.0.1', port: 0 },
  );
});
afterEach(() => server.close());

function line(method: string, target: string, ...headers: readonly string[]): string {
  return [`${method} ${target} HTTP/1.1`, 'Host: x', ...headers, '', ''].join('\r\n');
}
const send = (...pieces: readonly (string | Buffer)[]) =>
  exchangeRaw(server.port, pieces.map(bytes), { pauseMs: 20, silenceMs: 150 });
const bytes = (piece: string | Buffer): Buffer => Buffer.from(piece);
const answers = (text: string): number => text.split('HTTP/1.1 200').length - 1;

test('bytes beyond ASCII in a target are what they stand for', async () => {
  const answer = await send(line('GET', '/v1/a/c/caf\u00e9?prefix=\u2603'));
  expect(statusOf(answer)).toBe(200);
  expect(answer).toContain('127.0.0.1');
  expect(seen).toEqual(['GET /v1/a/c/caf%C3%A9?prefix=%E2%98%83']);
});

test('a connection goes on after one, with more of them and with bodies', async () => {
  const big = Buffer.alloc(300_000, 'b');
  const answer = await send(
    line('GET', '/\u00e9'),
    line('GET', '/plain'),
    `${line('PUT', '/\u00e9', 'Content-Length: 5')}GET /`,
    line('GET', '/then'),
    `${line('PUT', '/\u00e8', 'Transfer-Encoding: chunked')}5\r\n\u00e9-\u00e9\r\n0\r\n\r\n`,
    Buffer.concat([bytes(line('PUT', '/\u00ea', `Content-Length: ${big.length}`)), big]),
    line('DELETE', '/\u00eb', 'Connection: close'),
  );
  expect(seen).toEqual([
    'GET /%C3%A9',
    'GET /plain',
    'PUT /%C3%A9 GET /',
    'GET /then',
    'PUT /%C3%A8 \u00e9-\u00e9',
    'PUT /%C3%AA 300000',
    'DELETE /%C3%AB',
  ]);
  expect(answers(answer)).toBe(7);
});

test('waiting between two of them is no waiting for headers', async () => {
  const first = line('GET', '/\u00e9');
  const pieces = [first, first].map(bytes);
  const answer = await exchangeRaw(server.port, pieces, { pauseMs: 700, silenceMs: 1000 });
  expect(answers(answer)).toBe(2);
});

test('a body that reads like a line stays a body', async () => {
  const inner = line('DELETE', '/\u00e9');
  const length = Buffer.byteLength(inner);
  await send(line('PUT', '/a', `Content-Length: ${length}`) + inner, line('GET', '/b'));
  await send(line('PUT', '/\u00e8', `Content-Length: ${length}`) + inner, line('GET', '/d'));
  expect(seen).toEqual([
    `PUT /a ${inner.length}`,
    'GET /b',
    `PUT /%C3%A8 ${inner.length}`,
    'GET /d',
  ]);
});

test('the rest of a line may come later, within the bound of headers', async () => {
  expect(answers(await send('GET /\u00e9', 'a\u00e9 HT', line('', '').slice(4)))).toBe(1);
  expect(seen).toEqual(['GET /%C3%A9a%C3%A9']);
  expect(statusOf(await send('GET /\u00e9', 'a'.repeat(9000)))).toBe(431);
});

test('what is no target stays refused', async () => {
  for (const text of [
    line('GET', '\u00e9'),
    line('GET', 'http://h\u00e9/'),
    line('GET', '/\u0001\u00e9'),
    line('GET', '/\u00e9\u0001'),
    line('G\u00e9T', '/'),
    'GET /a\u00e9\r\nX: y\r\n\r\n'.replace('a\u00e9', 'a b\u00e9'),
  ])
    expect(statusOf(await send(text)), text).toBe(400);
  expect(statusOf(await send('GE', `T /a`, `\u00e9 HTTP/1.1\r\nHost: x\r\n\r\n`))).toBe(400);
  expect(seen).toEqual([]);
});

test('one behind an answer that is still under way is not taken', async () => {
  const answer = await send(line('GET', '/a') + line('GET', '/\u00e9'));
  expect(answers(answer)).toBe(1);
  expect(seen).toEqual(['GET /a']);
});
