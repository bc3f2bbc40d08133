/** Two whole front processes on one PostgreSQL and the same storage processes: both serve at once, and one takes over what the other died in. */
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { TestPostgres } from '../../cloud/state/testing/postgres.ts';
import { type CloudInfo, freePortBase } from '../support/cloud.ts';
import { SplitCloud } from '../support/split-cloud.ts';

const roles = ['proxy', 'controller', 'gateway'];
const bytes = randomBytes(300_000);
let database: TestPostgres;
let cloud: SplitCloud;
let one: CloudInfo;
let two: CloudInfo;
let web: Server;
let webUrl: string;
/** Downloads that wait for the rest of their bytes. */
const waiting: ServerResponse[] = [];
let holdBack = true;

const change = (file: string, next: (document: Record<string, unknown>) => object) =>
  fs.writeFileSync(file, stringify(next(parse(fs.readFileSync(file, 'utf8')))));

beforeAll(async () => {
  database = TestPostgres.start();
  const url = database.database();
  web = createServer((_request, response) => {
    response.writeHead(200, { 'content-length': bytes.length });
    if (!holdBack) return response.end(bytes);
    response.write(bytes.subarray(0, 100_000));
    return waiting.push(response);
  });
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  const at = web.address();
  const port = typeof at === 'object' ? at?.port : undefined;
  webUrl = `http://127.0.0.1:${port}/disk`;
  const settings = {
    state: { url },
    operations: { leaseMs: 2_000, pollMs: 200 },
    // A transfer outlives the lease of its operation: who takes that over must not wait for it.
    image: {
      ...{ guest: false, volumes: false, transferLeaseMs: 60_000, sweepMs: 500 },
      ...{ webDownloadHosts: '127.0.0.1', webDownloadPorts: String(port) },
    },
  };
  cloud = await SplitCloud.start('two-fronts', 3, (folder) => {
    const file = join(folder, 'front.yaml');
    change(file, (document) => ({ ...document, settings }));
    for (const kind of ['pem', 'key'])
      fs.copyFileSync(
        join(folder, 'secrets', `front.${kind}`),
        join(folder, 'secrets', `front-2.${kind}`),
      );
    // The cluster's secrets: whoever runs a controller is given them.
    fs.mkdirSync(join(folder, 'front-2'), { mode: 0o700 });
    fs.symlinkSync(join(folder, 'front', 'secrets'), join(folder, 'front-2', 'secrets'));
  });
  // Its ports are looked for when those of the first are taken.
  const second = join(cloud.folder, 'front-2.yaml');
  const port2 = await freePortBase();
  fs.copyFileSync(join(cloud.folder, 'front.yaml'), second);
  change(second, (document) => ({ ...document, name: 'front-2', data: './front-2', port: port2 }));
  await cloud.startProcess('front-2', roles);
  one = cloud.info;
  two = await cloud.askInfo('front-2');
});
afterAll(async () => {
  for (const response of waiting) response.destroy();
  web?.close();
  await cloud?.remove();
  database?.remove();
});

async function ask(url: string, token: string, method = 'GET', body?: unknown) {
  const answer = await fetch(url, {
    ...{ method, headers: { 'x-auth-token': token, 'content-type': 'application/json' } },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return {
    status: answer.status,
    text,
    json: text.startsWith('{') ? JSON.parse(text) : {},
    headers: answer.headers,
  };
}

async function logIn(at: CloudInfo, name: string, password: string, project: string) {
  const domain = { id: 'default' };
  const identity = { methods: ['password'], password: { user: { name, password, domain } } };
  const scope = { project: { name: project, domain } };
  const body = { auth: { identity, scope } };
  return await ask(`${at.endpoints.api}/identity/v3/auth/tokens`, '', 'POST', body);
}

const adminToken = async (at: CloudInfo) =>
  (await logIn(at, at.admin.username, at.admin.password, at.admin.project)).headers.get(
    'x-subject-token',
  ) ?? '';

it('either knows what the other was told: users, tokens, objects, images', async () => {
  const token = await adminToken(one);
  const identity = (at: CloudInfo) => `${at.endpoints.api}/identity/v3`;
  const made = await ask(`${identity(one)}/users`, token, 'POST', {
    user: { name: 'ann', password: 'sesame' },
  });
  expect(made.status).toBe(201);
  const projects = await ask(`${identity(two)}/projects?name=demo`, token);
  const roleList = await ask(`${identity(two)}/roles?name=member`, token);
  const grant = `${identity(two)}/projects/${projects.json.projects[0].id}/users/${made.json.user.id}/roles/${roleList.json.roles[0].id}`;
  expect((await ask(grant, token, 'PUT')).status).toBe(204);
  const ann = (await logIn(one, 'ann', 'sesame', 'demo')).headers.get('x-subject-token') ?? '';
  const account = (at: CloudInfo) =>
    `${at.endpoints.api}/object-store/v1/AUTH_${projects.json.projects[0].id}`;
  expect((await ask(`${account(one)}/box`, ann, 'PUT')).status).toBe(201);
  expect((await ask(`${account(two)}/box/object`, ann, 'PUT', 'words')).status).toBe(201);
  expect((await ask(`${account(one)}/box/object`, ann)).text).toBe('"words"');
  // Disabled at one, refused at both.
  const disable = { user: { enabled: false } };
  expect(
    (await ask(`${identity(two)}/users/${made.json.user.id}`, token, 'PATCH', disable)).status,
  ).toBe(200);
  for (const at of [one, two])
    await expect
      .poll(async () => (await ask(`${account(at)}/box`, ann)).status, { timeout: 20_000 })
      .toBe(401);
});

it('an image is imported once, whichever of them dies in the midst of it', async () => {
  const token = await adminToken(two);
  const images = `${two.endpoints.image}/v2/images`;
  const ids: string[] = [];
  for (let at = 0; at < 4; at++) {
    // Asked of either: whoever is free does it.
    const { image } = (at % 2 === 0 ? one : two).endpoints;
    const made = await ask(`${image}/v2/images`, token, 'POST', {
      disk_format: 'raw',
      container_format: 'bare',
    });
    const method = { name: 'web-download', uri: webUrl };
    const begun = await ask(`${image}/v2/images/${made.json.id}/import`, token, 'POST', { method });
    expect(begun.status).toBe(202);
    ids.push(made.json.id);
  }
  await expect.poll(() => waiting.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(4);
  holdBack = false;
  cloud.signal('front', 'SIGKILL');
  for (const response of waiting) response.end(bytes.subarray(100_000));
  for (const id of ids) {
    const status = async () => (await ask(`${images}/${id}`, token)).json.status;
    await expect.poll(status, { timeout: 60_000, interval: 250 }).toBe('active');
    const tasks = await ask(`${images}/${id}/tasks`, token);
    expect(tasks.json.tasks.map((task: { status: string }) => task.status)).toEqual(['success']);
    const saved = await fetch(`${images}/${id}/file`, { headers: { 'x-auth-token': token } });
    expect(Buffer.from(await saved.arrayBuffer()).equals(bytes)).toBe(true);
  }
});

it('the one that was killed comes back and goes on', async () => {
  await cloud.startProcess('front', roles);
  const token = await adminToken(one);
  const shown = await ask(`${one.endpoints.image}/v2/images`, token);
  expect(shown.json.images.map((image: { status: string }) => image.status)).toEqual(
    Array(4).fill('active'),
  );
});
