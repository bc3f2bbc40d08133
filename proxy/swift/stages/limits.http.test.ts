/** Quotas, rates, policies, the read-only switch: what stops a request that is otherwise allowed. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SwiftClient } from '../../testing/swift-client.ts';

let client: SwiftClient;
beforeAll(async () => {
  client = await SwiftClient.open({
    policies: 'gold silver=argent old=deprecated',
    containersPerAccountMax: 100,
  });
});
afterAll(() => client.close());

const root = { as: 'root' };

describe('quotas', () => {
  test('of a container, in bytes and in objects, for copies too', async () => {
    const path = await client.container({
      'X-Container-Meta-Quota-Bytes': '10',
      'X-Container-Meta-Quota-Count': '2',
    });
    await client.put(`${path}/a`, '12345');
    const over = await client.ask('PUT', `${path}/b`, { body: '123456' });
    expect([over.status, over.text]).toEqual([413, 'Upload exceeds quota.']);
    const headers = { 'X-Copy-From': `${path}/a`, 'X-Fresh-Metadata': 'true' };
    expect(await client.status('PUT', `${path}/b`, { headers })).toBe(201);
    expect(await client.status('PUT', `${path}/c`, { body: '' })).toBe(413);
    const bad = { headers: { 'X-Container-Meta-Quota-Count': 'many' } };
    expect(await client.status('POST', path, bad)).toBe(400);
    // Who may not write learns of no quota.
    expect(await client.status('PUT', `${path}/c`, { as: 'bob', body: '' })).toBe(403);
  });

  test('of an account, set by resellers only, also by policy', async () => {
    const other = { as: 'bob', account: 'AUTH_id-other' };
    const path = '/quota';
    await client.ask('PUT', path, { ...other, headers: { 'X-Storage-Policy': 'silver' } });
    const quota = { 'X-Account-Quota-Bytes-Policy-silver': '10' };
    expect(await client.status('POST', '', { ...other, headers: quota })).toBe(403);
    expect(await client.status('POST', '', { ...other, ...root, headers: quota })).toBe(204);
    const seen = await client.ask('HEAD', '', { ...other, ...root });
    expect(seen.headers.get('x-account-quota-bytes-policy-silver')).toBe('10');
    expect(await client.status('PUT', `${path}/a`, { ...other, body: '12345' })).toBe(201);
    expect(await client.status('PUT', `${path}/b`, { ...other, body: '123456' })).toBe(413);
    expect(await client.status('PUT', `${path}/b`, { ...other, ...root, body: '123456' })).toBe(
      201,
    );
    const total = { 'X-Account-Meta-Quota-Bytes': '11' };
    await client.ask('POST', '', {
      ...other,
      ...root,
      headers: { ...total, 'X-Remove-Account-Quota-Bytes-Policy-silver': 'x' },
    });
    expect(await client.status('PUT', `${path}/c`, { ...other, body: '1' })).toBe(413);
    // Who may not write learns of no quota.
    const stranger = { account: other.account, body: '1' };
    expect(await client.status('PUT', `${path}/c`, stranger)).toBe(403);
    expect(await client.status('PUT', `${path}/c`, { ...stranger, as: null })).toBe(401);
  });
});

describe('storage policies', () => {
  test('are chosen at creation, and counted one by one', async () => {
    const byDefault = await client.container();
    const silver = await client.container({ 'X-Storage-Policy': 'Argent' });
    await client.put(`${silver}/o`, '12345');
    const policyOf = async (path: string) =>
      (await client.ask('HEAD', path)).headers.get('x-storage-policy');
    expect([await policyOf(byDefault), await policyOf(silver)]).toEqual(['gold', 'silver']);
    for (const name of ['old', 'bronze']) {
      const headers = { 'X-Storage-Policy': name };
      expect(await client.status('PUT', '/p', { headers })).toBe(400);
    }
    const gold = { headers: { 'X-Storage-Policy': 'gold' } };
    expect(await client.status('PUT', silver, gold)).toBe(409);
    const { headers } = await client.ask('HEAD', '');
    expect(headers.get('x-account-storage-policy-silver-bytes-used')).toBe('5');
    expect(headers.get('x-account-storage-policy-silver-object-count')).toBe('1');
    const info = JSON.parse((await client.ask('GET', '/info')).text);
    expect(info.swift.policies).toEqual([
      { name: 'gold', aliases: 'gold', default: true },
      { name: 'silver', aliases: 'silver, argent' },
    ]);
  });
});

describe('the read-only switch', () => {
  test('of an account, by a reseller', async () => {
    const other = { account: 'AUTH_id-still' };
    const mark = (value: string) =>
      client.ask('POST', '', {
        ...other,
        ...root,
        headers: { 'X-Account-Sysmeta-Read-Only': value },
      });
    await mark('true');
    const refused = await client.ask('PUT', '/c', { ...other, ...root });
    expect([refused.status, refused.text]).toEqual([405, 'Writes are disabled for this account.']);
    expect(await client.status('GET', '', { ...other, ...root })).toBe(204);
    // Who shut it can open it again, and nobody else can.
    const open = { 'X-Account-Sysmeta-Read-Only': 'false' };
    const shut = { ...other, headers: open };
    expect(await client.status('POST', '', { ...shut, as: 'bob' })).toBe(405);
    expect(await client.status('POST', '/c', { ...shut, ...root })).toBe(405);
    expect(await client.status('POST', '', { ...shut, ...root })).toBe(204);
    expect(await client.status('PUT', '/c', { ...other, ...root })).toBe(201);
    // Nobody else can say so, or see that it is said.
    await client.ask('POST', '', { headers: { 'X-Account-Sysmeta-Read-Only': 'true' } });
    expect(await client.status('PUT', '/still-open')).toBe(201);
  });

  test('of the whole cloud, with deletes let through where that is said', async () => {
    const shut = await SwiftClient.open({ readOnly: true, readOnlyDeletes: true });
    expect(await shut.status('PUT', '/c')).toBe(405);
    expect(await shut.status('DELETE', '/c')).toBe(404);
    expect(JSON.parse((await shut.ask('GET', '/info')).text).read_only).toEqual({});
    await shut.close();
  });
});

describe('rates', () => {
  test('hold requests back, and refuse what would wait too long', async () => {
    const slow = await SwiftClient.open({
      containerRates: '0=20',
      rateSleepMaxMs: 60,
      rateBufferSeconds: 0,
      rateBlocked: 'AUTH_id-other',
    });
    await slow.put('/c', '');
    const answers = await Promise.all(
      Array.from({ length: 4 }, (_, n) => slow.status('PUT', `/c/${n}`, { body: '' })),
    );
    expect(answers.filter((status) => status === 201).length).toBeGreaterThanOrEqual(1);
    expect(answers.filter((status) => status === 498).length).toBeGreaterThanOrEqual(1);
    expect(await slow.status('GET', '', { as: 'bob', account: 'AUTH_id-other' })).toBe(497);
    await slow.close();
  });
});
