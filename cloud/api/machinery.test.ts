import { request } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { defaultsOf, Failure } from '#common';
import type { AuditRecord } from './edge.ts';
import { type Microversions, versionDocument } from './microversions.ts';
import { Policy } from './policy.ts';
import { type Caller, routesFor } from './routes.ts';
import type { ApiServer } from './server.ts';
import { apiSettings } from './settings.ts';
import { startTestServer } from './testing/service.ts';

let server: ApiServer | undefined;
afterEach(() => server?.close());

const route = routesFor<Caller>();
const versions: Microversions = {
  service: 'compute',
  min: '2.1',
  max: '2.95',
  olderHeaders: ['X-OpenStack-Nova-API-Version'],
};
const routes = [
  route({
    method: 'GET',
    path: '/thing',
    policy: 'public',
    versions: { until: '2.9' },
    handle: (asked) => ({ body: { old: asked.version } }),
  }),
  route({
    method: 'GET',
    path: '/thing',
    policy: 'public',
    versions: { from: '2.10', until: '2.35' },
    handle: (asked) => ({ body: { new: asked.version, also: asked.within({ from: '2.11' }) } }),
  }),
  route({
    method: 'POST',
    path: '/quota',
    policy: 'any-token',
    handle: () => {
      const facts = { resource: 'volumes', limit: 10, used: 10, requested: 1 };
      throw new Failure('conflict', 'over-quota', 'Full', { facts });
    },
  }),
  route({
    method: 'GET',
    path: '/by/:id',
    policy: 'public',
    handle: (asked) => ({ body: { id: asked.params.id, global: asked.globalRequestId ?? null } }),
  }),
];

async function get(path: string, headers: Record<string, string> = {}, method = 'GET') {
  const response = await request(`${server?.url}${path}`, { method, headers });
  return {
    status: response.statusCode,
    headers: response.headers,
    text: await response.body.text(),
  };
}

describe('microversions', () => {
  it('choose the route, and say which they were', async () => {
    server = await startTestServer({ routes, versions, headers: { Vary: 'X-Auth-Token' } });
    const asked = async (value: string) =>
      (await get('/thing', { 'openstack-api-version': value })).text;
    expect((await get('/thing')).text).toBe('{"old":"2.1"}');
    expect(await asked('compute 2.9')).toBe('{"old":"2.9"}');
    expect(await asked('compute 2.10')).toBe('{"new":"2.10","also":false}');
    expect(await asked('volume 3.59, compute 2.11')).toBe('{"new":"2.11","also":true}');
    expect(await asked('volume 3.59')).toBe('{"old":"2.1"}');
    expect((await get('/thing', { 'x-openstack-nova-api-version': '2.12' })).text).toContain(
      '2.12',
    );
    const told = await get('/thing', { 'openstack-api-version': 'compute 2.12' });
    expect(told.headers).toMatchObject({
      'openstack-api-version': 'compute 2.12',
      'x-openstack-nova-api-version': '2.12',
      vary: 'X-Auth-Token, OpenStack-API-Version, X-OpenStack-Nova-API-Version',
    });
  });

  it('are refused when they are nonsense, too old, too new, or lack the route', async () => {
    server = await startTestServer({ routes, versions });
    const asked = async (version: string) => {
      const { status, text } = await get('/thing', {
        'openstack-api-version': `compute ${version}`,
      });
      return `${status} ${JSON.parse(text).message}`;
    };
    expect(await asked('2.999')).toBe(
      '406 Version 2.999 is not supported by the API. Minimum is 2.1 and maximum is 2.95.',
    );
    expect(await asked('1.0')).toContain('406');
    expect(await asked('two')).toBe(
      '400 API Version String two is of invalid format. Must be of format MajorNum.MinorNum.',
    );
    expect(await asked('2.01')).toContain('400');
    // `latest` is 2.95, where this route is gone.
    expect(await asked('latest')).toBe('404 no such page');
  });

  it('are told in discovery', () => {
    const entry = { id: 'v2.1', status: 'CURRENT', updated: '2013-07-23T11:33:21Z' } as const;
    const more = { path: '/v2.1/', microversions: versions };
    expect(versionDocument({ baseUrl: 'http://x' }, { ...entry, ...more })).toEqual({
      ...entry,
      version: '2.95',
      min_version: '2.1',
      links: [{ rel: 'self', href: 'http://x/v2.1/' }],
    });
  });
});

