/** Two controllers of one cloud on one PostgreSQL, both at work at once. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMetrics, parseSettings, silentLogger, systemRandom, Undo } from '#common';
import { dataFolder } from '../../cli/data-folder.ts';
import { type Controller, openController } from '../../cli/roles/controller.ts';
import { settingsRooms } from '../../cli/settings.ts';
import { childWorkflow, sampleWorkflow } from '../../cloud/operations/testing/sample.ts';
import { TestDatabase } from '../../cloud/state/testing/engines.ts';

let root: string;
let database: TestDatabase;
const opened = new Undo();
let one: Controller;
let two: Controller;
let urls: string[];

async function open(name: string): Promise<Controller> {
  const settings = parseSettings(settingsRooms, {
    state: { url: database.settings.url },
    identity: { passwordCostLog2: 10 },
    operations: { pollMs: 20, leaseMs: 1_000 },
  });
  const folder = dataFolder(join(root, name));
  const context = {
    clusterId: 'a-cluster',
    name,
    settings,
    random: systemRandom,
    log: silentLogger,
    metrics: createMetrics(),
  };
  const controller = await openController(folder, context, [], opened);
  controller.operations.add([sampleWorkflow, childWorkflow]);
  return controller;
}

async function listen(controller: Controller): Promise<string> {
  const server = await controller.listen({ host: '127.0.0.1', port: 0, services: {} });
  opened.add(() => server.close());
  return server.url;
}

beforeAll(async () => {
  root = fs.mkdtempSync(join(tmpdir(), 'pileus-controllers-'));
  database = new TestDatabase('postgres');
  // The secrets are the cluster's: whoever runs a controller is given them.
  const secrets = join(root, 'secrets');
  fs.mkdirSync(secrets);
  for (const name of ['one', 'two']) {
    fs.mkdirSync(join(root, name));
    fs.symlinkSync(secrets, join(root, name, 'secrets'));
  }
  // One after the other only for the files of the secrets; the database would not mind.
  one = await open('one');
  two = await open('two');
  urls = await Promise.all([listen(one), listen(two)]);
});
afterAll(async () => {
  await opened.run();
  await database.remove();
  fs.rmSync(root, { recursive: true });
});

async function logIn(url: string, name: string, password: string, project: string) {
  const scope = { project: { name: project, domain: { id: 'default' } } };
  const user = { name, password, domain: { id: 'default' } };
  const body = JSON.stringify({
    auth: { identity: { methods: ['password'], password: { user } }, scope },
  });
  const headers = { 'content-type': 'application/json' };
  const answer = await request(`${url}/v3/auth/tokens`, { method: 'POST', body, headers });
  await answer.body.dump();
  return { status: answer.statusCode, token: String(answer.headers['x-subject-token'] ?? '') };
}

async function ask(url: string, path: string, token: string, method = 'GET'): Promise<number> {
  const answer = await request(`${url}${path}`, { method, headers: { 'x-auth-token': token } });
  await answer.body.dump();
  return answer.statusCode;
}

describe('two controllers', () => {
  it('know the same users, accept each other’s tokens, and refuse revoked ones within a second', async () => {
    const [first = '', second = ''] = urls;
    await one.identity.createUser({
      project: 'team',
      name: 'ann',
      password: 'sesame',
      role: 'member',
      s3: false,
    });
    const { status, token } = await logIn(second, 'ann', 'sesame', 'team');
    expect(status).toBe(201);
    expect(await ask(first, '/v3/auth/projects', token)).toBe(200);
    await two.identity.removeUser('ann');
    await expect
      .poll(() => ask(first, '/v3/auth/projects', token), { timeout: 1_000, interval: 50 })
      .toBe(401);
  });

  it('rotate keys without logging anybody out', async () => {
    const [first = '', second = ''] = urls;
    const { admin } = one;
    const before = await logIn(first, admin.username, admin.password, admin.project);
    await two.identity.rotateTokenKey();
    const after = await logIn(second, admin.username, admin.password, admin.project);
    for (const url of urls)
      for (const { token } of [before, after])
        expect(await ask(url, '/v3/auth/projects', token)).toBe(200);
  });

  it('share operations: either finishes what the other began and was stopped in', async () => {
    const folder = join(root, 'made');
    fs.mkdirSync(folder);
    const started = await Promise.all(
      Array.from({ length: 10 }, () =>
        one.operations.start({ workflow: 'sample.make', input: { folder, fails: false } }),
      ),
    );
    await one.operations.close();
    for (const { id } of started) {
      const ended = await two.operations.outcome(id, AbortSignal.timeout(20_000));
      expect(ended.state).toBe('succeeded');
    }
  });

  it('count quotas together', async () => {
    for (const { quotas } of [one, two])
      quotas.add([{ resource: 'test.things', defaultLimit: 50 }]);
    const reserve = ({ quotas, state }: Controller, holder: string) =>
      state.transaction((tx) => quotas.reserve(tx, { scope: 'p', holder }, { 'test.things': 1 }), {
        lock: quotas.lockOf('p'),
      });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 120 }, (_, at) => reserve(at % 2 === 0 ? one : two, `h${at}`)),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(50);
    expect((await two.quotas.usage('p'))['test.things']).toEqual({ limit: 50, used: 50 });
  });
});
