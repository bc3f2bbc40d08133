import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Failure } from '#common';
import { engines } from '../cloud/state/testing/engines.ts';
import { type ComputeCloud, imageId, startComputeCloud } from './testing/cloud.ts';

const server = (name: string, more: object = {}) => ({
  server: { name, imageRef: imageId, flavorRef: '1', networks: 'none', ...more },
});

describe.each(engines)('servers on %s', (engine) => {
  let cloud: ComputeCloud;
  beforeAll(async () => {
    cloud = await startComputeCloud({ engine, settings: { instancesPerProject: 4 } });
  });
  afterAll(async () => {
    await cloud.close();
  });

  const make = async (name: string, more: object = {}): Promise<string> => {
    const made = await cloud.call('member', 'POST', '/servers', server(name, more), '2.93');
    expect(made.status).toBe(202);
    await cloud.settled();
    return made.body.server.id;
  };
  const show = async (id: string) =>
    (await cloud.call('admin', 'GET', `/servers/${id}`, undefined, '2.93')).body.server;
  const act = async (id: string, body: object, token = 'member') => {
    const { status } = await cloud.call(token, 'POST', `/servers/${id}/action`, body, '2.93');
    await cloud.settled();
    return status;
  };
  const remove = async (id: string) => {
    expect((await cloud.call('member', 'DELETE', `/servers/${id}`)).status).toBe(204);
    await cloud.settled();
  };
  const used = async () =>
    (await cloud.call('member', 'GET', '/limits')).body.limits.absolute.totalInstancesUsed;

  test('one lives from BUILD over every state of power to its end, and leaves nothing', async () => {
    const id = await make('web', { metadata: { a: 'b' }, tags: ['x'], config_drive: true });
    expect(await show(id)).toMatchObject({
      status: 'ACTIVE',
      name: 'web',
      metadata: { a: 'b' },
      tags: ['x'],
      config_drive: 'True',
      'OS-EXT-STS:vm_state': 'active',
      'OS-EXT-STS:task_state': null,
      'OS-EXT-STS:power_state': 1,
      flavor: { original_name: 'm1.tiny', ram: 512 },
      image: { id: imageId },
    });
    const steps: readonly (readonly [action: object, status: string])[] = [
      [{ pause: null }, 'PAUSED'],
      [{ unpause: null }, 'ACTIVE'],
      [{ suspend: null }, 'SUSPENDED'],
      [{ resume: null }, 'ACTIVE'],
      [{ 'os-stop': null }, 'SHUTOFF'],
      [{ 'os-start': null }, 'ACTIVE'],
      [{ reboot: { type: 'SOFT' } }, 'ACTIVE'],
      [{ reboot: { type: 'HARD' } }, 'ACTIVE'],
      [{ rescue: {} }, 'RESCUE'],
      [{ unrescue: null }, 'ACTIVE'],
      [{ shelve: null }, 'SHELVED_OFFLOADED'],
      [{ unshelve: null }, 'ACTIVE'],
      [{ resize: { flavorRef: '2' } }, 'VERIFY_RESIZE'],
      [{ revertResize: null }, 'ACTIVE'],
      [{ resize: { flavorRef: '2' } }, 'VERIFY_RESIZE'],
      [{ confirmResize: null }, 'ACTIVE'],
      [{ rebuild: { imageRef: imageId } }, 'ACTIVE'],
      [{ createImage: { name: 'golden' } }, 'ACTIVE'],
    ];
    for (const [action, status] of steps) {
      expect([action, await act(id, action)]).toEqual([action, expect.toBeOneOf([200, 202, 204])]);
      const now = await show(id);
      expect([action, now.status, now.fault]).toEqual([action, status, undefined]);
    }
    expect((await show(id)).flavor.original_name).toBe('m1.small');
    expect(cloud.filled.has('image-of-golden')).toBe(true);
    await remove(id);
    expect((await cloud.call('member', 'GET', `/servers/${id}`)).status).toBe(404);
    expect([...cloud.disks.kept.keys()]).toEqual(['content']);
    expect(await cloud.hypervisors.get('one')?.list()).toEqual([]);
    expect(await used()).toBe(0);
  });

  test('what is not allowed now is refused in Nova’s words', async () => {
    const id = await make('still');
    const refused = await cloud.call('member', 'POST', `/servers/${id}/action`, {
      'os-start': null,
    });
    expect(refused.status).toBe(409);
    expect(refused.body.conflictingRequest.message).toBe(
      `Cannot 'start' instance ${id} while it is in vm_state active`,
    );
    expect(await act(id, { lock: { locked_reason: 'mine' } }, 'admin')).toBe(202);
    expect(await act(id, { 'os-stop': null })).toBe(409);
    expect(await act(id, { unlock: null })).toBe(403);
    expect(await act(id, { unlock: null }, 'admin')).toBe(202);
    expect((await cloud.call('other', 'GET', `/servers/${id}`)).status).toBe(404);
    expect((await cloud.call('reader', 'DELETE', `/servers/${id}`)).status).toBe(403);
    expect(
      (await cloud.call('member', 'POST', `/servers/${id}/action`, { dance: {} })).status,
    ).toBe(400);
    await remove(id);
  });

  test('a server that cannot be made is in error with the reason, and holds nothing of a host', async () => {
    cloud.disks.failing = new Failure('conflict', 'no-room', 'There is no room');
    const id = await make('poor');
    cloud.disks.failing = undefined;
    const now = await show(id);
    expect(now).toMatchObject({
      status: 'ERROR',
      fault: { code: 500, message: 'There is no room' },
    });
    expect(now['OS-EXT-SRV-ATTR:host']).toBeNull();
    await remove(id);
    const huge = await cloud.call('admin', 'POST', '/flavors', {
      flavor: { name: 'huge', ram: 1024, vcpus: 1, disk: 2_000_000_000 },
    });
    const none = await make('nowhere', { flavorRef: huge.body.flavor.id });
    expect((await show(none)).fault.message).toMatch(/No valid host was found/);
    await remove(none);
  });

  test('a guest that ends by itself is a server that is shut off', async () => {
    const id = await make('fragile');
    cloud.hypervisors.get('one')?.endByItself(id);
    await expect.poll(async () => (await show(id)).status).toBe('SHUTOFF');
    await remove(id);
  });

  test('many at once, as many as the quota has room for', async () => {
    const over = await cloud.call('member', 'POST', '/servers', server('many', { min_count: 5 }));
    expect(over.status).toBe(403);
    expect(over.body.forbidden.message).toMatch(/Quota exceeded for instances/);
    expect(await used()).toBe(0);
    await make('many', { min_count: 2, max_count: 4 });
    const list = await cloud.call('member', 'GET', '/servers?sort_key=display_name&sort_dir=asc');
    expect(list.body.servers.map(({ name }: { name: string }) => name)).toEqual([
      'many-1',
      'many-2',
      'many-3',
      'many-4',
    ]);
    const page = await cloud.call('member', 'GET', '/servers?limit=3&name=many');
    expect(page.body.servers).toHaveLength(3);
    const next = new URL(page.body.servers_links[0].href);
    const rest = await cloud.call('member', 'GET', `/servers${next.search}`);
    expect(rest.body.servers).toHaveLength(1);
    for (const { id } of list.body.servers) await remove(id);
    expect(await used()).toBe(0);
  });

  test('deleting while it is being made ends it', async () => {
    const made = await cloud.call('member', 'POST', '/servers', server('brief'));
    await cloud.call('member', 'DELETE', `/servers/${made.body.server.id}`);
    await cloud.settled();
    expect((await cloud.call('member', 'GET', '/servers')).body.servers).toEqual([]);
    expect([...cloud.disks.kept.keys()]).toEqual(['content']);
    expect(await used()).toBe(0);
  });
});

