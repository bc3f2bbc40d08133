/** Lent memory under slow and leaving clients: what the system has not taken yet is never lent again. */
import * as net from 'node:net';
import { expect, test } from 'vitest';
import { defaultsOf, LentBuffers, seededRandom, silentLogger, systemClock } from '#common';
import type { Handler } from './exchange.ts';
import { listenHttp } from './http-server.ts';
import { proxySettings } from './settings.ts';

const pieceBytes = 256 * 1024;
const pieces = 24;

/** Piece after piece of one letter each, read into lent memory as a device does. */
function lending(buffers: LentBuffers, seen: Set<ArrayBufferLike>): Handler {
  return async ({ url }) => ({
    status: 200,
    headers: { 'Content-Length': pieceBytes * pieces },
    body: (async function* () {
      for (let piece = 0; piece < pieces; piece++) {
        const memory = buffers.take(pieceBytes);
        seen.add(memory.buffer);
        memory.fill(letterOf(url, piece));
        yield buffers.lend(memory, 0, pieceBytes);
      }
    })(),
  });
}

function letterOf(url: string, piece: number): number {
  return (url.charCodeAt(1) * 31 + piece) & 0xff;
}

async function serve(buffers: LentBuffers, seen: Set<ArrayBufferLike>) {
  const settings = defaultsOf(proxySettings);
  const shared = { clock: systemClock, random: seededRandom(1), log: silentLogger, settings };
  return listenHttp({ ...shared, handler: lending(buffers, seen) }, { host: '127.0.0.1', port: 0 });
}

/** Reads in small bites with rests, so that the server's socket is full most of the time. */
function download(port: number, url: string, leaveAfterBytes = Number.POSITIVE_INFINITY) {
  return new Promise<Buffer>((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      socket.write(`GET ${url} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    });
    const got: Buffer[] = [];
    let bytes = 0;
    socket.on('data', (chunk) => {
      got.push(chunk);
      bytes += chunk.length;
      if (bytes > leaveAfterBytes) socket.destroy();
      socket.pause();
      setTimeout(() => socket.resume(), bytes % 3);
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(Buffer.concat(got)));
  });
}

test('slow clients get their own bytes while memory goes round', async () => {
  const buffers = new LentBuffers(64 * pieceBytes);
  const seen = new Set<ArrayBufferLike>();
  const server = await serve(buffers, seen);
  try {
    const urls = ['/a', '/b', '/c', '/d', '/e', '/f', '/g', '/h'];
    const leaving = urls.map((url) => download(server.port, url, 1_000_000));
    const answers = await Promise.all(urls.map((url) => download(server.port, url)));
    await Promise.all(leaving);
    for (const [at, answer] of answers.entries()) {
      const body = answer.subarray(answer.indexOf('\r\n\r\n') + 4);
      expect(body.length).toBe(pieceBytes * pieces);
      for (let piece = 0; piece < pieces; piece++) {
        const part = body.subarray(piece * pieceBytes, (piece + 1) * pieceBytes);
        const letter = letterOf(urls[at] ?? '', piece);
        expect(part.every((byte) => byte === letter)).toBe(true);
      }
    }
    expect(seen.size).toBeLessThan((2 * urls.length * pieces) / 3);
    expect(buffers.unusedBytes).toBeLessThanOrEqual(64 * pieceBytes);
  } finally {
    await server.close();
  }
});
