import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adminToken, authBody, call, inProject, logIn, textAt } from '../../testing/client.ts';
import { startTestCloud, type TestCloud } from '../../testing/cloud.ts';

let cloud: TestCloud;
let admin: string;
beforeAll(async () => {
  cloud = await startTestCloud();
  admin = await adminToken(cloud);
  await cloud.identity.createUser({ project: 'site', name: 'ann', password: 'sesame' });
  await cloud.identity.createUser({ project: 'site', name: 'rob', password: 'r', role: 'reader' });
});
afterAll(() => cloud.close());

const ann = { name: 'ann', password: 'sesame' };
const post = (body: unknown) => call(cloud, 'POST', '/v3/auth/tokens', { body });
const validate = (token: string, subject: string, query = '') =>
  call(cloud, 'GET', `/v3/auth/tokens${query}`, { token, headers: { 'x-subject-token': subject } });
const refused = {
  error: {
    code: 401,
    message: 'The request you have made requires authentication.',
    title: 'Unauthorized',
  },
};

describe('POST /v3/auth/tokens', () => {
  it('answers in the form of the reference', async () => {
    const answer = await post(authBody({ ...ann, scope: inProject('site') }));
    expect(answer.status).toBe(201);
    expect(answer.headers.vary).toBe('X-Auth-Token');
    expect(answer.headers['x-openstack-request-id']).toMatch(/^req-[0-9a-f-]{36}$/);
    expect(answer.body).toMatchObject({
      token: {
        methods: ['password'],
        is_domain: false,
        user: {
          name: 'ann',
          domain: { id: 'default', name: 'Default' },
          password_expires_at: null,
        },
        project: { name: 'site', domain: { id: 'default', name: 'Default' } },
        roles: [{ name: 'member' }, { name: 'reader' }],
        expires_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
        audit_ids: [expect.stringMatching(/^[\w-]{22}$/)],
      },
    });
    const projectId = textAt(answer, 'token.project.id');
    expect(answer.text).toContain(`/v1/AUTH_${projectId}`);
    expect(answer.text).not.toContain('sesame');
  });

  it('knows every scope', async () => {
    const { username: name, password } = cloud.admin;
    const log = (scope: unknown) => post(authBody({ name, password, scope }));
    expect((await log('unscoped')).body).not.toHaveProperty('token.project');
    expect((await log({ unscoped: {} })).body).not.toHaveProperty('token.roles');
    expect((await log({ system: { all: true } })).body).toHaveProperty('token.system.all', true);
    const domain = await log({ domain: { id: 'default' } });
    expect(domain.body).toHaveProperty('token.domain.name', 'Default');
    expect(domain.text).not.toContain('/v1/AUTH_');
    expect((await log({ domain: { name: 'Default' } })).status).toBe(201);
    // Nothing said: the default project.
    expect((await log(undefined)).body).toHaveProperty('token.project.name', 'admin');
    const projectId = textAt(await log(inProject('demo')), 'token.project.id');
    const byId = await log({ project: { id: projectId } });
    expect(byId.body).toHaveProperty('token.project.name', 'demo');
  });

  it('refuses every wrong log-in with the same words', async () => {
    const wrong = [
      authBody({ ...ann, password: 'wrong' }),
      authBody({ ...ann, password: '' }),
      authBody({ name: 'nobody', password: 'sesame' }),
      authBody({ ...ann, domain: 'nowhere' }),
      authBody({ ...ann, scope: inProject('nowhere') }),
      authBody({ ...ann, scope: inProject('demo') }),
      authBody({ ...ann, scope: { system: { all: true } } }),
      authBody({ ...ann, scope: { domain: { id: 'default' } } }),
      authBody({ ...ann, scope: { project: { id: 'nope' } } }),
      {
        auth: {
          identity: {
            methods: ['password'],
            password: { user: { name: 'ann', password: 'sesame' } },
          },
        },
      },
    ];
    for (const body of wrong) {
      const answer = await post(body);
      expect(answer.body, JSON.stringify(body)).toEqual(refused);
      expect(answer.headers['x-subject-token']).toBeUndefined();
      expect(answer.headers['www-authenticate']).toMatch(/^Keystone uri=/);
    }
  });

  it('finds no token where there is none, as upstream does', async () => {
    const body = { auth: { identity: { methods: ['token'], token: { id: 'x.y.z' } } } };
    const answer = await post(body);
    expect(answer.status).toBe(404);
    expect(textAt(answer, 'error.message')).toBe('Could not find token.');
  });

  it('says what is wrong with a body that is no log-in', async () => {
    const identity = authBody(ann).auth.identity;
    for (const [body, message] of [
      [{}, "'auth' is a required property"],
      [{ auth: {} }, "'identity' is a required property"],
      [{ auth: { identity: {} } }, "'methods' is a required property"],
      [{ auth: { identity: { methods: 'password' } } }, 'must be array'],
      [{ auth: { identity: { methods: ['password'] } } }, 'Expecting to find password'],
      [
        { auth: { identity: { methods: ['password'], password: { user: { password: 'x' } } } } },
        'id or name must be present',
      ],
      [{ auth: { identity, scope: {} } }, 'Expecting to find a target'],
      [{ auth: { identity, scope: { project: {} } } }, 'id or name must be present'],
      [{ auth: { identity, scope: 'everything' } }, 'unscoped'],
      [
        { auth: { identity, scope: { ...inProject('site'), domain: { id: 'default' } } } },
        'several targets',
      ],
    ] as const) {
      const answer = await post(body);
      expect(answer.status, JSON.stringify(body)).toBe(400);
      expect(textAt(answer, 'error.message')).toContain(message);
      expect(answer.body).toHaveProperty('error.title', 'Bad Request');
    }
    const method = await post({ auth: { identity: { methods: ['telepathy'] } } });
    expect(method.status).toBe(401);
    const trust = await post({ auth: { identity, scope: { 'OS-TRUST:trust': { id: 'x' } } } });
    expect(trust.status).toBe(401);
  });

  it('makes a token from a token, which lives no longer and names its chain', async () => {
    const first = await post(authBody({ ...ann, scope: 'unscoped' }));
    const token = String(first.headers['x-subject-token']);
    const second = await post({
      auth: { identity: { methods: ['token'], token: { id: token } }, scope: inProject('site') },
    });
    expect(second.status).toBe(201);
    expect(second.body).toMatchObject({
      token: { methods: ['password', 'token'], project: { name: 'site' } },
    });
    expect(textAt(second, 'token.expires_at')).toBe(textAt(first, 'token.expires_at'));
    expect(second.body.token).toHaveProperty('audit_ids.1', textAt(first, 'token.audit_ids.0'));
    const foreign = await post({
      auth: { identity: { methods: ['token'], token: { id: token } }, scope: inProject('demo') },
    });
    expect(foreign.status).toBe(401);
    // Two proofs of two users are none.
    const mixed = await post({
      auth: {
        identity: {
          ...authBody({ name: 'rob', password: 'r' }).auth.identity,
          methods: ['password', 'token'],
          token: { id: token },
        },
      },
    });
    expect(mixed.body).toEqual(refused);
  });
});

