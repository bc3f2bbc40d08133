import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engines } from '../../state/testing/engines.ts';
import type { IdentityEvent } from '../core.ts';
import {
  type Answer,
  adminToken,
  authBody,
  call,
  inProject,
  logIn,
  textAt,
} from '../testing/client.ts';
import { startTestCloud, type TestCloud } from '../testing/cloud.ts';

describe.each(engines)('on %s', (engine) => {
  let cloud: TestCloud;
  const told: IdentityEvent[] = [];
  let token: string;
  beforeAll(async () => {
    cloud = await startTestCloud({
      engine,
      notify: async (_transaction, event) => {
        told.push(event);
      },
    });
    token = await adminToken(cloud);
  });
  afterAll(() => cloud.close());

  const get = (path: string) => call(cloud, 'GET', path, { token });
  const put = (path: string) => call(cloud, 'PUT', path, { token });
  const remove = (path: string) => call(cloud, 'DELETE', path, { token });
  const patch = (path: string, body: object) => call(cloud, 'PATCH', path, { token, body });

  /** Makes a thing and returns its id. */
  async function make(collection: string, kind: string, fields: object): Promise<string> {
    const answer = await call(cloud, 'POST', `/v3/${collection}`, {
      token,
      body: { [kind]: fields },
    });
    if (answer.status !== 201) throw new Error(`${kind}: ${answer.status} ${answer.text}`);
    return textAt(answer, `${kind}.id`);
  }

  const namesIn = (answer: Answer, collection: string): unknown[] => {
    const rows = answer.body[collection];
    return Array.isArray(rows) ? rows.map((row: { name?: unknown }) => row.name) : [];
  };

  const roleId = async (name: string) => textAt(await get(`/v3/roles?name=${name}`), 'roles.0.id');

  it('are told of to whoever follows, when they are made, changed and deleted', async () => {
    const id = await make('groups', 'group', { name: 'followed' });
    await patch(`/v3/groups/${id}`, { group: { description: 'd' } });
    await remove(`/v3/groups/${id}`);
    expect((await patch(`/v3/groups/${id}`, { group: { description: 'x' } })).status).toBe(404);
    const types = told.filter((event) => event.resource.id === id).map((event) => event.type);
    expect(types).toEqual([
      'identity.group.created',
      'identity.group.updated',
      'identity.group.deleted',
    ]);
    expect(told.at(-1)?.requestId).toMatch(/^req-/);
  });

  describe('listings', () => {
    it('page through everything once, in order, both ways', async () => {
      const domainId = await make('domains', 'domain', { name: 'pages' });
      const wanted = Array.from({ length: 23 }, (_, at) => `u${String(at).padStart(2, '0')}`);
      for (const name of wanted) await make('users', 'user', { name, domain_id: domainId });
      for (const direction of ['asc', 'desc']) {
        const seen: unknown[] = [];
        let next: string | undefined =
          `/v3/users?domain_id=${domainId}&limit=5&sort_dir=${direction}`;
        let pages = 0;
        while (next !== undefined) {
          const answer: Answer = await get(next);
          expect(answer.status).toBe(200);
          seen.push(...namesIn(answer, 'users'));
          const links = answer.body.links as { next: string | null };
          next = links.next?.slice(cloud.server.url.length);
          pages++;
        }
        expect(pages).toBe(5);
        expect(seen).toEqual(direction === 'asc' ? wanted : [...wanted].reverse());
      }
      const under = await get(`/identity/v3/users?domain_id=${domainId}&limit=1`);
      expect(textAt(under, 'links.next')).toContain(`${cloud.server.url}/identity/v3/users?`);
    });

    it('filter exactly, by parts, and by flags', async () => {
      const domainId = await make('domains', 'domain', { name: 'filters' });
      for (const name of ['alpha', 'Alps', 'be_ta', 'be%ta', 'beta'])
        await make('users', 'user', { name, domain_id: domainId, enabled: name !== 'beta' });
      const list = async (query: string) =>
        namesIn(await get(`/v3/users?domain_id=${domainId}&${query}`), 'users').sort();
      expect(await list('name=beta')).toEqual(['beta']);
      expect(await list('name__startswith=al')).toContain('alpha');
      expect(await list('name__contains=e_t')).toEqual(['be_ta']);
      expect(await list('name__endswith=%25ta')).toEqual(['be%ta']);
      expect(await list('enabled=false')).toEqual(['beta']);
      expect(await list('enabled=true')).toHaveLength(4);
      expect(await list('name__nonsense=x')).toHaveLength(5);
    });

    it('know the four ways to filter by tags', async () => {
      const domainId = await make('domains', 'domain', { name: 'tags' });
      for (const [name, tags] of [
        ['none', []],
        ['a', ['a']],
        ['ab', ['a', 'b']],
      ] as const)
        await make('projects', 'project', { name, domain_id: domainId, tags });
      const list = async (query: string) =>
        namesIn(await get(`/v3/projects?domain_id=${domainId}&${query}`), 'projects');
      expect(await list('tags=a,b')).toEqual(['ab']);
      expect(await list('tags-any=a,b')).toEqual(['a', 'ab']);
      expect(await list('not-tags=a,b')).toEqual(['a', 'none']);
      expect(await list('not-tags-any=a,b')).toEqual(['none']);
    });
  });

  describe('projects', () => {
    it('nest so deep and no deeper, and go from the leaves', async () => {
      const domainId = await make('domains', 'domain', { name: 'tree' });
      const chain = [domainId];
      for (let depth = 1; depth < 5; depth++)
        chain.push(
          await make('projects', 'project', { name: `p${depth}`, parent_id: chain.at(-1) }),
        );
      const deeper = { project: { name: 'p5', parent_id: chain.at(-1) } };
      const refused = await call(cloud, 'POST', '/v3/projects', { token, body: deeper });
      expect(refused.status).toBe(403);
      // Lists hold what the caller has a role on: nothing yet, then all of the domain.
      const path = `/v3/projects/${chain[2]}?parents_as_ids&subtree_as_list`;
      expect((await get(path)).body.project).toMatchObject({ subtree: [] });
      const reader = await roleId('reader');
      const userId = textAt(await get('/v3/users?name=admin'), 'users.0.id');
      const grant = `/v3/OS-INHERIT/domains/${domainId}/users/${userId}/roles/${reader}/inherited_to_projects`;
      expect((await call(cloud, 'PUT', grant, { token })).status).toBe(204);
      const shown = await get(path);
      expect(shown.body.project).toMatchObject({
        domain_id: domainId,
        parent_id: chain[1],
        parents: { [String(chain[1])]: { [domainId]: null } },
        subtree: [{ project: { id: chain[3] } }, { project: { id: chain[4] } }],
      });
      expect((await remove(`/v3/projects/${chain[3]}`)).status).toBe(403);
      expect((await remove(`/v3/projects/${chain[4]}`)).status).toBe(204);
      expect((await remove(`/v3/projects/${chain[3]}`)).status).toBe(204);
      const moved = await patch(`/v3/projects/${chain[2]}`, { project: { parent_id: domainId } });
      expect(moved.status).toBe(403);
    });

    it('have one name in a domain, and keep what clients add', async () => {
      const fields = { name: 'dup', colour: 'blue', size: { h: 1 } };
      const id = await make('projects', 'project', fields);
      const again = await call(cloud, 'POST', '/v3/projects', { token, body: { project: fields } });
      expect(again.status).toBe(409);
      expect(textAt(again, 'error.message')).toContain('Duplicate entry found with name dup');
      const changed = await patch(`/v3/projects/${id}`, {
        project: { colour: null, shade: 'dark' },
      });
      expect(changed.body.project).toMatchObject({ shade: 'dark', size: { h: 1 }, name: 'dup' });
      expect(changed.body.project).not.toHaveProperty('colour');
    });
  });

  describe('a domain', () => {
    it('is disabled first, and takes everything in it along', async () => {
      const domainId = await make('domains', 'domain', { name: 'doomed' });
      const projectId = await make('projects', 'project', { name: 'p', domain_id: domainId });
      await make('projects', 'project', { name: 'child', parent_id: projectId });
      const userId = await make('users', 'user', { name: 'u', password: 'p', domain_id: domainId });
      const groupId = await make('groups', 'group', { name: 'g', domain_id: domainId });
      const member = await roleId('member');
      for (const grant of [
        `/v3/projects/${projectId}/users/${userId}/roles/${member}`,
        `/v3/domains/${domainId}/groups/${groupId}/roles/${member}`,
      ])
        expect((await put(grant)).status).toBe(204);
      const who = {
        name: 'u',
        password: 'p',
        domain: 'doomed',
        scope: { project: { id: projectId } },
      };
      const mine = await logIn(cloud, who);
      expect((await remove(`/v3/domains/${domainId}`)).status).toBe(403);
      await patch(`/v3/domains/${domainId}`, { domain: { enabled: false } });
      expect(await cloud.identity.validateToken(mine)).toBeUndefined();
      const late = await call(cloud, 'POST', '/v3/auth/tokens', { body: authBody(who) });
      expect(late.status).toBe(401);
      expect((await remove(`/v3/domains/${domainId}`)).status).toBe(204);
      for (const path of [`projects/${projectId}`, `users/${userId}`, `groups/${groupId}`])
        expect((await get(`/v3/${path}`)).status).toBe(404);
      const left = await get('/v3/role_assignments');
      expect(left.text).not.toContain(userId);
      expect(left.text).not.toContain(groupId);
      const home = await patch('/v3/domains/default', { domain: { enabled: false } });
      expect(home.status).toBe(403);
    });
  });

  describe('roles', () => {
    it('come by group, by inheritance and by implication', async () => {
      const domainId = await make('domains', 'domain', { name: 'kin' });
      const topId = await make('projects', 'project', { name: 'top', domain_id: domainId });
      const lowId = await make('projects', 'project', { name: 'low', parent_id: topId });
      const userId = await make('users', 'user', {
        name: 'kim',
        password: 'k',
        domain_id: domainId,
      });
      const groupId = await make('groups', 'group', { name: 'kids', domain_id: domainId });
      expect((await put(`/v3/groups/${groupId}/users/${userId}`)).status).toBe(204);
      const auditor = await make('roles', 'role', { name: 'auditor' });
      expect((await put(`/v3/roles/${auditor}/implies/${await roleId('reader')}`)).status).toBe(
        201,
      );

      const rolesIn = async (projectId: string) => {
        const answer = await call(cloud, 'POST', '/v3/auth/tokens', {
          body: authBody({
            name: 'kim',
            password: 'k',
            domain: 'kin',
            scope: { project: { id: projectId } },
          }),
        });
        const roles = (answer.body.token as { roles?: { name: string }[] } | undefined)?.roles;
        return roles?.map((role) => role.name) ?? answer.status;
      };
      expect(await rolesIn(lowId)).toBe(401);
      // Inherited from the project above: below it, not on it.
      const inherited = `/v3/OS-INHERIT/projects/${topId}/groups/${groupId}/roles/${auditor}/inherited_to_projects`;
      expect((await put(inherited)).status).toBe(204);
      expect(await rolesIn(lowId)).toEqual(['auditor', 'reader']);
      expect(await rolesIn(topId)).toBe(401);
      const effective = await get(
        `/v3/role_assignments?effective&user.id=${userId}&scope.project.id=${lowId}&include_names`,
      );
      expect(effective.text).toContain('"name":"reader"');
      expect(effective.text).toContain(`/groups/${groupId}/roles/${auditor}/inherited_to_projects`);
      expect((await remove(inherited)).status).toBe(204);
      expect(await rolesIn(lowId)).toBe(401);
      // From the domain: on every project in it.
      const fromDomain = `/v3/OS-INHERIT/domains/${domainId}/users/${userId}/roles/${auditor}/inherited_to_projects`;
      expect((await put(fromDomain)).status).toBe(204);
      expect(await rolesIn(topId)).toEqual(['auditor', 'reader']);
      const projects = await get(`/v3/users/${userId}/projects`);
      expect(namesIn(projects, 'projects').sort()).toEqual(['low', 'top']);
      const listed = await get(
        `/v3/OS-INHERIT/domains/${domainId}/users/${userId}/roles/inherited_to_projects`,
      );
      expect(namesIn(listed, 'roles')).toEqual(['auditor']);
      expect((await call(cloud, 'HEAD', fromDomain, { token })).status).toBe(204);
      expect((await remove(`/v3/roles/${auditor}`)).status).toBe(204);
      expect((await get(fromDomain)).status).toBe(404);
      expect(await rolesIn(topId)).toBe(401);
    });

    it('of a domain stay in it, and are in no token', async () => {
      const domainId = await make('domains', 'domain', { name: 'own' });
      const projectId = await make('projects', 'project', { name: 'p', domain_id: domainId });
      const userId = await make('users', 'user', { name: 'o', password: 'o', domain_id: domainId });
      const local = await make('roles', 'role', { name: 'local', domain_id: domainId });
      const foreign = (
        await cloud.identity.createUser({ project: 'far', name: 'far', password: 'f' })
      ).projectId;
      expect((await put(`/v3/projects/${foreign}/users/${userId}/roles/${local}`)).status).toBe(
        403,
      );
      expect((await put(`/v3/projects/${projectId}/users/${userId}/roles/${local}`)).status).toBe(
        204,
      );
      const body = authBody({
        name: 'o',
        password: 'o',
        domain: 'own',
        scope: inProject('p', 'own'),
      });
      expect((await call(cloud, 'POST', '/v3/auth/tokens', { body })).status).toBe(401);
      const member = await roleId('member');
      expect((await put(`/v3/roles/${local}/implies/${member}`)).status).toBe(201);
      const answer = await call(cloud, 'POST', '/v3/auth/tokens', { body });
      expect(answer.body).toMatchObject({
        token: { roles: [{ name: 'member' }, { name: 'reader' }] },
      });
      expect((await put(`/v3/roles/${member}/implies/${local}`)).status).toBe(403);
      expect((await put(`/v3/roles/${member}/implies/${await roleId('admin')}`)).status).toBe(403);
      expect(namesIn(await get('/v3/roles'), 'roles')).not.toContain('local');
      expect(namesIn(await get(`/v3/roles?domain_id=${domainId}`), 'roles')).toEqual(['local']);
    });
  });

  describe('role assignments', () => {
    it('refuse filters that contradict each other', async () => {
      for (const query of [
        'scope.domain.id=a&scope.project.id=b',
        'scope.domain.id=a&scope.system=all',
        'scope.project.id=a&scope.system=all',
        'user.id=a&group.id=b',
        'effective&group.id=a',
        'effective&scope.domain.id=a&scope.OS-INHERIT:inherited_to=projects',
        'include_subtree',
      ])
        expect((await get(`/v3/role_assignments?${query}`)).status, query).toBe(400);
    });
  });

  describe('the catalog', () => {
    it('holds together', async () => {
      await make('regions', 'region', { id: 'north' });
      await make('regions', 'region', { id: 'oslo', parent_region_id: 'north' });
      const circle = await patch('/v3/regions/north', { region: { parent_region_id: 'oslo' } });
      expect(circle.status).toBe(400);
      expect((await remove('/v3/regions/north')).status).toBe(403);
      const serviceId = await make('services', 'service', { type: 'compute', name: 'nova' });
      const endpoint = { interface: 'public', url: 'http://n/%(tenant_id)s', region_id: 'oslo' };
      const endpointId = await make('endpoints', 'endpoint', {
        ...endpoint,
        service_id: serviceId,
      });
      const orphan = await call(cloud, 'POST', '/v3/endpoints', {
        token,
        body: { endpoint: { ...endpoint, service_id: 'nothing' } },
      });
      expect(orphan.status).toBe(400);
      const lost = { region: { id: 'x', parent_region_id: 'nowhere' } };
      expect((await call(cloud, 'POST', '/v3/regions', { token, body: lost })).status).toBe(404);
      const old = { interface: 'admin', url: 'http://o', region: 'new', service_id: serviceId };
      await make('endpoints', 'endpoint', old);
      expect((await get('/v3/regions/new')).status).toBe(200);
      const projectScoped = await get('/v3/auth/catalog');
      expect(projectScoped.text).toMatch(/http:\/\/n\/[0-9a-f]{32}/);
      const system = await adminToken(cloud, { system: { all: true } });
      const systemScoped = await call(cloud, 'GET', '/v3/auth/catalog', { token: system });
      expect(systemScoped.text).not.toContain('http://n/');
      await patch(`/v3/endpoints/${endpointId}`, { endpoint: { enabled: false } });
      expect((await get('/v3/auth/catalog')).text).not.toContain('http://n/');
      expect((await remove(`/v3/services/${serviceId}`)).status).toBe(204);
      expect((await get(`/v3/endpoints/${endpointId}`)).status).toBe(404);
      expect((await remove('/v3/regions/oslo')).status).toBe(204);
    });
  });

  describe('the table of operations', () => {
    it('names every route once, with its rule', () => {
      const { operations } = cloud.identity.service;
      const names = operations.map(({ method, path }) => `${method} ${path}`);
      expect(new Set(names).size).toBe(names.length);
      expect(names.length).toBeGreaterThan(120);
      expect(operations.find(({ path }) => path === '/v3/users')?.policy).toBe(
        'identity:list_users',
      );
    });
  });
});