describe('several hosts', () => {
  test('a server moves while it runs; a move that fails leaves it where it was', async () => {
    const cloud = await startComputeCloud({ hosts: ['one', 'two'] });
    const show = async (id: string) =>
      (await cloud.call('admin', 'GET', `/servers/${id}`, undefined, '2.93')).body.server;
    const made = await cloud.call('member', 'POST', '/servers', server('mover'));
    const { id } = made.body.server;
    await cloud.settled();
    const from = (await show(id))['OS-EXT-SRV-ATTR:host'];
    const to = from === 'one' ? 'two' : 'one';
    const move = async (host: string | null) => {
      const action = { 'os-migrateLive': { host, block_migration: 'auto' } };
      const { status } = await cloud.call('admin', 'POST', `/servers/${id}/action`, action, '2.30');
      await cloud.settled();
      return status;
    };
    const source = cloud.hypervisors.get(from);
    if (source === undefined) throw new Error('no such host');
    source.failing = { call: 'send', failure: new Failure('conflict', 'memory-failed', 'no') };
    expect(await move(to)).toBe(202);
    source.failing = undefined;
    expect(await show(id)).toMatchObject({ status: 'ACTIVE', 'OS-EXT-SRV-ATTR:host': from });
    expect(cloud.hypervisors.get(to)?.guests.size).toBe(0);
    expect(await move(from)).toBe(400);
    expect(await move(null)).toBe(202);
    expect(await show(id)).toMatchObject({ status: 'ACTIVE', 'OS-EXT-SRV-ATTR:host': to });
    expect(source.guests.size).toBe(0);
    expect(await cloud.hypervisors.get(to)?.power(id)).toBe('running');
    const { body } = await cloud.call('admin', 'GET', '/os-migrations', undefined, '2.59');
    expect(body.migrations).toMatchObject([
      { status: 'completed', migration_type: 'live-migration', dest_compute: to },
      { status: 'error', source_compute: from },
    ]);
    const hosts = await cloud.call('admin', 'GET', '/os-hypervisors/detail');
    const used = hosts.body.hypervisors.map((one: { vcpus_used: number }) => one.vcpus_used);
    expect(used.sort()).toEqual([0, 1]);

    // What had left whole and never arrived is not lost: begun again or not, it goes on where its memory is.
    const there = cloud.hypervisors.get(to);
    if (there === undefined) throw new Error('no such host');
    source.failing = { call: 'received', failure: new Failure('unreachable', 'away', 'gone') };
    expect(await move(from)).toBe(202);
    source.failing = undefined;
    expect(await show(id)).toMatchObject({ status: 'ACTIVE', 'OS-EXT-SRV-ATTR:host': to });
    expect([await there.power(id), source.guests.size]).toEqual(['running', 0]);

    // After the row has said that it is there, what is left is done, even by an operation that failed.
    source.failing = { call: 'resume', failure: new Failure('conflict', 'stuck', 'not yet') };
    const moved = move(from);
    await expect.poll(async () => (await show(id))['OS-EXT-SRV-ATTR:host']).toBe(from);
    await expect.poll(() => there.guests.size).toBe(0);
    expect(await source.power(id)).toBe('paused');
    source.failing = undefined;
    expect(await moved).toBe(202);
    expect(await source.power(id)).toBe('running');
    await cloud.close();
  });

  test('groups keep servers apart, zones are kept to, and a silent host is left behind', async () => {
    const cloud = await startComputeCloud({ hosts: ['one', 'two'] });
    const hostOf = async (id: string) =>
      (await cloud.call('admin', 'GET', `/servers/${id}`)).body.server['OS-EXT-SRV-ATTR:host'];
    const group = await cloud.call('member', 'POST', '/os-server-groups', {
      server_group: { name: 'apart', policies: ['anti-affinity'] },
    });
    const apart = { 'os:scheduler_hints': { group: group.body.server_group.id } };
    const ids: string[] = [];
    for (const name of ['a', 'b', 'c']) {
      const made = await cloud.call('member', 'POST', '/servers', { ...server(name), ...apart });
      ids.push(made.body.server.id);
    }
    await cloud.settled();
    const [a = '', b = '', c = ''] = ids;
    expect([await hostOf(a), await hostOf(b)].sort()).toEqual(['one', 'two']);
    expect(await hostOf(c)).toBeNull();

    const host = await hostOf(a);
    const evacuate = () =>
      cloud.call('admin', 'POST', `/servers/${a}/action`, { evacuate: { onSharedStorage: true } });
    expect((await evacuate()).status).toBe(400);
    await cloud.call(
      'admin',
      'PUT',
      '/os-services/force-down',
      { host, binary: 'nova-compute', forced_down: true },
      '2.11',
    );
    await cloud.call('member', 'DELETE', `/servers/${b}`);
    await cloud.settled();
    expect((await evacuate()).status).toBe(200);
    await cloud.settled();
    expect(await hostOf(a)).not.toBe(host);
    await cloud.close();
  });
});

describe('many servers', () => {
  // A thousand of them (PILEUS_SERVERS=1000) are what the figures in DESIGN.md are of.
  const count = Number(process.env.PILEUS_SERVERS ?? 100);

  test('are made by one request and listed whole', async () => {
    const cloud = await startComputeCloud({
      settings: { instancesPerProject: -1, coresPerProject: -1, ramMibPerProject: -1 },
    });
    const started = performance.now();
    await cloud.call('member', 'POST', '/servers', server('many', { min_count: count }));
    await cloud.settled();
    const seconds = (performance.now() - started) / 1000;
    await cloud.call('member', 'GET', '/servers/detail');
    const before = process.cpuUsage();
    const list = await cloud.call('member', 'GET', '/servers/detail');
    const { user, system } = process.cpuUsage(before);
    expect(list.body.servers).toHaveLength(count);
    expect(new Set(list.body.servers.map((one: { status: string }) => one.status))).toEqual(
      new Set(['ACTIVE']),
    );
    console.log(
      `${(count / seconds).toFixed(0)} servers a second; a list of them ${((user + system) / 1000).toFixed(0)} ms`,
    );
    await cloud.close();
  }, 180_000);
});
