/** A service in a dialect of its own on a random port, for tests of the machinery. */
import { createMetrics, silentLogger, systemClock, systemRandom } from '#common';
import type { FailureTable } from '../failures.ts';
import {
  type ApiServer,
  type ApiServerOptions,
  type ApiService,
  apiService,
  type Caller,
  Policy,
  startApiServer,
} from '../index.ts';

const say = (status: number, words: string) => ({
  kind: 'invalid' as const,
  status,
  say: (facts: Readonly<Record<string, unknown>>) => String(facts.detail ?? words),
});

export const testFailures = {
  unauthorized: say(401, 'who are you'),
  'forbidden-action': say(403, 'no'),
  'schema-invalid': say(400, 'schema'),
  'body-invalid': say(400, 'body'),
  'body-too-large': say(413, 'too large'),
  'page-invalid': say(400, 'page'),
  'route-missing': say(404, 'no such page'),
  'method-not-allowed': say(405, 'no such method'),
} as const satisfies FailureTable;

/** The token `good` is user `u` in project `p`. */
export function testService(service: Partial<ApiService<Caller>>) {
  return apiService<Caller>({
    name: 'test',
    dialect: { failures: testFailures, body: ({ status, message }) => ({ status, message }) },
    policy: new Policy({}),
    routes: [],
    headers: {},
    authenticate: async (token) =>
      token === 'good' ? { credentials: { roles: [] }, userId: 'u', projectId: 'p' } : undefined,
    ...service,
  });
}

export function startTestServer(
  service: Partial<ApiService<Caller>>,
  options: Partial<ApiServerOptions> = {},
): Promise<ApiServer> {
  return startApiServer({
    services: { '': testService(service) },
    host: '127.0.0.1',
    port: 0,
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    metrics: createMetrics(),
    ...options,
  });
}
