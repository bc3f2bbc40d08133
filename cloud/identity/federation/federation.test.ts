/** Log-ins by OpenID Connect, against `oidc-provider` and a bare provider of opaque tokens. */
import { generateKeyPairSync } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { SignJWT, UnsecuredJWT } from 'jose';
import { Provider } from 'oidc-provider';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adminToken, call, textAt } from '../testing/client.ts';
import { startTestCloud, type TestCloud } from '../testing/cloud.ts';

let cloud: TestCloud;
let token: string;
const servers: Server[] = [];
let issuer: string;
let opaqueIssuer: string;
const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const audience = 'urn:pileus';

/** Who the bearers are: a client each, whose tokens carry these claims. */
const people: Record<string, Record<string, unknown>> = {
  ann: { name: 'ann', email: 'ann@example.org', groups: ['devs'] },
  eve: { name: 'admin', email: 'eve@example.org', groups: 'devs;admins' },
};

const listen = async (server: Server): Promise<string> => {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
};

async function startProvider(): Promise<string> {
  let handle: ReturnType<Provider['callback']> | undefined;
  const url = await listen(createServer((request, response) => void handle?.(request, response)));
  const provider = new Provider(url, {
    jwks: {
      keys: [
        { ...keys.privateKey.export({ format: 'jwk' }), kid: 'one', alg: 'RS256', use: 'sig' },
      ],
    },
    clients: Object.keys(people).map((id) => ({
      client_id: id,
      client_secret: `secret of ${id}`,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    })),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        getResourceServerInfo: () => ({ scope: 'api', audience, accessTokenFormat: 'jwt' }),
      },
    },
    extraTokenClaims: (_context: unknown, issued: { clientId?: string | undefined }) =>
      people[issued.clientId ?? ''],
    ttl: { ClientCredentials: 600 },
  });
  handle = provider.callback();
  return url;
}

/** A provider whose tokens say nothing: it must be asked who they are of. */
async function startOpaqueProvider(): Promise<string> {
  const server = createServer((request, response) => {
    const own = `http://${request.headers.host}`;
    const answers: Record<string, unknown> = {
      '/.well-known/openid-configuration': {
        issuer: own,
        jwks_uri: `${own}/keys`,
        userinfo_endpoint: `${own}/me`,
      },
      '/keys': { keys: [] },
      '/me':
        request.headers.authorization === 'Bearer opaque-bob'
          ? { sub: 'bob', name: 'bob', groups: ['devs'] }
          : undefined,
    };
    const body = answers[request.url ?? ''];
    response.writeHead(body === undefined ? 401 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body ?? {}));
  });
  return listen(server);
}

const put = (path: string, body: unknown) => call(cloud, 'PUT', path, { token, body });
const federation = '/v3/OS-FEDERATION';

async function bearerOf(person: string): Promise<string> {
  const response = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${person}:${encodeURIComponent(`secret of ${person}`)}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: 'grant_type=client_credentials&scope=api',
  });
  const body = (await response.json()) as { access_token: string };
  return body.access_token;
}

const logIn = (bearer: string, idp = 'acme', protocol = 'openid') =>
  call(cloud, 'POST', `${federation}/identity_providers/${idp}/protocols/${protocol}/auth`, {
    headers: { authorization: `Bearer ${bearer}` },
  });

beforeAll(async () => {
  issuer = await startProvider();
  opaqueIssuer = await startOpaqueProvider();
  cloud = await startTestCloud();
  token = await adminToken(cloud);
  const rules = [
    {
      local: [{ user: { id: '{0}', name: '{1}', email: '{2}' } }],
      remote: [{ type: 'OIDC-sub' }, { type: 'OIDC-name' }, { type: 'HTTP_OIDC_EMAIL' }],
    },
    {
      local: [{ user: { name: '{0}' } }],
      remote: [{ type: 'OIDC-name' }, { type: 'OIDC-sub', any_one_of: ['bob'] }],
    },
    {
      local: [{ groups: '{0}', domain: { id: 'default' } }],
      remote: [{ type: 'OIDC-groups', whitelist: ['devs', 'admins'] }],
    },
  ];
  expect((await put(`${federation}/mappings/acme`, { mapping: { rules } })).status).toBe(201);
  for (const [id, remote] of [
    ['acme', issuer],
    ['opaque', opaqueIssuer],
  ]) {
    const provider = { identity_provider: { enabled: true, remote_ids: [remote] } };
    expect((await put(`${federation}/identity_providers/${id}`, provider)).status).toBe(201);
    const path = `${federation}/identity_providers/${id}/protocols/openid`;
    expect((await put(path, { protocol: { mapping_id: 'acme' } })).status).toBe(201);
  }
  for (const name of ['devs', 'admins']) {
    const made = await call(cloud, 'POST', '/v3/groups', { token, body: { group: { name } } });
    const roleName = name === 'devs' ? 'member' : 'admin';
    const role = textAt(
      await call(cloud, 'GET', `/v3/roles?name=${roleName}`, { token }),
      'roles.0.id',
    );
    const demo = textAt(
      await call(cloud, 'GET', '/v3/projects?name=demo', { token }),
      'projects.0.id',
    );
    const grant = `/v3/projects/${demo}/groups/${textAt(made, 'group.id')}/roles/${role}`;
    expect((await call(cloud, 'PUT', grant, { token })).status).toBe(204);
  }
});

