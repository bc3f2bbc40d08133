/** Trusts, access rules and OAuth 2: acting for somebody, and only so far. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engines } from '../state/testing/engines.ts';
import { adminToken, type CallOptions, call, inProject, logIn, textAt } from './testing/client.ts';
import { startTestCloud, type TestCloud } from './testing/cloud.ts';

describe.each(engines)('on %s', (engine) => {
  let cloud: TestCloud;
  let admin: string;
  const ids: Record<string, string> = {};
  const tokens: Record<string, string> = {};

  const as = (who: string, method: string, path: string, body?: unknown) =>
    call(cloud, method, path, {
      token: tokens[who] ?? who,
      ...(body === undefined ? {} : { body }),
    });

  beforeAll(async () => {
    cloud = await startTestCloud({ engine });
    admin = await adminToken(cloud);
    for (const name of ['ann', 'bob', 'cat']) {
      const made = await cloud.identity.createUser({ project: 'site', name, password: name });
      ids[name] = made.userId;
      ids.site = made.projectId;
      tokens[name] = await logIn(cloud, { name, password: name, scope: inProject('site') });
    }
    const other = await cloud.identity.createUser({ project: 'own', name: 'eve', password: 'eve' });
    ids.eve = other.userId;
    tokens.eve = await logIn(cloud, { name: 'eve', password: 'eve', scope: inProject('own') });
  });
  afterAll(() => cloud.close());

  const trustBody = (more: object = {}) => ({
    trust: {
      trustor_user_id: ids.ann,
      trustee_user_id: ids.eve,
      project_id: ids.site,
      impersonation: true,
      roles: [{ name: 'member' }],
      ...more,
    },
  });
  const makeTrust = async (more: object = {}, who = 'ann') =>
    as(who, 'POST', '/v3/OS-TRUST/trusts', trustBody(more));

  const byTrust = (name: string, trustId: string) =>
    call(cloud, 'POST', '/v3/auth/tokens', {
      body: {
        auth: {
          identity: {
            methods: ['password'],
            password: { user: { id: ids[name], password: name } },
          },
          scope: { 'OS-TRUST:trust': { id: trustId } },
        },
      },
    });

  describe('a trust', () => {
    it('lets its trustee act as its trustor, and nobody else', async () => {
      const made = await makeTrust();
      expect(made.status).toBe(201);
      const id = textAt(made, 'trust.id');
      expect(made.body.trust).toMatchObject({ redelegation_count: 0, remaining_uses: null });
      const issued = await byTrust('eve', id);
      expect(issued.status).toBe(201);
      expect(issued.body.token).toMatchObject({
        user: { id: ids.ann },
        project: { id: ids.site },
        roles: [{ name: 'member' }, { name: 'reader' }],
        'OS-TRUST:trust': { id, impersonation: true, trustee_user: { id: ids.eve } },
      });
      // A wrong trustee and a wrong trust look the same.
      expect((await byTrust('bob', id)).body).toEqual((await byTrust('bob', '0'.repeat(32))).body);
      expect((await byTrust('bob', id)).status).toBe(401);
      const shown = await as('eve', 'GET', `/v3/OS-TRUST/trusts/${id}/roles`);
      expect(textAt(shown, 'roles.0.name')).toBe('member');
      expect((await as('bob', 'GET', `/v3/OS-TRUST/trusts/${id}`)).status).toBe(403);
      expect((await as('eve', 'DELETE', `/v3/OS-TRUST/trusts/${id}`)).status).toBe(403);
      const delegated = String(issued.headers['x-subject-token']);
      expect((await as('ann', 'DELETE', `/v3/OS-TRUST/trusts/${id}`)).status).toBe(204);
      expect(await cloud.identity.validateToken(delegated)).toBeUndefined();
    });

    it('gives a token that can do no more than it says', async () => {
      const id = textAt(await makeTrust(), 'trust.id');
      const delegated = String((await byTrust('eve', id)).headers['x-subject-token']);
      const rescope = await call(cloud, 'POST', '/v3/auth/tokens', {
        body: {
          auth: {
            identity: { methods: ['token'], token: { id: delegated } },
            scope: inProject('site'),
          },
        },
      });
      expect(rescope.status).toBe(403);
      const own = `/v3/users/${ids.ann}`;
      const refused: readonly [string, string, unknown?][] = [
        ['POST', `${own}/application_credentials`, { application_credential: { name: 'x' } }],
        ['GET', `${own}/application_credentials`],
        ['POST', `${own}/credentials/OS-EC2`, { tenant_id: ids.site }],
        ['GET', `${own}/credentials/OS-EC2`],
        ['GET', '/v3/credentials'],
        ['GET', `${own}/access_rules`],
        // Not to be handed on: it says nothing of redelegation.
        ['POST', '/v3/OS-TRUST/trusts', trustBody({ trustee_user_id: ids.cat })],
      ];
      for (const [method, path, body] of refused)
        expect((await as(delegated, method, path, body)).status, `${method} ${path}`).toBe(403);
    });

    it('ends by uses, by the clock, and with the role it gives', async () => {
      const once = textAt(await makeTrust({ remaining_uses: 1 }), 'trust.id');
      expect((await byTrust('eve', once)).status).toBe(201);
      expect((await byTrust('eve', once)).status).toBe(403);
      expect((await as('ann', 'GET', `/v3/OS-TRUST/trusts/${once}`)).status).toBe(404);
      expect((await makeTrust({ expires_at: '2001-01-01T00:00:00Z' })).status).toBe(400);
      expect((await makeTrust({ remaining_uses: 0 })).status).toBe(400);

      const id = textAt(await makeTrust({ impersonation: false }), 'trust.id');
      const issued = await byTrust('eve', id);
      expect(textAt(issued, 'token.user.id')).toBe(ids.eve);
      const delegated = String(issued.headers['x-subject-token']);
      const member = textAt(
        await call(cloud, 'GET', '/v3/roles?name=member', { token: admin }),
        'roles.0.id',
      );
      const grant = `/v3/projects/${ids.site}/users/${ids.ann}/roles/${member}`;
      await call(cloud, 'DELETE', grant, { token: admin });
      expect(await cloud.identity.validateToken(delegated)).toBeUndefined();
      expect((await byTrust('eve', id)).status).toBe(401);
      await call(cloud, 'PUT', grant, { token: admin });
      tokens.ann = await logIn(cloud, { name: 'ann', password: 'ann', scope: inProject('site') });
    });

    it('is handed on as far as it says, never wider', async () => {
      const first = await makeTrust({ allow_redelegation: true, redelegation_count: 1 });
      const delegated = String(
        (await byTrust('eve', textAt(first, 'trust.id'))).headers['x-subject-token'],
      );
      const hand = (more: object) =>
        as(
          delegated,
          'POST',
          '/v3/OS-TRUST/trusts',
          trustBody({ trustee_user_id: ids.cat, ...more }),
        );
      expect((await hand({ roles: [{ name: 'reader' }] })).status).toBe(403);
      expect((await hand({ remaining_uses: 3 })).status).toBe(403);
      expect((await hand({ project_id: ids.eve })).status).toBe(404);
      const second = await hand({});
      expect(second.status).toBe(201);
      expect(second.body.trust).toMatchObject({
        redelegated_trust_id: textAt(first, 'trust.id'),
        redelegation_count: 0,
      });
      const further = String(
        (await byTrust('cat', textAt(second, 'trust.id'))).headers['x-subject-token'],
      );
      const third = await as(
        further,
        'POST',
        '/v3/OS-TRUST/trusts',
        trustBody({ trustee_user_id: ids.bob }),
      );
      expect(third.status).toBe(403);
      // With the first goes the second.
      await as('ann', 'DELETE', `/v3/OS-TRUST/trusts/${textAt(first, 'trust.id')}`);
      expect(await cloud.identity.validateToken(further)).toBeUndefined();
    });

    it('is made by its trustor, of roles the trustor has', async () => {
      expect((await makeTrust({}, 'bob')).status).toBe(403);
      expect((await makeTrust({ roles: [{ name: 'admin' }] })).status).toBe(404);
      expect((await makeTrust({ roles: [] })).status).toBe(403);
      expect((await makeTrust({ trustee_user_id: '0'.repeat(32) })).status).toBe(404);
      const list = await as('bob', 'GET', `/v3/OS-TRUST/trusts?trustor_user_id=${ids.ann}`);
      expect(list.status).toBe(403);
      expect((await as('bob', 'GET', '/v3/OS-TRUST/trusts')).status).toBe(403);
      const mine = await as('ann', 'GET', `/v3/OS-TRUST/trusts?trustor_user_id=${ids.ann}`);
      expect(mine.status).toBe(200);
    });
  });

  describe('access rules', () => {
    it('confine an application credential to some requests', async () => {
      const own = `/v3/users/${ids.ann}`;
      const rules = [
        { service: 'identity', method: 'GET', path: '/v3/users/{id}/projects' },
        { service: 'object-store', method: 'GET', path: '/v1/AUTH_x/**' },
      ];
      const made = await as('ann', 'POST', `${own}/application_credentials`, {
        application_credential: { name: 'ruled', access_rules: rules },
      });
      expect(made.status).toBe(201);
      const issued = await call(cloud, 'POST', '/v3/auth/tokens', {
        body: {
          auth: {
            identity: {
              methods: ['application_credential'],
              application_credential: {
                id: textAt(made, 'application_credential.id'),
                secret: textAt(made, 'application_credential.secret'),
              },
            },
          },
        },
      });
      const ruled = String(issued.headers['x-subject-token']);
      expect((await as(ruled, 'GET', `${own}/projects`)).status).toBe(200);
      expect((await as(ruled, 'GET', `${own}/projects/`)).status).toBe(401);
      expect((await as(ruled, 'HEAD', `${own}/projects`)).status).toBe(401);
      expect((await as(ruled, 'GET', own)).status).toBe(401);
      const line = { service: 'object-store', method: 'GET', path: '/v1/AUTH_x/c/o' };
      const { identity } = cloud;
      expect(await identity.validateToken(ruled, line)).toBeDefined();
      expect(await identity.validateToken(ruled, { ...line, method: 'PUT' })).toBeUndefined();
      expect(
        await identity.validateToken(ruled, { ...line, path: '/v1/AUTH_y/c' }),
      ).toBeUndefined();
      expect(await identity.validateToken(ruled, { ...line, service: 'image' })).toBeUndefined();
      expect(await identity.validateToken(ruled)).toBeUndefined();
      // A service that does not know of access rules is told of no such token.
      const validate = (headers: Record<string, string>) =>
        call(cloud, 'GET', '/v3/auth/tokens', {
          token: admin,
          headers: { 'x-subject-token': ruled, ...headers },
        });
      expect((await validate({})).status).toBe(404);
      const told = await validate({ 'openstack-identity-access-rules': '1.0' });
      expect(told.body.token).toMatchObject({
        application_credential: { access_rules: [{ service: 'identity' }, {}] },
      });
      const listed = await as('ann', 'GET', `${own}/access_rules`);
      const ruleId = textAt(listed, 'access_rules.0.id');
      expect((await as('ann', 'DELETE', `${own}/access_rules/${ruleId}`)).status).toBe(403);
      expect((await as('bob', 'GET', `${own}/access_rules/${ruleId}`)).status).toBe(403);
      const others = `/v3/users/${ids.bob}/access_rules/${ruleId}`;
      expect((await as('bob', 'GET', others)).status).toBe(404);
      const stolen = await as('bob', 'POST', `/v3/users/${ids.bob}/application_credentials`, {
        application_credential: { name: 'x', access_rules: [{ id: ruleId }] },
      });
      expect(stolen.status).toBe(404);
    });
  });

  describe('OAuth 2 client credentials', () => {
    it('are an application credential, in the words of the RFC', async () => {
      const made = await as('ann', 'POST', `/v3/users/${ids.ann}/application_credentials`, {
        application_credential: { name: 'oauth', roles: [{ name: 'reader' }] },
      });
      const id = textAt(made, 'application_credential.id');
      const secret = textAt(made, 'application_credential.secret');
      const ask = (basic: string, form: string, more: CallOptions = {}) =>
        call(cloud, 'POST', '/v3/OS-OAUTH2/token', {
          raw: form,
          ...more,
          headers: {
            'content-type': 'application/x-www-form-urlencoded',
            authorization: `Basic ${Buffer.from(basic).toString('base64')}`,
          },
        });
      const grant = 'grant_type=client_credentials';
      const good = await ask(`${id}:${secret}`, grant);
      expect(good.status).toBe(200);
      expect(good.body).toMatchObject({ token_type: 'Bearer' });
      const info = await cloud.identity.validateToken(textAt(good, 'access_token'));
      expect(info?.roles.map((role) => role.name)).toEqual(['reader']);
      const wrong = await ask(`${id}:nonsense`, grant);
      expect([wrong.status, textAt(wrong, 'error')]).toEqual([401, 'invalid_client']);
      const none = await ask(`${id}:${secret}`, 'x=1');
      expect([none.status, textAt(none, 'error')]).toEqual([400, 'invalid_request']);
      const other = await ask(`${id}:${secret}`, 'grant_type=password');
      expect([other.status, textAt(other, 'error')]).toEqual([400, 'unsupported_grant_type']);
    });
  });
});
