/** Who is disabled, or whose token is revoked, is refused at every endpoint within a second. */
import aws4 from 'aws4';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestCloud } from '../support/cloud.ts';

let cloud: TestCloud;
let admin: string;
beforeAll(async () => {
  cloud = await TestCloud.start('revocation');
  const { username, password } = cloud.info.admin;
  admin = await tokenOf(username, password, 'admin');
});
afterAll(() => cloud.remove());

const identity = (method: string, path: string, token: string, body?: unknown) =>
  fetch(`${cloud.info.endpoints.identity}${path}`, {
    method,
    headers: { 'x-auth-token': token, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

async function tokenOf(name: string, password: string, project: string): Promise<string> {
  const domain = { id: 'default' };
  const auth = {
    identity: { methods: ['password'], password: { user: { name, password, domain } } },
    scope: { project: { name: project, domain } },
  };
  const answer = await identity('POST', '/auth/tokens', '', { auth });
  const token = answer.headers.get('x-subject-token');
  if (token === null) throw new Error(`no token: ${answer.status} ${await answer.text()}`);
  return token;
}

interface User {
  readonly id: string;
  readonly token: string;
  readonly projectId: string;
  readonly key: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

async function newUser(name: string): Promise<User> {
  const made = await identity('POST', '/users', admin, { user: { name, password: 's3same-word' } });
  const { user } = (await made.json()) as { user: { id: string } };
  const demo = await idOf('/projects?name=demo', 'projects');
  const role = await idOf('/roles?name=member', 'roles');
  await identity('PUT', `/projects/${demo}/users/${user.id}/roles/${role}`, admin);
  const token = await tokenOf(name, 's3same-word', 'demo');
  const pair = await identity('POST', `/users/${user.id}/credentials/OS-EC2`, token, {
    tenant_id: demo,
  });
  const { credential } = (await pair.json()) as { credential: { access: string; secret: string } };
  const key = { accessKeyId: credential.access, secretAccessKey: credential.secret };
  return { id: user.id, token, projectId: demo, key };
}

async function idOf(path: string, collection: string): Promise<string> {
  const found = (await (await identity('GET', path, admin)).json()) as Record<
    string,
    { id: string }[]
  >;
  return found[collection]?.[0]?.id ?? '';
}

/** The status of a request of the user's at each endpoint that takes tokens. */
async function byToken({ token, projectId, id }: User): Promise<Record<string, number>> {
  const { swift, image } = cloud.info.endpoints as Record<string, string>;
  const headers = { 'x-auth-token': token };
  const urls = {
    swift: `${swift}/AUTH_${projectId}`,
    image: `${image}/v2/images`,
    identity: `${cloud.info.endpoints.identity}/users/${id}/projects`,
  };
  const answers: Record<string, number> = {};
  for (const [name, url] of Object.entries(urls))
    answers[name] = (await fetch(url, { headers })).status;
  return answers;
}

async function byKey({ key }: User): Promise<number> {
  const { s3 } = cloud.info.endpoints;
  const { host } = new URL(s3);
  const request = { host, path: '/', service: 's3', region: 'RegionOne', headers: { host } };
  const { headers } = aws4.sign(request, key);
  return (await fetch(s3, { headers: { ...headers } as Record<string, string> })).status;
}

const good = { swift: 204, image: 200, identity: 200 };
const refused = { swift: 401, image: 401, identity: 401 };

/** Asks until the answer is the wanted one; what it takes must be below a second. */
async function withinASecond<T>(ask: () => Promise<T>, wanted: T): Promise<void> {
  const startMs = performance.now();
  let answer = await ask();
  while (performance.now() - startMs < 1000 && JSON.stringify(answer) !== JSON.stringify(wanted))
    answer = await ask();
  expect(answer).toEqual(wanted);
}

describe('within a second', () => {
  it('a revoked token is refused at every endpoint, and no other', async () => {
    const user = await newUser('ann');
    expect(await byToken(user)).toEqual(good);
    await fetch(`${cloud.info.endpoints.identity}/auth/tokens`, {
      method: 'DELETE',
      headers: { 'x-auth-token': user.token, 'x-subject-token': user.token },
    });
    await withinASecond(() => byToken(user), refused);
    expect(await byKey(user)).toBe(200);
    const again = await tokenOf('ann', 's3same-word', 'demo');
    expect(await byToken({ ...user, token: again })).toEqual(good);
  });

  it('a disabled user is refused at every endpoint, by token and by S3 key', async () => {
    const user = await newUser('bob');
    expect(await byToken(user)).toEqual(good);
    expect(await byKey(user)).toBe(200);
    await identity('PATCH', `/users/${user.id}`, admin, { user: { enabled: false } });
    await withinASecond(() => byToken(user), refused);
    await withinASecond(() => byKey(user), 403);
  });

  it('so is a user who has lost the role, and one whose project is disabled', async () => {
    const user = await newUser('cat');
    const role = await idOf('/roles?name=member', 'roles');
    const grant = `/projects/${user.projectId}/users/${user.id}/roles/${role}`;
    await identity('DELETE', grant, admin);
    await withinASecond(() => byToken(user), refused);
    await identity('PUT', grant, admin);
    const again = { ...user, token: await tokenOf('cat', 's3same-word', 'demo') };
    expect(await byToken(again)).toEqual(good);
    await identity('PATCH', `/projects/${user.projectId}`, admin, { project: { enabled: false } });
    await withinASecond(() => byToken(again), refused);
    await withinASecond(() => byKey(again), 403);
  });
});