describe('GET and HEAD /v3/auth/tokens', () => {
  it('show a token to its owner, to administrators and to services, and to nobody else', async () => {
    const token = await logIn(cloud, ann);
    for (const asker of [token, admin]) {
      const answer = await validate(asker, token);
      expect(answer.status).toBe(200);
      expect(answer.headers['x-subject-token']).toBe(token);
      expect(answer.body).toHaveProperty('token.user.name', 'ann');
      expect(answer.body).toHaveProperty('token.catalog');
      const short = await validate(asker, token, '?nocatalog');
      expect(short.body).not.toHaveProperty('token.catalog');
    }
    const head = await call(cloud, 'HEAD', '/v3/auth/tokens', {
      token: admin,
      headers: { 'x-subject-token': token },
    });
    expect([head.status, head.text]).toEqual([200, '']);
    const rob = await logIn(cloud, { name: 'rob', password: 'r' });
    expect((await validate(rob, token)).status).toBe(403);
  });

  it('answer 401 to a bad asker and 404 to a bad subject', async () => {
    expect((await validate('rubbish', admin)).body).toEqual(refused);
    const noToken = await call(cloud, 'GET', '/v3/auth/tokens', {
      headers: { 'x-subject-token': admin },
    });
    expect(noToken.body).toEqual(refused);
    expect((await validate(admin, 'rubbish')).status).toBe(404);
    expect((await call(cloud, 'GET', '/v3/auth/tokens', { token: admin })).status).toBe(404);
  });
});

