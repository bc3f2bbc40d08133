/** What strangers and tenants try: every attempt is refused with the right status, and tells nothing. */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adminToken, authBody, call, inProject, logIn, textAt } from './testing/client.ts';
import { startTestCloud, type TestCloud } from './testing/cloud.ts';

let cloud: TestCloud;
let admin: string;
let ids: Record<
  'ann' | 'mal' | 'site' | 'den' | 'member' | 'admin' | 'acme' | 'credential',
  string
>;
let ann: string;
let mal: string;
let manager: string;

beforeAll(async () => {
  cloud = await startTestCloud();
  admin = await adminToken(cloud);
  const first = await cloud.identity.createUser({ project: 'site', name: 'ann', password: 'a' });
  const other = await cloud.identity.createUser({
    project: 'den',
    name: 'mal',
    password: 'm',
    s3: true,
  });
  ann = await logIn(cloud, { name: 'ann', password: 'a' });
  mal = await logIn(cloud, { name: 'mal', password: 'm' });
  const roleId = async (name: string) =>
    textAt(await call(cloud, 'GET', `/v3/roles?name=${name}`, { token: admin }), 'roles.0.id');
  const domain = await call(cloud, 'POST', '/v3/domains', {
    token: admin,
    body: { domain: { name: 'acme' } },
  });
  const key = await call(cloud, 'POST', `/v3/users/${first.userId}/credentials/OS-EC2`, {
    token: ann,
    body: { tenant_id: first.projectId },
  });
  ids = {
    ann: first.userId,
    mal: other.userId,
    site: first.projectId,
    den: other.projectId,
    member: await roleId('member'),
    admin: await roleId('admin'),
    acme: textAt(domain, 'domain.id'),
    credential: textAt(key, 'credential.access'),
  };
  // A manager of the domain acme.
  const user = await call(cloud, 'POST', '/v3/users', {
    token: admin,
    body: { user: { name: 'boss', password: 'b', domain_id: ids.acme } },
  });
  const grant = `/v3/domains/${ids.acme}/users/${textAt(user, 'user.id')}/roles/${await roleId('manager')}`;
  expect((await call(cloud, 'PUT', grant, { token: admin })).status).toBe(204);
  manager = await logIn(cloud, {
    name: 'boss',
    password: 'b',
    domain: 'acme',
    scope: { domain: { id: ids.acme } },
  });
});
afterAll(() => cloud.close());

