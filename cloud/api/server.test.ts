import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import Type from 'typebox';
import { Agent, request } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import {
  createMetrics,
  Failure,
  isFailure,
  silentLogger,
  systemClock,
  systemRandom,
} from '#common';
import type { FailureTable } from './failures.ts';
import { Policy } from './policy.ts';
import { type Caller, routesFor } from './routes.ts';
import { type ApiServer, type ApiServerOptions, apiService, startApiServer } from './server.ts';

const failures = {
  unauthorized: { kind: 'denied', status: 401, say: () => 'who are you' },
  'forbidden-action': { kind: 'denied', status: 403, say: (facts) => `no ${facts.action}` },
  'schema-invalid': { kind: 'invalid', status: 400, say: (facts) => String(facts.detail) },
  'body-invalid': { kind: 'invalid', status: 400, say: (facts) => String(facts.detail) },
  'body-too-large': { kind: 'invalid', status: 413, say: () => 'too large' },
  'page-invalid': { kind: 'invalid', status: 400, say: () => 'no such page' },
  'route-missing': { kind: 'missing', status: 404, say: () => 'no such page' },
  'method-not-allowed': { kind: 'invalid', status: 405, say: () => 'no such method' },
} as const satisfies FailureTable;

const route = routesFor<Caller>();
const routes = [
  route({ method: 'GET', path: '/open', policy: 'public', handle: () => ({ body: { ok: true } }) }),
  route({
    method: 'POST',
    path: '/things',
    policy: 'things:make',
    body: Type.Object({
      name: Type.String({ maxLength: 5 }),
      password: Type.Optional(Type.String({ maxLength: 5 })),
    }),
    handle: (request) => ({
      status: 201,
      body: { name: request.body.name, from: request.baseUrl },
    }),
  }),
  route({
    method: 'GET',
    path: '/broken/:how',
    policy: 'public',
    handle: (request) => {
      if (request.params.how === 'busy') throw new Failure('busy', 'disk-full', 'secret path');
      throw new Error('a secret detail');
    },
  }),
];

function service() {
  return apiService<Caller>({
    name: 'test',
    dialect: { failures, body: ({ status, message }) => ({ fault: { status, message } }) },
    policy: new Policy({ 'things:make': 'role:maker' }),
    routes,
    headers: { 'X-Service': 'test' },
    authenticate: async (token) =>
      token.startsWith('t-')
        ? { credentials: { roles: [token.slice(2)] }, userId: 'u', projectId: undefined }
        : undefined,
  });
}

let server: ApiServer | undefined;
afterEach(() => server?.close());

async function start(options: Partial<ApiServerOptions> = {}): Promise<ApiServer> {
  server = await startApiServer({
    services: { '': service(), '/under': service() },
    host: '127.0.0.1',
    port: 0,
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    metrics: createMetrics(),
    ...options,
  });
  return server;
}

async function get(url: string, options = {}) {
  const response = await request(url, options);
  const text = await response.body.text();
  return { status: response.statusCode, headers: response.headers, text };
}
const post = (url: string, body: unknown, token?: string) =>
  get(url, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { 'x-auth-token': token }),
    },
  });

describe('an API server', () => {
  it('checks token, schema and policy, in this order', async () => {
    const { url } = await start();
    expect((await post(`${url}/things`, {})).status).toBe(401);
    expect((await post(`${url}/things`, {}, 'forged')).status).toBe(401);
    expect((await post(`${url}/things`, {}, 't-reader')).status).toBe(400);
    const refused = await post(`${url}/things`, { name: 'x' }, 't-reader');
    expect([refused.status, refused.text]).toEqual([
      403,
      '{"fault":{"status":403,"message":"no things:make"}}',
    ]);
    const made = await post(`${url}/under/things`, { name: 'x' }, 't-maker');
    expect([made.status, made.text]).toEqual([201, `{"name":"x","from":"${url}/under"}`]);
    expect(made.headers['x-service']).toBe('test');
  });

  it('says what is wrong with a body, but never shows a secret one', async () => {
    const { url } = await start();
    const long = await post(`${url}/things`, { name: 'too long' }, 't-maker');
    expect(long.text).toContain('\'name\': \\"too long\\" must NOT have more than 5 characters');
    const secret = await post(`${url}/things`, { name: 'x', password: 'sesame' }, 't-maker');
    expect(secret.text).toContain("'password'");
    expect(secret.text).not.toContain('sesame');
  });

  it('keeps what broke to itself', async () => {
    const { url } = await start();
    const bug = await get(`${url}/broken/bug`);
    expect(bug.status).toBe(500);
    expect(bug.text).not.toContain('secret');
    const busy = await get(`${url}/broken/busy`);
    expect([busy.status, busy.headers['retry-after']]).toEqual([503, '1']);
    expect(busy.text).not.toContain('secret');
  });

  it('answers busy when too many requests wait', async () => {
    const { url } = await start({ bounds: { inFlightMax: 1, waitingMax: 0 } });
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => post(`${url}/things`, { name: 'x' }, 't-maker')),
    );
    const statuses = new Set(answers.map((answer) => answer.status));
    expect([...statuses].every((status) => status === 201 || status === 503)).toBe(true);
    expect((await get(`${url}/open`)).status).toBe(200);
  });

  it('counts what it did', async () => {
    const metrics = createMetrics();
    const { url } = await start({ metrics });
    await get(`${url}/open`);
    await get(`${url}/broken/bug`);
    const text = await metrics.metrics();
    expect(text).toContain(
      'pileus_api_requests_total{service="test",method="GET",path="/open",status="200"} 1',
    );
    expect(text).toContain('path="/broken/:how",status="500"} 1');
  });

  it('says that its address is taken', async () => {
    const { port } = await start();
    const second = startApiServer({
      services: {},
      host: '127.0.0.1',
      port,
      clock: systemClock,
      random: systemRandom,
      log: silentLogger,
      metrics: createMetrics(),
    });
    const failure = await second.catch((error: unknown) => error);
    expect(isFailure(failure) && failure.code).toBe('address-in-use');
  });

  it('speaks TLS when it has a certificate', async () => {
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
    const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: 'CN=127.0.0.1',
      keys,
      signingAlgorithm: algorithm,
      extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }])],
    });
    const cert = certificate.toString('pem');
    const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey);
    const key = x509.PemConverter.encode(pkcs8, 'PRIVATE KEY');
    const { url } = await start({ tls: { key, cert } });
    const dispatcher = new Agent({ connect: { ca: cert } });
    expect(url).toMatch(/^https:/);
    expect((await get(`${url}/open`, { dispatcher })).text).toBe('{"ok":true}');
    await dispatcher.close();
  });

  it('refuses a route whose rule is not there before it listens', () => {
    const broken = () =>
      apiService<Caller>({
        name: 'test',
        dialect: { failures, body: () => ({}) },
        policy: new Policy({}),
        routes,
        headers: {},
        authenticate: async () => undefined,
      });
    expect(broken).toThrow('policy rule that is not there');
  });
});
