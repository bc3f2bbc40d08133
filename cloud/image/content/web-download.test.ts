/** What `web-download` will not fetch, however it is written, and wherever a redirect or a name leads. */
import { createServer, type Server } from 'node:http';
import { networkInterfaces } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defaultsOf } from '#common';
import { imageSettings } from '../settings.ts';
import { checkUri, download, isInside } from './web-download.ts';

const settings = { ...defaultsOf(imageSettings), webDownloadPorts: '*' };
let server: Server;
let port = 0;
let asked: string[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const to = decodeURIComponent(/^\/to\/(.*)$/.exec(request.url ?? '')?.[1] ?? '');
    if (request.url === '/loop') response.writeHead(302, { location: '/loop' }).end();
    else if (to === '') response.end('bytes from inside');
    else response.writeHead(307, { location: to }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  const at = server.address();
  port = typeof at === 'object' ? (at?.port ?? 0) : 0;
});
afterAll(() => server.close());

async function fetched(uri: string, webDownloadHosts = ''): Promise<string> {
  asked = [];
  const got = await download({ ...settings, webDownloadHosts }, uri, AbortSignal.timeout(20_000));
  try {
    const chunks: Uint8Array[] = [];
    for await (const chunk of got.body) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  } finally {
    await got.close();
  }
}

test('an address that is private, local or reserved is refused in whatever way it is written', () => {
  for (const host of [
    ...['127.0.0.1', '127.1', '2130706433', '0x7f.1', '017700000001', '0', '0.0.0.0', '127.0.0.1.'],
    ...['10.1.2.3', '172.31.0.1', '192.168.0.1', '169.254.169.254', '100.64.0.1', '198.18.0.1'],
    ...['[::1]', '[::]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[64:ff9b::7f00:1]'],
    ...['[2002:7f00:1::]', '[fd00::1]', '[fe80::1]', '[fec0::1]', '[2001::1]', '[64:ff9b:1::1]'],
    ...['224.0.0.1', '255.255.255.255', '[ff02::1]', '%31%32%37.0.0.1', '１２７.0.0.1'],
  ])
    expect(() => checkUri(settings, `http://${host}/x`), host).toThrow(/does not pass filtering/);
  for (const address of ['8.8.8.8', '1.1.1.1', '2606:4700:4700::1111'])
    expect(isInside(address), address).toBe(false);
});

test('neither other schemes, nor credentials, nor ports that are not named', () => {
  for (const uri of [
    ...['file:///etc/passwd', 'ftp://example.org/x', 'gopher://example.org/x', 'data:,x'],
    ...['http://user:secret@example.org/x', 'http://user@example.org/x', 'http://', 'example.org'],
    ...['https://example.org:22/x', 'http://example.org:443/x', 'http://example.org:8080/x'],
    `http://example.org/${'x'.repeat(5_000)}`,
  ])
    expect(() => checkUri({ ...settings, webDownloadPorts: '80' }, uri), uri).toThrow();
});

test('this machine is not asked, by no name and by none of its own addresses', async () => {
  const own = Object.values(networkInterfaces())
    .flat()
    .flatMap((one) => (one?.family === 'IPv4' ? [one.address] : []));
  for (const host of ['localhost', 'LOCALHOST', 'localhost.', ...own]) {
    await expect(fetched(`http://${host}:${port}/x`), host).rejects.toThrow();
    expect(asked).toEqual([]);
  }
});

test('a redirect is looked at like the first address, each time', async () => {
  const from = (to: string) => `http://127.0.0.1:${port}/to/${encodeURIComponent(to)}`;
  for (const to of [
    ...['http://169.254.169.254/latest', `http://localhost:${port}/x`, 'file:///etc/passwd'],
    ...[`http://[::ffff:127.0.0.1]:${port}/x`, 'ftp://example.org/x', 'http://10.0.0.1/'],
  ]) {
    await expect(fetched(from(to), '127.0.0.1'), to).rejects.toThrow();
    expect(asked.length, to).toBe(1);
  }
  await expect(fetched(`http://127.0.0.1:${port}/loop`, '127.0.0.1')).rejects.toThrow(/too often/);
  expect(await fetched(from('/x'), '127.0.0.1')).toBe('bytes from inside');
});

test('what the operator named is fetched', async () => {
  expect(await fetched(`http://localhost:${port}/x`, 'localhost')).toBe('bytes from inside');
  expect(await fetched(`http://127.0.0.1:${port}/x`, '*')).toBe('bytes from inside');
});