describe('another tenant', () => {
  it('can read, change, make and delete nothing that is not theirs', async () => {
    const { ann: user, site, acme, member, admin: adminRole, credential } = ids;
    const own = ids.mal;
    const attempts: [string, string, unknown?][] = [
      ['GET', '/v3/users'],
      ['GET', `/v3/users/${user}`],
      ['PATCH', `/v3/users/${user}`, { user: { password: 'x' } }],
      ['PATCH', `/v3/users/${own}`, { user: { enabled: true } }],
      ['DELETE', `/v3/users/${user}`],
      ['DELETE', `/v3/users/${user}/tokens`],
      ['POST', '/v3/users', { user: { name: 'new' } }],
      ['GET', `/v3/users/${user}/projects`],
      ['GET', `/v3/users/${user}/groups`],
      ['GET', '/v3/projects'],
      ['GET', `/v3/projects/${site}`],
      ['PATCH', `/v3/projects/${site}`, { project: { name: 'x' } }],
      ['DELETE', `/v3/projects/${site}`],
      ['POST', '/v3/projects', { project: { name: 'x' } }],
      ['POST', '/v3/projects', { project: { name: 'x', parent_id: site } }],
      ['GET', `/v3/projects/${site}/tags`],
      ['PUT', `/v3/projects/${site}/tags/x`],
      ['DELETE', `/v3/projects/${site}/tags`],
      ['PUT', `/v3/projects/${ids.den}/tags/x`],
      ['GET', '/v3/domains'],
      ['GET', `/v3/domains/${acme}`],
      ['PATCH', `/v3/domains/${acme}`, { domain: { enabled: false } }],
      ['POST', '/v3/domains', { domain: { name: 'x' } }],
      ['DELETE', `/v3/domains/${acme}`],
      ['GET', '/v3/groups'],
      ['POST', '/v3/groups', { group: { name: 'x' } }],
      ['GET', '/v3/roles'],
      ['POST', '/v3/roles', { role: { name: 'x' } }],
      ['DELETE', `/v3/roles/${member}`],
      ['PUT', `/v3/roles/${member}/implies/${adminRole}`],
      ['GET', '/v3/role_inferences'],
      ['GET', '/v3/role_assignments'],
      ['GET', `/v3/role_assignments?scope.project.id=${site}`],
      ['GET', `/v3/role_assignments?scope.project.id=${site}&include_subtree`],
      ['GET', `/v3/role_assignments?user.id=${own}&effective`],
      ['PUT', `/v3/projects/${site}/users/${own}/roles/${member}`],
      ['PUT', `/v3/projects/${ids.den}/users/${own}/roles/${adminRole}`],
      ['GET', `/v3/projects/${site}/users/${user}/roles`],
      ['DELETE', `/v3/projects/${site}/users/${user}/roles/${member}`],
      ['PUT', `/v3/domains/default/users/${own}/roles/${adminRole}`],
      ['PUT', `/v3/system/users/${own}/roles/${adminRole}`],
      ['GET', `/v3/system/users/${own}/roles`],
      [
        'PUT',
        `/v3/OS-INHERIT/domains/default/users/${own}/roles/${adminRole}/inherited_to_projects`,
      ],
      ['POST', '/v3/services', { service: { type: 'x' } }],
      ['GET', '/v3/services'],
      ['GET', '/v3/endpoints'],
      ['POST', '/v3/regions', { region: { id: 'x' } }],
      [
        'POST',
        '/v3/credentials',
        {
          credential: {
            type: 'ec2',
            blob: '{"access":"a","secret":"b"}',
            user_id: user,
            project_id: site,
          },
        },
      ],
      ['GET', `/v3/users/${user}/credentials/OS-EC2`],
      ['POST', `/v3/users/${user}/credentials/OS-EC2`, { tenant_id: site }],
      ['GET', `/v3/users/${user}/credentials/OS-EC2/${credential}`],
      ['DELETE', `/v3/users/${user}/credentials/OS-EC2/${credential}`],
      ['GET', `/v3/users/${user}/application_credentials`],
      [
        'POST',
        `/v3/users/${user}/application_credentials`,
        { application_credential: { name: 'x' } },
      ],
    ];
    for (const [method, path, body] of attempts) {
      const answer = await call(cloud, method, path, {
        token: mal,
        ...(body === undefined ? {} : { body }),
      });
      expect(answer.status, `${method} ${path}`).toBe(403);
      expect(answer.text).not.toContain(user === '' ? '' : 'ann');
      const nobody = await call(cloud, method, path, body === undefined ? {} : { body });
      expect(nobody.status, `${method} ${path} without a token`).toBe(401);
    }
    expect(attempts.length).toBeGreaterThan(50);
    // Somebody else's key does not exist, under one's own name either.
    const borrowed = `/v3/users/${own}/credentials/OS-EC2/${credential}`;
    expect((await call(cloud, 'GET', borrowed, { token: mal })).status).toBe(404);
    expect((await call(cloud, 'DELETE', borrowed, { token: mal })).status).toBe(404);
  });

  it('finds the doors to trusts, limits, rules and federation closed as well', async () => {
    const { ann: user, site, acme } = ids;
    const own = ids.mal;
    const made = await call(cloud, 'POST', '/v3/OS-TRUST/trusts', {
      token: ann,
      body: {
        trust: {
          trustor_user_id: user,
          trustee_user_id: user,
          project_id: site,
          impersonation: true,
          roles: [{ id: ids.member }],
        },
      },
    });
    const trust = `/v3/OS-TRUST/trusts/${textAt(made, 'trust.id')}`;
    const forAnn = { trustor_user_id: user, trustee_user_id: own, impersonation: true };
    const config = { config: { ldap: { url: 'ldap://mal.example' } } };
    const provider = { identity_provider: { enabled: true, remote_ids: ['https://mal.example'] } };
    const rule = { local: [{ user: { id: user, type: 'local' } }], remote: [{ type: 'OIDC-sub' }] };
    const url = 'https://mal.example/v3';
    const attempts: [string, string, unknown?][] = [
      ['GET', '/v3/OS-TRUST/trusts'],
      ['GET', `/v3/OS-TRUST/trusts?trustor_user_id=${user}`],
      ['GET', `/v3/OS-TRUST/trusts?trustee_user_id=${user}`],
      ['GET', `/v3/OS-TRUST/trusts?trustor_user_id=${user}&trustee_user_id=${own}`],
      ['GET', trust],
      ['DELETE', trust],
      ['GET', `${trust}/roles`],
      ['GET', `${trust}/roles/${ids.member}`],
      [
        'POST',
        '/v3/OS-TRUST/trusts',
        { trust: { ...forAnn, project_id: site, roles: [{ name: 'member' }] } },
      ],
      [
        'POST',
        '/v3/OS-TRUST/trusts',
        { trust: { ...forAnn, trustor_user_id: own, project_id: site } },
      ],
      ['GET', `/v3/users/${user}/access_rules`],
      ['GET', `/v3/users/${user}/access_rules/x`],
      ['DELETE', `/v3/users/${user}/access_rules/x`],
      [
        'POST',
        '/v3/limits',
        {
          limits: [
            { project_id: ids.den, service_id: 'x', resource_name: 'y', resource_limit: -1 },
          ],
        },
      ],
      ['PATCH', '/v3/limits/x', { limit: { resource_limit: -1 } }],
      ['DELETE', '/v3/limits/x'],
      ['GET', '/v3/limits/x'],
      [
        'POST',
        '/v3/registered_limits',
        { registered_limits: [{ service_id: 'x', resource_name: 'y', default_limit: -1 }] },
      ],
      ['PATCH', '/v3/registered_limits/x', { registered_limit: { default_limit: -1 } }],
      ['DELETE', '/v3/registered_limits/x'],
      ['GET', '/v3/policies'],
      ['POST', '/v3/policies', { policy: { type: 'x', blob: '{}' } }],
      ['GET', '/v3/OS-EP-FILTER/endpoint_groups'],
      ['GET', `/v3/OS-EP-FILTER/projects/${site}/endpoints`],
      ['PUT', `/v3/OS-EP-FILTER/projects/${site}/endpoints/x`],
      ['GET', `/v3/domains/${acme}/config`],
      ['GET', `/v3/domains/${acme}/config/ldap/password`],
      ['PUT', '/v3/domains/default/config', config],
      ['PATCH', '/v3/domains/default/config', config],
      ['DELETE', '/v3/domains/default/config'],
      ['GET', '/v3/domains/config/default'],
      ['GET', '/v3/OS-FEDERATION/identity_providers'],
      ['PUT', '/v3/OS-FEDERATION/identity_providers/mal', provider],
      ['GET', '/v3/OS-FEDERATION/mappings'],
      ['PUT', '/v3/OS-FEDERATION/mappings/mal', { mapping: { rules: [rule] } }],
      [
        'PUT',
        '/v3/OS-FEDERATION/identity_providers/mal/protocols/openid',
        { protocol: { mapping_id: 'mal' } },
      ],
      [
        'PUT',
        '/v3/OS-FEDERATION/service_providers/mal',
        { service_provider: { auth_url: url, sp_url: url } },
      ],
      ['GET', '/v3/OS-OAUTH1/consumers'],
      ['POST', '/v3/OS-OAUTH1/consumers', { consumer: {} }],
      // To be vouched for as somebody else, to lose a factor, to plant one.
      ['PATCH', `/v3/users/${own}`, { user: { federated: [] } }],
      ['PATCH', `/v3/users/${own}`, { user: { options: { multi_factor_auth_enabled: false } } }],
      [
        'POST',
        '/v3/credentials',
        { credential: { type: 'totp', blob: 'GEZDGNBV', user_id: user } },
      ],
      ['PUT', `/v3/projects/${site}/tags`, { tags: [] }],
      ['PATCH', `/v3/projects/${site}`, { project: { options: { immutable: true } } }],
    ];
    for (const [method, path, body] of attempts) {
      const sent = body === undefined ? {} : { body };
      const answer = await call(cloud, method, path, { token: mal, ...sent });
      expect(answer.status, `${method} ${path}`).toBe(403);
      const nobody = await call(cloud, method, path, sent);
      expect(nobody.status, `${method} ${path} without a token`).toBe(401);
    }
    expect(attempts.length).toBeGreaterThan(40);
    const limits = await call(cloud, 'GET', '/v3/limits', { token: mal });
    expect([limits.status, limits.body.limits]).toEqual([200, []]);
  });

  it('gets in by no half of a log-in', async () => {
    const post = (auth: unknown, headers: Record<string, string> = {}) =>
      call(cloud, 'POST', '/v3/auth/tokens', { body: { auth }, headers });
    const { identity } = authBody({ name: 'mal', password: 'm' }).auth;
    const user = { id: ids.ann };
    const refused: [unknown, Record<string, string>?][] = [
      // A factor nobody set up, somebody else's factor, a scope of somebody else's.
      [{ identity: { methods: ['totp'], totp: { user: { ...user, passcode: '000000' } } } }],
      [{ identity: { methods: ['totp'], totp: { user: { ...user, passcode: '' } } } }],
      [{ identity: { ...identity, methods: ['password', 'token'], token: { id: ann } } }],
      [{ identity, scope: { 'OS-TRUST:trust': { id: 'f'.repeat(32) } } }],
      [{ identity, scope: inProject('site') }],
      [{ identity: { methods: ['mapped'], mapped: {} } }],
      [{ identity: { methods: ['external'] } }],
      [{ identity: { methods: ['oauth1'], oauth1: {} } }],
    ];
    for (const [auth, headers] of refused)
      expect((await post(auth, headers)).status, JSON.stringify(auth)).toBe(401);
    for (const receipt of ['x', 'v1.', `v1.${'A'.repeat(64)}`, 'v1.'.padEnd(5000, 'A'), ann]) {
      const answer = await post({ identity }, { 'openstack-auth-receipt': receipt });
      expect(answer.status, receipt.slice(0, 20)).toBe(404);
    }
    const both = await post({
      identity,
      scope: { ...inProject('den'), system: { all: true } },
    });
    expect(both.status).toBe(400);
    const path = '/v3/OS-FEDERATION/identity_providers/x/protocols/openid/auth';
    for (const authorization of ['', 'Bearer', 'Bearer x', `Bearer ${mal}`, 'Basic eDp5']) {
      const answer = await call(cloud, 'POST', path, { headers: { authorization } });
      expect(answer.status, authorization).toBe(401);
    }
  });

  it('cannot tell what exists from what does not', async () => {
    for (const [there, absent] of [
      [`/v3/users/${ids.ann}`, '/v3/users/ffffffffffffffffffffffffffffffff'],
      [`/v3/projects/${ids.site}`, '/v3/projects/ffffffffffffffffffffffffffffffff'],
      [`/v3/domains/${ids.acme}`, '/v3/domains/ffffffffffffffffffffffffffffffff'],
    ] as const) {
      const real = await call(cloud, 'GET', there, { token: mal });
      const none = await call(cloud, 'GET', absent, { token: mal });
      expect([none.status, none.text]).toEqual([real.status, real.text]);
      expect((await call(cloud, 'GET', absent, { token: admin })).status).toBe(404);
    }
  });

  it('sees only their own credentials, whatever they filter by', async () => {
    for (const query of ['', `?user_id=${ids.ann}`, '?type=ec2', '?limit=100&marker=']) {
      const answer = await call(cloud, 'GET', `/v3/credentials${query}`, { token: mal });
      expect(answer.text).not.toContain(ids.credential);
    }
    const listed = await call(cloud, 'GET', '/v3/credentials', { token: mal });
    expect(textAt(listed, 'credentials.0.user_id')).toBe(ids.mal);
    const id = textAt(listed, 'credentials.0.id');
    const give = { credential: { user_id: ids.ann } };
    const given = await call(cloud, 'PATCH', `/v3/credentials/${id}`, { token: mal, body: give });
    expect(given.status).toBe(403);
  });

  it('gets no key for a project they have no role in', async () => {
    const path = `/v3/users/${ids.mal}/credentials/OS-EC2`;
    const made = await call(cloud, 'POST', path, { token: mal, body: { tenant_id: ids.site } });
    expect(made.status).toBe(201);
    // As upstream, the key can be made; it opens nothing.
    expect(await cloud.identity.s3Secret(textAt(made, 'credential.access'))).toBeUndefined();
  });
});