describe('DELETE /v3/auth/tokens', () => {
  it('ends one token at once and no other', async () => {
    const token = await logIn(cloud, ann);
    const other = await logIn(cloud, ann);
    const rob = await logIn(cloud, { name: 'rob', password: 'r' });
    const end = (asker: string) =>
      call(cloud, 'DELETE', '/v3/auth/tokens', {
        token: asker,
        headers: { 'x-subject-token': token },
      });
    expect((await end(rob)).status).toBe(403);
    expect((await end(token)).status).toBe(204);
    expect((await validate(token, token)).status).toBe(401);
    expect((await validate(admin, token)).status).toBe(404);
    expect((await validate(admin, other)).status).toBe(200);
  });
});

describe('what a token reaches', () => {
  it('lists projects, domains, system and catalog', async () => {
    const token = await logIn(cloud, ann);
    const projects = await call(cloud, 'GET', '/v3/auth/projects', { token });
    expect(projects.body.projects).toMatchObject([{ name: 'site' }]);
    expect((await call(cloud, 'GET', '/v3/auth/domains', { token })).body.domains).toEqual([]);
    expect((await call(cloud, 'GET', '/v3/auth/system', { token })).body.system).toEqual([]);
    const mine = await call(cloud, 'GET', '/v3/auth/system', { token: admin });
    expect(mine.body.system).toEqual([{ all: true }]);
    const catalog = await call(cloud, 'GET', '/v3/auth/catalog', { token });
    expect(catalog.body.catalog).toMatchObject([{ type: 'identity' }, { type: 'object-store' }]);
    const unscoped = await logIn(cloud, { ...ann, scope: 'unscoped' });
    const none = await call(cloud, 'GET', '/v3/auth/catalog', { token: unscoped });
    expect(none.status).toBe(403);
  });
});

describe('application credentials', () => {
  it('stand for their user with some of the roles, and for no more', async () => {
    const token = await logIn(cloud, ann);
    const userId = textAt(await validate(token, token), 'token.user.id');
    const path = `/v3/users/${userId}/application_credentials`;
    const made = await call(cloud, 'POST', path, {
      token,
      body: { application_credential: { name: 'ci', roles: [{ name: 'reader' }] } },
    });
    expect(made.status).toBe(201);
    const id = textAt(made, 'application_credential.id');
    const secret = textAt(made, 'application_credential.secret');
    const log = (credential: object, scope?: unknown) =>
      post({
        auth: {
          identity: { methods: ['application_credential'], application_credential: credential },
          ...(scope === undefined ? {} : { scope }),
        },
      });
    const issued = await log({ id, secret });
    expect(issued.body).toMatchObject({
      token: {
        roles: [{ name: 'reader' }],
        project: { name: 'site' },
        application_credential: { id, name: 'ci', restricted: true },
      },
    });
    expect((await log({ name: 'ci', user: { id: userId }, secret })).status).toBe(201);
    expect((await log({ id, secret: `${secret}x` })).body).toEqual(refused);
    expect((await log({ id, secret }, inProject('demo'))).body).toEqual(refused);
    const limited = String(issued.headers['x-subject-token']);
    const more = await call(cloud, 'POST', path, {
      token: limited,
      body: { application_credential: { name: 'more' } },
    });
    expect(more.status).toBe(403);
    const asToken = await post({
      auth: { identity: { methods: ['token'], token: { id: limited } }, scope: 'unscoped' },
    });
    expect(asToken.status).toBe(403);
    const shown = await call(cloud, 'GET', `${path}/${id}`, { token });
    expect(shown.text).not.toContain(secret);
    expect((await call(cloud, 'DELETE', `${path}/${id}`, { token })).status).toBe(204);
    expect((await validate(admin, limited)).status).toBe(404);
    const greedy = await call(cloud, 'POST', path, {
      token,
      body: { application_credential: { name: 'x', roles: [{ name: 'admin' }] } },
    });
    expect(greedy.status).toBe(400);
    const ruled = await call(cloud, 'POST', path, {
      token,
      body: { application_credential: { name: 'x', access_rules: [{ path: '/' }] } },
    });
    // A rule says which service, which method and which path.
    expect(ruled.status).toBe(400);
  });
});