describe('a policy file', () => {
  const ruled = [
    route({ method: 'GET', path: '/ruled', policy: 'things:see', handle: () => ({ body: {} }) }),
  ];
  const policy = new Policy({ 'things:see': 'role:admin' });
  const withRules = (rules: Record<string, Record<string, string>>) =>
    startTestServer({ routes: ruled, policy }, { policies: rules });

  it('replaces rules of a service, and only rules that are there', async () => {
    server = await withRules({});
    expect((await get('/ruled', { 'x-auth-token': 'good' })).status).toBe(403);
    await server.close();
    server = await withRules({ test: { 'things:see': 'user_id:u or role:admin or @' } });
    expect((await get('/ruled', { 'x-auth-token': 'good' })).status).toBe(200);
    await expect(withRules({ test: { 'things:sea': '@' } })).rejects.toThrow('no policy rule');
    await expect(withRules({ tset: {} })).rejects.toThrow('no service tset');
    await expect(withRules({ test: { 'things:see': 'role:' + 'x or' } })).rejects.toThrow(
      'too early',
    );
  });
});

describe('every request', () => {
  it('is limited by caller, in the dialect', async () => {
    const settings = { ...defaultsOf(apiSettings), requestsPerSecondMax: 1, requestsBurstMax: 2 };
    server = await startTestServer({ routes }, { settings });
    const statuses = [];
    for (let at = 0; at < 4; at++) statuses.push((await get('/by/x')).status);
    expect(statuses).toEqual([200, 200, 429, 429]);
    const refused = await get('/by/x');
    expect([refused.headers['retry-after'], refused.text]).toEqual([
      '1',
      '{"status":429,"message":"Too many requests. Try again in 1 s."}',
    ]);
    // A caller with a token has a bucket of his own.
    expect((await get('/by/x', { 'x-auth-token': 'good' })).status).toBe(200);
  });

  it('may come from pages of origins that are named', async () => {
    const settings = { ...defaultsOf(apiSettings), corsOrigins: 'https://ui.example' };
    server = await startTestServer({ routes }, { settings });
    const asked = { origin: 'https://ui.example', 'access-control-request-method': 'PUT' };
    const preflight = await get('/by/x', asked, 'OPTIONS');
    expect([preflight.status, preflight.headers['access-control-allow-origin']]).toEqual([
      204,
      'https://ui.example',
    ]);
    expect(preflight.headers['access-control-allow-headers']).toContain('X-Auth-Token');
    const simple = await get('/by/x', { origin: 'https://ui.example' });
    expect(simple.headers['access-control-allow-origin']).toBe('https://ui.example');
    const other = await get('/by/x', { origin: 'https://evil.example' });
    expect(other.headers['access-control-allow-origin']).toBeUndefined();
    expect(other.headers.vary).toContain('Origin');
  });

  it('carries the id of a larger whole, is accounted for, and fails in words', async () => {
    const audited: AuditRecord[] = [];
    server = await startTestServer({ routes }, { audit: (record) => audited.push(record) });
    const global = 'req-11111111-2222-3333-4444-555555555555';
    expect((await get('/by/x', { 'x-openstack-request-id': global })).text).toContain(global);
    expect((await get('/by/x', { 'x-openstack-request-id': 'x y' })).text).toContain('null');
    const full = await get('/quota', { 'x-auth-token': 'good' }, 'POST');
    expect([full.status, JSON.parse(full.text).message]).toEqual([
      413,
      'Quota exceeded for volumes: requested 1, already used 10 of 10.',
    ]);
    expect((await get('/by/%00')).status).toBe(404);
    await get('/quota', {}, 'POST');
    expect(audited).toMatchObject([
      { userId: 'u', projectId: 'p', status: 413, path: '/quota', from: '127.0.0.1' },
      { userId: undefined, status: 401, method: 'POST' },
    ]);
    expect(audited).toHaveLength(2);
  });
});