describe('an application credential', () => {
  const logInWith = async (name: string, unrestricted: boolean) => {
    const path = `/v3/users/${ids.ann}/application_credentials`;
    const given = { name, unrestricted, roles: [{ name: 'reader' }] };
    const made = await call(cloud, 'POST', path, {
      token: ann,
      body: { application_credential: given },
    });
    const credential = {
      id: textAt(made, 'application_credential.id'),
      secret: textAt(made, 'application_credential.secret'),
    };
    const identity = {
      methods: ['application_credential'],
      application_credential: credential,
    };
    const answer = await call(cloud, 'POST', '/v3/auth/tokens', { body: { auth: { identity } } });
    return { id: credential.id, token: String(answer.headers['x-subject-token']) };
  };

  it('for reading gets no key with more than that', async () => {
    const { token } = await logInWith('restricted', false);
    const keys = `/v3/users/${ids.ann}/credentials/OS-EC2`;
    const blob = '{"access":"STOLEN","secret":"x"}';
    for (const [method, path, body] of [
      ['GET', '/v3/credentials'],
      ['POST', '/v3/credentials', { credential: { type: 'ec2', blob, project_id: ids.site } }],
      ['GET', keys],
      ['POST', keys, { tenant_id: ids.site }],
      ['GET', `${keys}/${ids.credential}`],
      ['DELETE', `${keys}/${ids.credential}`],
    ] as const) {
      const answer = await call(cloud, method, path, { token, body });
      expect([answer.status, answer.text.includes('secret"')], `${method} ${path}`).toEqual([
        403,
        false,
      ]);
    }
  });

  it('that may make keys hands its limits down to them', async () => {
    const { id, token } = await logInWith('unrestricted', true);
    const keys = `/v3/users/${ids.ann}/credentials/OS-EC2`;
    const made = await call(cloud, 'POST', keys, { token, body: { tenant_id: ids.site } });
    const access = textAt(made, 'credential.access');
    const roles = async () =>
      (await cloud.identity.s3Secret(access))?.roles.map((role) => role.name);
    expect(await roles()).toEqual(['reader']);
    const blob = '{"access":"BOUND","secret":"x","app_cred_id":null}';
    const credential = { type: 'ec2', blob, project_id: ids.site };
    const other = await call(cloud, 'POST', '/v3/credentials', { token, body: { credential } });
    expect(other.status).toBe(201);
    const bound = await cloud.identity.s3Secret('BOUND');
    expect(bound?.roles.map((role) => role.name)).toEqual(['reader']);
    const path = `/v3/credentials/${textAt(other, 'credential.id')}`;
    const loosened = await call(cloud, 'PATCH', path, { token, body: { credential: { blob } } });
    expect(loosened.status).toBe(403);
    const elsewhere = await call(cloud, 'POST', keys, { token, body: { tenant_id: ids.den } });
    expect(elsewhere.status).toBe(403);
    const gone = `/v3/users/${ids.ann}/application_credentials/${id}`;
    expect((await call(cloud, 'DELETE', gone, { token: ann })).status).toBe(204);
    expect(await roles()).toBeUndefined();
  });
});

