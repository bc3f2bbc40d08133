import { expect, test } from 'vitest';
import { defaultsOf, seededRandom, silentLogger, systemClock } from '#common';
import type { Handler } from './exchange.ts';
import { listenHttp } from './http-server.ts';
import { compose } from './pipeline.ts';
import { proxySettings } from './settings.ts';
import { exchangeRaw } from './testing/raw-http.ts';

const address = { host: '127.0.0.1', port: 0 };

function listen(handler: Handler, changes: { closeMs?: number; sendIdleMs?: number } = {}) {
  const settings = { ...defaultsOf(proxySettings), ...changes };
  const random = seededRandom(1);
  return listenHttp({ clock: systemClock, random, log: silentLogger, settings, handler }, address);
}

test('closing lets requests in flight finish', async () => {
  let started: (() => void) | undefined;
  const running = new Promise<void>((resolve) => {
    started = resolve;
  });
  const server = await listen(async () => {
    started?.();
    await systemClock.sleep(200);
    return { status: 200, headers: {}, body: 'done' };
  });
  const answer = fetch(`http://127.0.0.1:${server.port}/`).then((response) => response.text());
  await running;
  await server.close();
  expect(await answer).toBe('done');
  await expect(fetch(`http://127.0.0.1:${server.port}/`)).rejects.toThrow();
});

test('closing cuts off what does not finish', async () => {
  const server = await listen(() => new Promise(() => undefined), { closeMs: 100 });
  const answer = fetch(`http://127.0.0.1:${server.port}/`).then(
    () => 'answered',
    () => 'cut',
  );
  await systemClock.sleep(50);
  await server.close();
  expect(await answer).toBe('cut');
});

test('an address in use is said so', async () => {
  const server = await listen(async () => ({ status: 200, headers: {} }));
  const settings = defaultsOf(proxySettings);
  const shared = { clock: systemClock, random: seededRandom(1), log: silentLogger, settings };
  const handler: Handler = async () => ({ status: 200, headers: {} });
  await expect(
    listenHttp({ ...shared, handler }, { host: '127.0.0.1', port: server.port }),
  ).rejects.toMatchObject({ code: 'address-in-use' });
  await server.close();
});

test('a body that breaks off on our side is cut, not ended', async () => {
  const server = await listen(async () => ({
    status: 200,
    headers: { 'Content-Length': 10 },
    body: (async function* () {
      yield Buffer.from('12345');
      throw new Error('storage gone');
    })(),
  }));
  const read = async () => await (await fetch(`http://127.0.0.1:${server.port}/`)).text();
  await expect(read()).rejects.toThrow();
  await server.close();
});

test('a client that leaves or takes nothing ends the reading of its object', async () => {
  let ended = 0;
  const server = await listen(
    async () => ({
      status: 200,
      headers: { 'Content-Length': 1e12 },
      body: (async function* () {
        try {
          for (;;) yield Buffer.alloc(1_000_000);
        } finally {
          ended += 1;
        }
      })(),
    }),
    { sendIdleMs: 200 },
  );
  const controller = new AbortController();
  await fetch(`http://127.0.0.1:${server.port}/`, { signal: controller.signal });
  controller.abort();
  await expect.poll(() => ended).toBe(1);
  // Reads the first bytes, then no more.
  await fetch(`http://127.0.0.1:${server.port}/`);
  await expect.poll(() => ended, { timeout: 5_000 }).toBe(2);
  await server.close();
});

test('the URL arrives as it was sent', async () => {
  const seen: string[] = [];
  const server = await listen(async (exchange) => {
    seen.push(`${exchange.method} ${exchange.url}`);
    return { status: 204, headers: {} };
  });
  for (const line of ['GET /a//../b%2Fc?x=%zz', 'COPY /%', 'GET http://other/v1/a'])
    await exchangeRaw(server.port, [`${line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`]);
  expect(seen).toEqual(['GET /a//../b%2Fc?x=%zz', 'COPY /%', 'GET http://other/v1/a']);
  await server.close();
});

test('stages run in the order they stand in', async () => {
  const order: string[] = [];
  const stage = (name: string) => async (exchange: Parameters<Handler>[0], next: Handler) => {
    order.push(name);
    return await next(exchange);
  };
  const handler = compose([stage('a'), stage('b')], async () => ({ status: 200, headers: {} }));
  const server = await listen(handler);
  await fetch(`http://127.0.0.1:${server.port}/`);
  expect(order).toEqual(['a', 'b']);
  await server.close();
});
