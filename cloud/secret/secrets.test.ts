import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { engines } from '../state/testing/engines.ts';
import { projects, type SecretCloud, startSecretCloud } from './testing/cloud.ts';

const text = { payload: 'hunter2', payload_content_type: 'text/plain' };
const pathOf = (ref: string) => new URL(ref).pathname.replace('/v1', '');

describe.each(engines)('the key manager on %s', (engine) => {
  let cloud: SecretCloud;
  beforeAll(async () => {
    cloud = await startSecretCloud(engine);
  });
  afterAll(() => cloud.close());

  const store = async (token: string, body: object) => {
    const { body: made, status } = await cloud.call(token, 'POST', '/secrets', body);
    expect(status).toBe(201);
    return pathOf(made.secret_ref);
  };
  const payload = (token: string, path: string, accept = 'text/plain') =>
    cloud.call(token, 'GET', `${path}/payload`, undefined, { Accept: accept });

  test('stores a payload sealed, shows it once asked, and never changes it', async () => {
    const path = await store('member', { name: 'pw', ...text });
    const rows = await cloud.rows();
    expect(JSON.stringify(rows)).not.toContain('hunter2');
    expect(JSON.stringify(rows)).not.toContain(Buffer.from('hunter2').toString('base64'));
    const { body } = await cloud.call('member', 'GET', path);
    expect(body).toMatchObject({ name: 'pw', status: 'ACTIVE', secret_type: 'opaque' });
    expect(JSON.stringify(body)).not.toContain('hunter2');
    expect((await payload('member', path)).text).toBe('hunter2');
    expect((await payload('member', path, 'image/png')).status).toBe(406);
    const again = await cloud.call('member', 'PUT', path, 'x', { 'Content-Type': 'text/plain' });
    expect(again.status).toBe(409);
  });

  test('takes a payload later, in bytes or base64', async () => {
    const path = await store('member', { name: 'late' });
    expect((await payload('member', path)).status).toBe(404);
    const headers = { 'Content-Type': 'application/octet-stream', 'Content-Encoding': 'base64' };
    expect((await cloud.call('member', 'PUT', path, 'AAEC', headers)).status).toBe(204);
    expect((await payload('member', path, 'application/octet-stream')).text).toBe('\0\x01\x02');
  });

  test('another project sees nothing until the access list names its user', async () => {
    const path = await store('member', { name: 'shared', ...text });
    expect((await cloud.call('other', 'GET', path)).status).toBe(404);
    expect((await payload('other', path)).status).toBe(404);
    const acl = { read: { users: ['user-other'], 'project-access': false } };
    expect((await cloud.call('member', 'PUT', `${path}/acl`, acl)).status).toBe(200);
    expect((await payload('other', path)).text).toBe('hunter2');
    expect((await cloud.call('other', 'DELETE', path)).status).toBe(403);
    expect((await payload('colleague', path)).status).toBe(403);
    expect((await payload('admin', path)).text).toBe('hunter2');
    const listed = await cloud.call('other', 'GET', '/secrets?acl_only=true');
    expect(listed.body.total).toBe(1);
    expect((await cloud.call('member', 'DELETE', `${path}/acl`)).status).toBe(200);
    expect((await payload('other', path)).status).toBe(404);
    expect((await payload('colleague', path)).text).toBe('hunter2');
  });

  test('a reader lists nothing, a stranger is nobody', async () => {
    expect((await cloud.call('reader', 'GET', '/secrets')).status).toBe(403);
    expect((await cloud.call('nobody', 'GET', '/secrets')).status).toBe(401);
  });

  test('fills orders with a key, or a pair and its container', async () => {
    const meta = { name: 'k', algorithm: 'aes', bit_length: 512, mode: 'xts' };
    const order = (body: object) => cloud.call('member', 'POST', '/orders', body);
    const key = await order({ type: 'key', meta });
    expect(key.status).toBe(202);
    const pair = await order({ type: 'asymmetric', meta: { algorithm: 'rsa', bit_length: 1024 } });
    await cloud.settled();
    const filled = await cloud.call('member', 'GET', pathOf(key.body.order_ref));
    expect(filled.body).toMatchObject({ status: 'ACTIVE', type: 'key' });
    const secret = await payload('member', pathOf(filled.body.secret_ref), '*/*');
    expect(secret.status).toBe(200);
    const both = await cloud.call('member', 'GET', pathOf(pair.body.order_ref));
    const container = await cloud.call('member', 'GET', pathOf(both.body.container_ref));
    expect(container.body.type).toBe('rsa');
    for (const { secret_ref: ref, name } of container.body.secret_refs)
      expect((await payload('member', pathOf(ref), '*/*')).text).toContain(
        name === 'public_key' ? 'BEGIN PUBLIC KEY' : 'BEGIN PRIVATE KEY',
      );
    expect((await order({ type: 'certificate', meta: {} })).status).toBe(501);
    const odd = { type: 'key', meta: { algorithm: 'aes', bit_length: 120 } };
    expect((await order(odd)).status).toBe(400);
  });

  test('a quota that is reached refuses, and is free again after deletion', async () => {
    const path = `/project-quotas/${projects.two}`;
    expect((await cloud.call('member', 'GET', path)).status).toBe(403);
    const limits = { project_quotas: { secrets: 1 } };
    expect((await cloud.call('system', 'PUT', path, limits)).status).toBe(204);
    const first = await store('other', { name: 'only' });
    const second = await cloud.call('other', 'POST', '/secrets', { name: 'more' });
    expect(second.status).toBe(403);
    expect((await cloud.call('other', 'DELETE', first)).status).toBe(204);
    await store('other', { name: 'again' });
    expect((await cloud.call('system', 'GET', path)).body.project_quotas.secrets).toBe(1);
    expect((await cloud.call('system', 'DELETE', path)).status).toBe(204);
    expect((await cloud.call('system', 'GET', path)).status).toBe(404);
  });

  test('consumers are registered once, and only by their like removed', async () => {
    const path = await store('member', { name: 'used' });
    const who = { service: 'image', resource_type: 'images', resource_id: 'i' };
    await cloud.call('member', 'POST', `${path}/consumers`, who);
    const twice = await cloud.call('member', 'POST', `${path}/consumers`, who);
    expect(twice.body.consumers).toEqual([who]);
    const old = { 'OpenStack-API-Version': 'key-manager 1.0' };
    expect((await cloud.call('member', 'GET', `${path}/consumers`, undefined, old)).status).toBe(
      404,
    );
    const gone = await cloud.call('member', 'DELETE', `${path}/consumers`, who);
    expect(gone.body.consumers).toEqual([]);
    const none = await cloud.call('member', 'DELETE', `${path}/consumers`, who);
    expect(none.status).toBe(404);
  });

  test('a volume’s key stays until its last holder is gone', async () => {
    const id = '9f0b7a64-2a52-4a0e-9b3e-7f2f0d9f4c11';
    const keys = cloud.forVolumes;
    const wanted = { id, name: 'volume-v', projectId: projects.one, userId: 'user-member' };
    await keys.ensure(wanted);
    await keys.hold(id, { kind: 'volumes', id: 'v' });
    await keys.hold(id, { kind: 'backups', id: 'b' });
    const key = await keys.find(id);
    await keys.ensure(wanted);
    expect(await keys.find(id)).toEqual(key);
    await keys.release(id, { kind: 'volumes', id: 'v' });
    expect(await keys.find(id)).toEqual(key);
    expect(await keys.owned(id, projects.one)).toBe(true);
    expect(await keys.heldByOthers(id, { kind: 'backups', id: 'b' })).toBe(false);
    expect(await keys.heldByOthers(id, { kind: 'volumes', id: 'v' })).toBe(true);
    const friends = { read: { users: ['user-member'] } };
    expect((await cloud.call('member', 'PUT', `/secrets/${id}/acl`, friends)).status).toBe(200);
    const to = { projectId: projects.two, userId: 'user-other' };
    await cloud.change((transaction) => keys.move(transaction, id, to));
    expect(await keys.owned(id, projects.one)).toBe(false);
    // Neither as its maker nor by the list that its last owner left.
    for (const path of [`/secrets/${id}`, `/secrets/${id}/payload`])
      expect((await cloud.call('member', 'GET', path)).status).toBe(404);
    await expect(keys.ensure(wanted)).rejects.toThrow('another project');
    expect((await cloud.call('other', 'GET', `/secrets/${id}`)).body.bit_length).toBe(256);
    await keys.release(id, { kind: 'backups', id: 'b' });
    expect(await keys.find(id)).toBeUndefined();
  });

  test('refuses what no secret or container can be', async () => {
    const refused = async (path: string, body: object) =>
      (await cloud.call('member', 'POST', path, body)).status;
    expect(await refused('/secrets', { payload: 'x' })).toBe(400);
    expect(await refused('/secrets', { ...text, expiration: '2001-01-01T00:00:00' })).toBe(400);
    expect(await refused('/secrets', { ...text, payload: 'x'.repeat(20_001) })).toBe(413);
    expect(await refused('/containers', { type: 'rsa', secret_refs: [] })).toBe(201);
    const dangling = [
      { name: 'a', secret_ref: '/v1/secrets/9f0b7a64-2a52-4a0e-9b3e-7f2f0d9f4c12' },
    ];
    expect(await refused('/containers', { type: 'generic', secret_refs: dangling })).toBe(404);
    expect((await cloud.call('member', 'GET', '/secrets?sort=payload')).status).toBe(400);
  });
});