describe('a manager of a domain', () => {
  it('rules in the domain and nowhere else, and makes no administrator', async () => {
    const make = (domainId?: string) =>
      call(cloud, 'POST', '/v3/users', {
        token: manager,
        body: {
          user: {
            name: `u${domainId ?? ''}`,
            ...(domainId === undefined ? {} : { domain_id: domainId }),
          },
        },
      });
    const made = await make();
    expect(made.status).toBe(201);
    expect(textAt(made, 'user.domain_id')).toBe(ids.acme);
    expect((await make('default')).status).toBe(403);
    const project = await call(cloud, 'POST', '/v3/projects', {
      token: manager,
      body: { project: { name: 'plant', domain_id: ids.acme } },
    });
    expect(project.status).toBe(201);
    const grant = (role: string, projectId = textAt(project, 'project.id')) =>
      call(
        cloud,
        'PUT',
        `/v3/projects/${projectId}/users/${textAt(made, 'user.id')}/roles/${role}`,
        {
          token: manager,
        },
      );
    expect((await grant(ids.member)).status).toBe(204);
    expect((await grant(ids.admin)).status).toBe(403);
    expect((await grant(ids.member, ids.site)).status).toBe(403);
    const users = await call(cloud, 'GET', '/v3/users', { token: manager });
    expect(users.status).toBe(200);
    expect(users.text).not.toContain('ann');
    const filtered = await call(cloud, 'GET', '/v3/users?domain_id=default', { token: manager });
    expect(filtered.body.users).toEqual([]);
    expect((await call(cloud, 'GET', `/v3/users/${ids.ann}`, { token: manager })).status).toBe(403);
  });
});

