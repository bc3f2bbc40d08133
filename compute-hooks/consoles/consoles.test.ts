/** Addresses of consoles: who gets one, and what a token opens, when and how often. */
import { get } from 'node:http';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { type ComputeCloud, imageId, startComputeCloud } from '../testing/cloud.ts';

let cloud: ComputeCloud;
let id: string;
beforeAll(async () => {
  cloud = await startComputeCloud({ settings: { consoleTokenMs: 1_000, consolesMax: 2 } });
  const made = await cloud.call('member', 'POST', '/servers', {
    server: { name: 'seen', imageRef: imageId, flavorRef: '1', networks: 'none' },
  });
  id = made.body.server.id;
  await cloud.settled();
});
afterAll(() => cloud.close());

const ask = (protocol: string, type: string, token = 'member') =>
  cloud.call(
    token,
    'POST',
    `/servers/${id}/remote-consoles`,
    { remote_console: { protocol, type } },
    '2.8',
  );

const serialAddress = async (): Promise<string> => {
  const { body } = await ask('serial', 'serial');
  const { pathname, search } = new URL(body.remote_console.url);
  return `${cloud.url.replace(/^http/, 'ws')}${pathname}${search}`;
};

/** The socket once it is open, or the status of the refusal. */
const open = (address: string, options = {}): Promise<WebSocket | number> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(address, options);
    socket.once('open', () => resolve(socket));
    socket.once('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
    socket.once('error', reject);
  });

const opened = async (address: string): Promise<WebSocket> => {
  const socket = await open(address);
  if (typeof socket === 'number') throw new Error(`refused with ${socket}`);
  return socket;
};

describe('consoles', () => {
  test('are given to whom the server belongs, of the types there are', async () => {
    expect((await ask('vnc', 'novnc')).body.remote_console.url).toMatch(
      /\/compute-console\/vnc_auto\.html\?path=%3Ftoken%3D[0-9a-f-]{36}$/,
    );
    expect((await ask('vnc', 'novnc', 'other')).status).toBe(404);
    expect((await ask('vnc', 'novnc', 'reader')).status).toBe(403);
    const spice = await ask('spice', 'spice-html5');
    expect([spice.status, spice.body.badRequest.message]).toEqual([
      400,
      'Unavailable console type spice-html5',
    ]);
    expect((await ask('serial', 'novnc')).status).toBe(400);
    const old = await cloud.call('member', 'POST', `/servers/${id}/action`, {
      'os-getVNCConsole': { type: 'novnc' },
    });
    expect(old.body.console.type).toBe('novnc');
  });

  test('carry bytes both ways, by a token that is good once', async () => {
    const address = await serialAddress();
    const token = new URL(address).searchParams.get('token');
    const told = await cloud.call('admin', 'GET', `/os-console-auth-tokens/${token}`);
    expect(told.body.console.instance_uuid).toBe(id);
    const socket = await opened(address);
    const heard = new Promise((resolve) => socket.once('message', resolve));
    socket.send('echo');
    expect(String(await heard)).toBe('echo');
    expect(await open(address)).toBe(403);
    expect((await cloud.call('admin', 'GET', `/os-console-auth-tokens/${token}`)).status).toBe(404);
    // A serial line has one end: who comes later takes it over.
    const over = new Promise((resolve) => socket.once('close', resolve));
    const second = await opened(await serialAddress());
    expect(await over).toBe(4001);
    second.terminate();
  });

  test('leave nothing open at the guest for a handshake that is none', async () => {
    const address = await serialAddress();
    const hypervisor = cloud.hypervisors.get('one');
    if (hypervisor === undefined) throw new Error('no such host');
    const opening = vi.spyOn(hypervisor, 'open');
    const status = await new Promise((resolve, reject) => {
      const headers = { Connection: 'Upgrade', Upgrade: 'websocket' };
      const asked = get(address.replace(/^ws/, 'http'), { headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      asked.once('error', reject);
    });
    expect(status).toBe(400);
    const stream = await opening.mock.results[0]?.value;
    opening.mockRestore();
    expect(stream?.destroyed).toBe(true);
  });

  test('refuse a wrong token, an old one, another site, and more than there is room for', async () => {
    const address = await serialAddress();
    const base = address.replace(/\?.*/, '');
    expect(await open(base)).toBe(403);
    expect(await open(`${base}?token=00000000-0000-4000-8000-000000000000`)).toBe(403);
    expect(await open(address, { origin: 'http://evil.example' })).toBe(403);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect(await open(address)).toBe(403);
    const sockets: WebSocket[] = [];
    for (let n = 0; n < 2; n++) {
      const { body } = await ask('vnc', 'novnc');
      const token = decodeURIComponent(body.remote_console.url).split('token=')[1];
      sockets.push(await opened(`${base}?token=${token}`));
    }
    expect(await open(await serialAddress())).toBe(503);
    for (const socket of sockets) socket.terminate();
  });

  test('end with the server, and so do their tokens', async () => {
    const address = await serialAddress();
    await cloud.call('member', 'POST', `/servers/${id}/action`, { 'os-stop': null });
    await cloud.settled();
    expect((await ask('serial', 'serial')).status).toBe(409);
    await cloud.call('member', 'DELETE', `/servers/${id}`);
    await cloud.settled();
    expect(await open(address)).toBe(403);
  });

  test('show a page in browsers, and nothing else of the disk', async () => {
    const page = (path: string) => fetch(`${cloud.url}/compute-console${path}`);
    expect((await page('/vnc_auto.html')).headers.get('content-type')).toMatch(/html/);
    expect((await page('/novnc/core/rfb.js')).status).toBe(200);
    expect((await page('/novnc/core/..%2f..%2f..%2fws/index.js')).status).toBe(404);
    expect((await page('/novnc/package.json')).status).toBe(404);
  });
});
