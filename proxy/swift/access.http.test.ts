/** Who may do what: account ACLs, service tokens, reseller prefixes, projects in ACLs; and what owners alone are told. */
import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SwiftClient } from '../testing/swift-client.ts';

let client: SwiftClient;
beforeAll(async () => {
  client = await SwiftClient.open({
    resellerPrefixes: 'AUTH SERVICE',
    serviceRoles: 'SERVICE=service',
    infoAdminKey: 'info-key',
  });
});
afterAll(() => client.close());

const bob = { as: 'bob' };

describe('account ACLs', () => {
  const grant = (acl: unknown) =>
    client.ask('POST', '', { headers: { 'X-Account-Access-Control': JSON.stringify(acl) } });

  test('let others read, write, or own', async () => {
    const path = await client.container();
    await client.put(`${path}/o`, 'x');
    expect(await client.status('GET', '', bob)).toBe(403);
    await grant({ 'read-only': ['other:bob'] });
    expect(await client.status('GET', '', bob)).toBe(200);
    expect(await client.status('GET', `${path}/o`, bob)).toBe(200);
    expect(await client.status('PUT', `${path}/o`, { ...bob, body: 'y' })).toBe(403);
    await grant({ 'read-write': ['other:bob'] });
    expect(await client.status('PUT', `${path}/o`, { ...bob, body: 'y' })).toBe(201);
    expect(await client.status('PUT', '/bobs', bob)).toBe(201);
    const meta = { headers: { 'X-Account-Meta-A': 'a' } };
    expect(await client.status('POST', '', { ...bob, ...meta })).toBe(403);
    const seen = await client.ask('HEAD', '', bob);
    expect(seen.headers.get('x-account-access-control')).toBeNull();
    await grant({ admin: ['other:bob'] });
    expect(await client.status('POST', '', { ...bob, ...meta })).toBe(204);
    const owner = await client.ask('HEAD', '', bob);
    expect(owner.headers.get('x-account-access-control')).toBe('{"admin":["other:bob"]}');
    expect(await client.status('GET', '', { as: 'nora' })).toBe(403);
    await grant({});
    expect(await client.status('GET', '', bob)).toBe(403);
  });

  test('that mean nothing are refused with what is wrong', async () => {
    for (const acl of ['nonsense', '[1]', '{"owner":[]}', '{"admin":"x"}', '{"admin":[1]}']) {
      const headers = { 'X-Account-Access-Control': acl };
      const answer = await client.ask('POST', '', { headers });
      expect([answer.status, answer.text.slice(0, 33)]).toEqual([
        400,
        'X-Account-Access-Control invalid:',
      ]);
    }
  });
});

test('a system reader reads every account and changes none', async () => {
  const auditors = await SwiftClient.open({ systemReaderRoles: 'nobody' });
  const path = await auditors.container();
  await auditors.put(`${path}/o`, 'x');
  const nora = { as: 'nora' };
  for (const at of ['', path, `${path}/o`])
    expect(await auditors.status('GET', at, nora)).toBe(200);
  expect(await auditors.status('PUT', `${path}/o`, { ...nora, body: 'y' })).toBe(403);
  expect(await auditors.status('DELETE', `${path}/o`, nora)).toBe(403);
  expect(await auditors.status('POST', path, nora)).toBe(403);
  await auditors.close();
});

describe('service accounts', () => {
  test('need the service’s token besides the user’s', async () => {
    const account = 'SERVICE_id-demo';
    const both = { account, headers: { 'X-Service-Token': 'token-glance' } };
    expect(await client.status('PUT', '/images', { account })).toBe(403);
    expect(await client.status('PUT', '/images', { account, as: 'glance' })).toBe(403);
    const wrong = { account, headers: { 'X-Service-Token': 'token-bob' } };
    expect(await client.status('PUT', '/images', wrong)).toBe(403);
    expect(await client.status('PUT', '/images', both)).toBe(201);
    expect(await client.status('GET', '/images', { account, as: 'ron' })).toBe(403);
    // The user's own account needs no service, and another's is not reached by one.
    expect(await client.status('PUT', '/plain')).toBe(201);
    expect(await client.status('GET', '', { ...both, account: 'SERVICE_id-other' })).toBe(403);
  });
});