describe('bad input', () => {
  const token = () => ({ token: admin });
  const statusOf = async (method: string, path: string, options = {}) =>
    (await call(cloud, method, path, { ...token(), ...options })).status;
  const json = { 'content-type': 'application/json' };

  it('is answered in the dialect, whatever it is', async () => {
    const post = (raw: string | Buffer, headers: Record<string, string> = json) =>
      call(cloud, 'POST', '/v3/auth/tokens', { raw, headers });
    const nested = `{"auth":${'['.repeat(20_000)}${']'.repeat(20_000)}}`;
    const cases: [Promise<{ status: number; text: string }>, number][] = [
      [post('{'), 400],
      [post(''), 400],
      [post('null'), 400],
      [post('[]'), 400],
      [post('"x"'), 400],
      [post(nested), 400],
      [post('{"__proto__":{"auth":1}}'), 400],
      [post(Buffer.from([0xff, 0xfe, 0x00])), 400],
      [post('<auth/>', { 'content-type': 'application/xml' }), 400],
      [post('x'.repeat(200_000)), 413],
      [call(cloud, 'GET', '/v4'), 404],
      [call(cloud, 'GET', '/v3/users/..%2f..%2fetc', token()), 404],
      [call(cloud, 'GET', '/v3/users/%00', token()), 404],
      [call(cloud, 'GET', `/v3/users/${'x'.repeat(300)}`, token()), 404],
      [call(cloud, 'GET', '/v3/users/%zz', token()), 400],
      [call(cloud, 'GET', '/identity/v3/%', token()), 400],
      [call(cloud, 'PUT', '/v3/users', token()), 405],
      [call(cloud, 'DELETE', '/v3', token()), 405],
    ];
    for (const [answer, status] of cases) {
      const { status: got, text } = await answer;
      expect(got, text).toBe(status);
      expect(JSON.parse(text).error.code).toBe(status);
    }
  });

  it('in fields is refused by name', async () => {
    const user = (fields: object) => statusOf('POST', '/v3/users', { body: { user: fields } });
    expect(await user({ name: '' })).toBe(400);
    expect(await user({ name: ' ' })).toBe(400);
    expect(await user({ name: 'x'.repeat(256) })).toBe(400);
    expect(await user({ name: 5 })).toBe(400);
    expect(await user({ name: 'n', enabled: 'yes' })).toBe(400);
    expect(await user({ name: 'n', domain_id: '../x' })).toBe(400);
    expect(await user({ name: 'n', domain_id: 'nowhere' })).toBe(404);
    expect(await user({ name: 'n', password: 'x'.repeat(1025) })).toBe(400);
    expect(await user({ name: 'n', options: { ignore_lockout: true } })).toBe(400);
    expect(await user({ name: 'zoë 🐢', extra_field: { a: [1] } })).toBe(201);
    const spoof = await call(cloud, 'POST', '/v3/users', {
      ...token(),
      body: { user: { name: 'spoof', id: 'chosen', links: {}, created_at_us: 1, failed_count: 5 } },
    });
    expect(textAt(spoof, 'user.id')).not.toBe('chosen');
    const tags = { project: { name: 't', tags: ['a,b'] } };
    expect(await statusOf('POST', '/v3/projects', { body: tags })).toBe(400);
    const endpoint = { interface: 'public', service_id: 'x', url: 'javascript:alert(1)' };
    expect(await statusOf('POST', '/v3/endpoints', { body: { endpoint } })).toBe(400);
  });

  it('in listings is refused or finds nothing', async () => {
    const list = (query: string) => call(cloud, 'GET', `/v3/users?${query}`, token());
    expect((await list('limit=-1')).status).toBe(400);
    expect((await list('limit=x')).status).toBe(400);
    expect((await list('sort_key=failed_count')).status).toBe(400);
    expect((await list("sort_key=name'--")).status).toBe(400);
    expect((await list('marker=nowhere')).status).toBe(400);
    for (const name of ["' or 1=1 --", '%25', '_', "x') union select hash from identity_password"])
      expect((await list(`name=${encodeURIComponent(name)}`)).body.users).toEqual([]);
    expect((await list('name__contains=%25')).body.users).toEqual([]);
    expect((await list('failed_count=0')).status).toBe(200);
  });

  it('in headers does not confuse links or logs', async () => {
    const answer = await call(cloud, 'GET', '/v3', { headers: { host: 'evil"/><script>' } });
    expect(answer.text).not.toContain('script');
    expect([200, 400]).toContain(answer.status);
    const many = Object.fromEntries(
      Array.from({ length: 900 }, (_, at) => [`x-h${at}`, 'v'.repeat(100)]),
    );
    const flooded = await call(cloud, 'GET', '/v3', { headers: many }).catch(() => undefined);
    expect(flooded === undefined || flooded.status === 431).toBe(true);
    expect((await call(cloud, 'GET', '/v3')).status).toBe(200);
  });

  it('cut off in the middle changes nothing', async () => {
    const socket = connect(cloud.server.port, '127.0.0.1');
    const text = [
      'POST /v3/users HTTP/1.1',
      'Host: x',
      `X-Auth-Token: ${admin}`,
      'Content-Type: application/json',
      'Content-Length: 500',
      '',
      '{"user":{"name":"half"',
    ];
    await new Promise<void>((resolve) => socket.write(text.join('\r\n'), () => resolve()));
    socket.destroy();
    const found = await call(cloud, 'GET', '/v3/users?name=half', token());
    expect(found.body.users).toEqual([]);
  });
});

describe('a refusal', () => {
  it('costs a password hash whoever was named, so that its time tells nothing', async () => {
    const slow = await startTestCloud({
      settings: { passwordCostLog2: 16, passwordsInFlightMax: 1, passwordsWaitingMax: 0 },
    });
    // One hash at a time and nobody waiting: who is told to come back later was about to be hashed for.
    for (const name of ['admin', 'nobody']) {
      const guesses = Array.from({ length: 4 }, () => {
        const body = authBody({ name, password: 'wrong', scope: inProject('admin') });
        return call(slow, 'POST', '/v3/auth/tokens', { body });
      });
      const statuses = (await Promise.all(guesses)).map((answer) => answer.status).sort();
      expect(statuses, name).toContain(401);
      expect(statuses, name).toContain(503);
    }
    await slow.close();
  });
});