afterAll(async () => {
  await cloud.close();
  for (const server of servers) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

describe('a log-in by OpenID Connect', () => {
  it('gives an unscoped token, and its groups open projects', async () => {
    const first = await logIn(await bearerOf('ann'));
    expect(first.status).toBe(201);
    expect(first.body.token).toMatchObject({
      methods: ['openid'],
      user: {
        name: 'ann',
        'OS-FEDERATION': { identity_provider: { id: 'acme' }, protocol: { id: 'openid' } },
      },
    });
    expect(first.body.token).not.toHaveProperty('roles');
    const unscoped = String(first.headers['x-subject-token']);
    const reach = await call(cloud, 'GET', '/v3/auth/projects', { token: unscoped });
    expect(textAt(reach, 'projects.0.name')).toBe('demo');
    const scoped = await call(cloud, 'POST', '/v3/auth/tokens', {
      body: {
        auth: {
          identity: { methods: ['token'], token: { id: unscoped } },
          scope: { project: { id: textAt(reach, 'projects.0.id') } },
        },
      },
    });
    expect(scoped.status).toBe(201);
    expect(scoped.body.token).toMatchObject({ roles: [{ name: 'member' }, { name: 'reader' }] });
    // The same person is the same user at the next log-in.
    const again = await logIn(await bearerOf('ann'));
    expect(textAt(again, 'token.user.id')).toBe(textAt(first, 'token.user.id'));
    const user = await call(cloud, 'GET', `/v3/users/${textAt(first, 'token.user.id')}`, { token });
    expect(user.body.user).toMatchObject({
      email: 'ann@example.org',
      federated: [{ idp_id: 'acme', protocols: [{ protocol_id: 'openid', unique_id: 'ann' }] }],
    });
  });

  it('asks the provider about a token that says nothing', async () => {
    const answer = await logIn('opaque-bob', 'opaque');
    expect(answer.status).toBe(201);
    expect(textAt(answer, 'token.user.name')).toBe('bob');
    expect((await logIn('opaque-nobody', 'opaque')).status).toBe(401);
  });

  it('ends with its provider', async () => {
    const unscoped = String((await logIn(await bearerOf('ann'))).headers['x-subject-token']);
    const path = `${federation}/identity_providers/acme`;
    const set = (enabled: boolean) =>
      call(cloud, 'PATCH', path, { token, body: { identity_provider: { enabled } } });
    expect((await set(false)).status).toBe(200);
    expect((await call(cloud, 'GET', '/v3/auth/projects', { token: unscoped })).status).toBe(401);
    expect((await logIn(await bearerOf('ann'))).status).toBe(401);
    expect((await set(true)).status).toBe(200);
  });
});

describe('a provider’s bearer gets no further', () => {
  it('by the name or the groups of somebody else', async () => {
    const answer = await logIn(await bearerOf('eve'));
    expect(answer.status).toBe(201);
    // Called `admin` there, and nobody's administrator here; a semicolon makes no second group.
    expect(textAt(answer, 'token.user.id')).not.toBe(
      textAt(
        await call(cloud, 'GET', '/v3/users?name=admin&domain_id=default', { token }),
        'users.0.id',
      ),
    );
    const reach = await call(cloud, 'GET', '/v3/auth/projects', {
      token: String(answer.headers['x-subject-token']),
    });
    expect(reach.body.projects).toEqual([]);
  });

  it('by tokens that are forged, over, or for another', async () => {
    const claims = { ...people.ann, aud: audience };
    const signed = (
      key: Parameters<SignJWT['sign']>[0],
      iss = issuer,
      exp = '10m',
      alg = 'RS256',
    ) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg, kid: 'one' })
        .setIssuer(iss)
        .setSubject('ann')
        .setIssuedAt()
        .setExpirationTime(exp)
        .sign(key);
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const publicKey = Buffer.from(keys.publicKey.export({ type: 'spki', format: 'pem' }));
    const bad = [
      await signed(other),
      await signed(keys.privateKey, 'https://elsewhere.example'),
      await signed(keys.privateKey, opaqueIssuer),
      await signed(keys.privateKey, issuer, '-1m'),
      await signed(publicKey, issuer, '10m', 'HS256'),
      new UnsecuredJWT(claims).setIssuer(issuer).setSubject('ann').setExpirationTime('1h').encode(),
      'opaque-bob',
      'x.y.z',
    ];
    for (const bearer of bad) expect((await logIn(bearer)).status, bearer).toBe(401);
    expect((await logIn(await signed(keys.privateKey))).status).toBe(201);
    for (const [idp, protocol] of [
      ['nowhere', 'openid'],
      ['acme', 'saml2'],
      ['opaque', 'openid'],
    ] as const)
      expect((await logIn(await bearerOf('ann'), idp, protocol)).status).toBe(401);
  });

  it('and providers share no issuer', async () => {
    const second = { identity_provider: { enabled: true, remote_ids: [issuer] } };
    const answer = await put(`${federation}/identity_providers/second`, second);
    expect(answer.status).toBe(409);
  });
});
