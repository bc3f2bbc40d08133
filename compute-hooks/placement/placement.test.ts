import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ComputeCloud, imageId, startComputeCloud } from '../testing/cloud.ts';
import { placementMax, placementMin } from './versions.ts';

let cloud: ComputeCloud;
beforeAll(async () => {
  cloud = await startComputeCloud({ engine: 'sqlite', settings: {} });
});
afterAll(async () => {
  await cloud.close();
});

async function ask(path: string, options: { token?: string; method?: string; version?: string }) {
  const { token = 'admin', method = 'GET', version = placementMax } = options;
  const response = await fetch(`${cloud.url}/placement${path}`, {
    method,
    headers: { 'X-Auth-Token': token, 'OpenStack-API-Version': `placement ${version}` },
  });
  const body = (await response.json()) as Record<string, object>;
  return { status: response.status, body };
}

const get = async (path: string) => (await ask(path, {})).body;

test('what a server takes is seen at its host, at itself and in the usage of its project', async () => {
  const server = { name: 'one', imageRef: imageId, flavorRef: '1', networks: 'none' };
  const made = await cloud.call('member', 'POST', '/servers', { server }, '2.93');
  await cloud.settled();
  const { id, tenant_id: project } = (
    await cloud.call('admin', 'GET', `/servers/${made.body.server.id}`, undefined, '2.93')
  ).body.server;
  const { allocations = {} } = await get(`/allocations/${id}`);
  const [provider = ''] = Object.keys(allocations);
  expect(allocations).toEqual({
    [provider]: { generation: expect.any(Number), resources: expect.any(Object) },
  });
  const { resources } = (allocations as Record<string, { resources: object }>)[provider] ?? {};
  expect(resources).toMatchObject({ VCPU: 1, MEMORY_MB: 512 });
  expect((await get(`/resource_providers/${provider}/usages`)).usages).toMatchObject({
    VCPU: 1,
    MEMORY_MB: 512,
  });
  expect((await get(`/resource_providers/${provider}/allocations`)).allocations).toHaveProperty(id);
  expect((await get(`/usages?project_id=${project}`)).usages).toMatchObject({ VCPU: 1 });
  const generation = async () => {
    const { resource_provider_generation } = await get(`/resource_providers/${provider}/usages`);
    return Number(resource_provider_generation);
  };
  const before = await generation();
  await cloud.call('member', 'DELETE', `/servers/${id}`);
  await cloud.settled();
  expect(await generation()).toBeGreaterThan(before);
  expect((await get(`/allocations/${id}`)).allocations).toEqual({});
});

test('candidates are the hosts with room for all that is asked', async () => {
  const found = await get('/allocation_candidates?resources=VCPU:1,MEMORY_MB:512');
  expect(Object.keys(found.provider_summaries ?? {}).length).toBeGreaterThan(0);
  const none = await get('/allocation_candidates?resources=VCPU:100000');
  expect(none).toEqual({ allocation_requests: [], provider_summaries: {} });
});

test('what may not be asked is refused in Placement’s own words', async () => {
  expect(await ask('/resource_providers', { version: '1.99' })).toMatchObject({
    status: 406,
    body: { errors: [{ max_version: placementMax, min_version: placementMin }] },
  });
  expect((await ask('/resource_providers', { token: 'member' })).status).toBe(403);
  expect((await ask('/resource_providers', { token: 'nobody' })).status).toBe(401);
  expect((await ask('/resource_providers/unknown', {})).status).toBe(404);
  expect((await ask('/allocation_candidates', {})).status).toBe(400);
  expect((await ask('/allocation_candidates?resources=VCPU:1&limit=none', {})).status).toBe(400);
  expect((await ask('/resource_classes', { method: 'POST' })).status).toBe(501);
});