describe('container ACLs', () => {
  test('name projects, as TempAuth has it, and accounts; secrets stay with owners', async () => {
    const path = await client.container({
      'X-Container-Read': 'other',
      'X-Container-Meta-Temp-Url-Key': 'secret',
    });
    for (const as of ['bob', 'nora']) {
      const answer = await client.ask('HEAD', path, { as });
      expect(answer.status).toBe(204);
      expect(answer.headers.get('x-container-meta-temp-url-key')).toBeNull();
      expect(answer.headers.get('x-container-read')).toBeNull();
    }
    await client.ask('POST', path, { headers: { 'X-Container-Read': 'AUTH_id-other' } });
    expect(await client.status('HEAD', path, { as: 'bob' })).toBe(204);
    expect(await client.status('HEAD', path, { as: 'nora' })).toBe(403);
    const own = await client.ask('HEAD', path);
    expect(own.headers.get('x-container-meta-temp-url-key')).toBe('secret');
  });

  test('let nobody change the container itself', async () => {
    const path = await client.container({ 'X-Container-Write': 'other:bob' });
    expect(await client.status('PUT', `${path}/o`, { ...bob, body: 'x' })).toBe(201);
    for (const header of ['X-Container-Read', 'X-Container-Sync-To', 'X-Versions-Location']) {
      const headers = { [header]: 'x' };
      expect(await client.status('POST', path, { ...bob, headers })).toBe(403);
      expect(await client.status('PUT', path, { ...bob, headers })).toBe(403);
    }
    expect(await client.status('DELETE', path, bob)).toBe(403);
  });
});

describe('/info for administrators', () => {
  test('is signed, for a method and a time', async () => {
    const expires = String(Math.floor(Date.now() / 1000) + 60);
    const sign = (method: string, key = 'info-key', until = expires) => {
      const text = `${method}\n${until}\n/info`;
      const signature = createHmac('sha1', key).update(text).digest('hex');
      return `/info?swiftinfo_sig=${signature}&swiftinfo_expires=${until}`;
    };
    const good = JSON.parse((await client.ask('GET', sign('GET'), { as: null })).text);
    expect(good.admin.pipeline).toContain('tempurl');
    expect(JSON.parse((await client.ask('GET', '/info')).text).admin).toBeUndefined();
    for (const path of [sign('PUT'), sign('GET', 'other'), sign('GET', 'info-key', '1')])
      expect(await client.status('GET', path)).toBe(401);
    expect(await client.status('HEAD', sign('GET'), { as: null })).toBe(200);
    // Parameters without a value ask for nothing; any page may read what everybody may.
    const headers = { Origin: 'http://pages.example' };
    const plain = await client.ask('GET', '/info?swiftinfo_sig=&swiftinfo_expires=', { headers });
    expect(plain.status).toBe(200);
    expect(JSON.parse(plain.text).admin).toBeUndefined();
    expect(plain.headers.get('access-control-allow-origin')).toBe('http://pages.example');
  });

  test('facts for operators, and the policy page of old browsers', async () => {
    const load = await client.ask('GET', '/recon/load', { as: null });
    expect(JSON.parse(load.text)).toHaveProperty('1m');
    expect(await client.status('GET', '/recon/secrets')).toBe(404);
    const page = await client.ask('GET', '/crossdomain.xml', { as: null });
    expect(page.text).toContain('<allow-access-from domain="*" secure="false" />');
  });
});

describe('a pipeline without a stage', () => {
  test('does not offer it, and one with an unknown name does not start', async () => {
    const bare = await SwiftClient.open({ pipeline: 'bulk copy' });
    const info = JSON.parse((await bare.ask('GET', '/info')).text);
    expect(Object.keys(info).sort()).toEqual(
      ['bulk_delete', 'bulk_upload', 'dlo', 'slo', 'swift', 'symlink', 'tempauth'].sort(),
    );
    expect(await bare.status('GET', '/crossdomain.xml')).toBe(404);
    const headers = { 'X-Versions-Location': 'x' };
    expect(await bare.status('PUT', '/c', { headers })).toBe(412);
    await bare.close();
    await expect(SwiftClient.open({ pipeline: 'bulk tempurls' })).rejects.toThrow(/tempurls/);
  });
});

describe('domains', () => {
  const allowed = async (account: string, owner: string, acl: string, as: string) => {
    const headers = { 'X-Container-Read': acl };
    await client.ask('PUT', '/domains', { account, as: owner, headers });
    await client.ask('POST', '/domains', { account, as: owner, headers });
    return (await client.status('GET', '/domains', { account, as })) === 204;
  };

  test('names mean nobody unless user, project and account are of the default one', async () => {
    expect(await allowed('AUTH_id-demo', 'alice', 'other:bob', 'bob')).toBe(true);
    expect(await allowed('AUTH_id-far', 'fay', 'other:bob', 'bob')).toBe(false);
    expect(await allowed('AUTH_id-far', 'fay', 'other', 'bob')).toBe(false);
    expect(await allowed('AUTH_id-demo', 'alice', 'far:fay', 'fay')).toBe(false);
    expect(await allowed('AUTH_id-demo', 'alice', 'far', 'fay')).toBe(false);
  });

  test('ids mean the same everywhere', async () => {
    expect(await allowed('AUTH_id-far', 'fay', 'id-other:id-bob', 'bob')).toBe(true);
    expect(await allowed('AUTH_id-demo', 'alice', 'id-far:*', 'fay')).toBe(true);
  });

  test('an account tells whose it is', async () => {
    const seen = await client.ask('HEAD', '', { account: 'AUTH_id-far', as: 'root' });
    expect(seen.headers.get('x-account-project-domain-id')).toBe('abroad');
  });
});
