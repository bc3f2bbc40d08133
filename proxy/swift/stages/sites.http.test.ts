/** Static sites, pages of other origins, host names. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SwiftClient } from '../../testing/swift-client.ts';

let client: SwiftClient;
beforeAll(async () => {
  client = await SwiftClient.open({ storageDomains: 'example.com' });
});
afterAll(() => client.close());

const anyone = { as: null };

describe('static sites', () => {
  let site: string;
  beforeAll(async () => {
    site = await client.container({
      'X-Container-Read': '.r:*',
      'X-Container-Meta-Web-Index': 'index.html',
      'X-Container-Meta-Web-Error': 'error.html',
    });
    for (const name of ['index.html', 'sub/index.html', '404error.html', 'files/<b>.txt'])
      await client.put(
        `${site}/${encodeURIComponent(name).replaceAll('%2F', '/')}`,
        `page ${name}`,
      );
  });

  test('an index stands for its folder, and folders end in a slash', async () => {
    expect((await client.ask('GET', `${site}/`, anyone)).text).toBe('page index.html');
    expect((await client.ask('GET', `${site}/sub/`, anyone)).text).toBe('page sub/index.html');
    for (const path of [site, `${site}/sub`]) {
      const moved = await client.ask('GET', path, anyone);
      expect(moved.status).toBe(301);
      expect(moved.headers.get('location')).toBe(`${client.door.origin}/v1/AUTH_id-demo${path}/`);
    }
  });

  test('what is not there is answered by the site’s own page, with the status', async () => {
    const missing = await client.ask('GET', `${site}/nowhere`, anyone);
    expect([missing.status, missing.text]).toEqual([404, 'page 404error.html']);
  });

  test('folders are listed where the owner wants it, names escaped', async () => {
    const refused = await client.ask('GET', `${site}/files/`, anyone);
    expect(refused.status).toBe(404);
    await client.ask('POST', site, {
      headers: { 'X-Container-Meta-Web-Listings': 'true', 'X-Container-Read': '.r:*,.rlistings' },
    });
    const listed = await client.ask('GET', `${site}/files/`, anyone);
    expect(listed.status).toBe(200);
    expect(listed.text).toContain('<a href="%3Cb%3E.txt">&lt;b&gt;.txt</a>');
    expect(listed.text).toContain('<a href="../">../</a>');
    expect(listed.text).not.toContain('<b>');
  });

  test('those who are known see the container, unless they ask for the site', async () => {
    expect((await client.ask('GET', site)).text).toContain('index.html\n');
    const asked = await client.ask('GET', `${site}/`, { headers: { 'X-Web-Mode': 'true' } });
    expect(asked.text).toBe('page index.html');
  });

  test('a private container stays private', async () => {
    const own = await client.container({ 'X-Container-Meta-Web-Index': 'index.html' });
    await client.put(`${own}/index.html`, 'private');
    expect(await client.status('GET', `${own}/`, anyone)).toBe(401);
    expect(await client.status('GET', `${own}/index.html`, anyone)).toBe(401);
  });
});

describe('pages of other origins', () => {
  const origin = { Origin: 'https://app.example' };
  const asks = { ...origin, 'Access-Control-Request-Method': 'PUT' };

  test('are told nothing unless the container lets them in', async () => {
    const shut = await client.container();
    const answer = await client.ask('GET', shut, { headers: origin });
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    expect(await client.status('OPTIONS', `${shut}/o`, { headers: asks })).toBe(401);
  });

  test('may ask before, and see what the container exposes', async () => {
    const open = await client.container({
      'X-Container-Meta-Access-Control-Allow-Origin': 'https://app.example https://b.example',
      'X-Container-Meta-Access-Control-Expose-Headers': 'x-more',
      'X-Container-Meta-Access-Control-Max-Age': '60',
    });
    const before = await client.ask('OPTIONS', `${open}/o`, {
      as: null,
      headers: { ...asks, 'Access-Control-Request-Headers': 'x-a, x-b' },
    });
    expect(before.status).toBe(200);
    expect(before.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(before.headers.get('access-control-allow-methods')).toContain('COPY');
    expect(before.headers.get('access-control-allow-headers')).toBe('x-a, x-b');
    expect(before.headers.get('access-control-max-age')).toBe('60');
    const got = await client.ask('GET', `${open}/none`, { headers: origin });
    expect(got.status).toBe(404);
    expect(got.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(got.headers.get('access-control-expose-headers')).toContain('x-more');
    const strange = { Origin: 'https://evil.example' };
    const other = await client.ask('GET', open, { headers: strange });
    expect(other.headers.get('access-control-allow-origin')).toBeNull();
  });
});

describe('host names', () => {
  /** `fetch` sets Host itself. */
  async function at(host: string, path: string): Promise<string> {
    const { request } = await import('undici');
    const answer = await request(`${client.door.origin}${path}`, {
      headers: { host, 'x-auth-token': 'token-alice' },
    });
    return `${answer.statusCode} ${await answer.body.text()}`;
  }

  test('stand for an account and a container', async () => {
    const path = await client.container();
    await client.put(`${path}/o`, 'by name');
    const name = path.slice(1);
    expect(await at(`${name}.auth-id-demo.example.com:8080`, '/o')).toBe('200 by name');
    expect(await at('auth-id-demo.example.com', `/${name}/o`)).toBe('200 by name');
    expect(await at('a.b.c.example.com', '/o')).toBe('400 Bad domain in host header');
    // Whether we are well is told by any name.
    for (const host of ['a.b.c.example.com', 'c1.auth-id-demo.example.com'])
      expect(await at(host, '/healthcheck')).toBe('200 OK');
    expect(await at('unknown.example.com', '/o')).toMatch(/^404/);
    expect(await at('elsewhere.test', `/v1/AUTH_id-demo/${name}/o`)).toBe('200 by name');
  });
});
