/** Volumes over the API: made, changed, attached, deleted; what is refused, and how it is said. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Failure } from '#common';
import { projects, startVolumeCloud, type VolumeCloud } from './testing/cloud.ts';

let cloud: VolumeCloud;
beforeAll(async () => {
  cloud = await startVolumeCloud({ volumesPerProject: 50, snapshotsPerProject: 50 });
});
afterAll(() => cloud.close());

type Thing = Record<string, unknown> & { id: string };

async function make(wanted: object = {}, token = 'member'): Promise<Thing> {
  const made = await cloud.call(
    token,
    'POST',
    '/volumes',
    { volume: { size: 1, ...wanted } },
    '3.70',
  );
  expect(made.status, JSON.stringify(made.body)).toBe(202);
  const { volume } = made.body as { volume: Thing };
  expect(volume.status).toMatch(/creating|downloading|restoring-backup/);
  await cloud.settled();
  return volume;
}

async function show(id: string, kind = 'volume', version = '3.70'): Promise<Thing> {
  const { body, status } = await cloud.call('admin', 'GET', `/${kind}s/${id}`, undefined, version);
  expect(status, JSON.stringify(body)).toBe(200);
  return (body as Record<string, Thing>)[kind] as Thing;
}

const action = (id: string, name: string, body: unknown, token = 'member', version = '3.70') =>
  cloud.call(token, 'POST', `/volumes/${id}/action`, { [name]: body }, version);

describe('a volume', () => {
  it('is made of the default type, and shown as Cinder shows it', async () => {
    const { id } = await make({ name: ' disk ', description: 'd', metadata: { a: 'b' } });
    const volume = await show(id);
    expect(volume).toMatchObject({
      name: 'disk',
      description: 'd',
      status: 'available',
      size: 1,
      metadata: { a: 'b' },
      bootable: 'false',
      encrypted: false,
      attachments: [],
      volume_type: '__DEFAULT__',
      availability_zone: 'nova',
      'os-vol-host-attr:host': 'here@pileus#pileus',
      'os-vol-tenant-attr:tenant_id': projects.one,
      consumes_quota: true,
    });
    expect(volume.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/);
    expect(cloud.engine.kept.get(id)?.sizeBytes).toBe(2 ** 30);
  });

  it('is made of a volume, a snapshot, an image', async () => {
    const { id } = await make({ size: 2 });
    const copy = await make({ size: undefined, source_volid: id });
    expect(cloud.engine.kept.get(copy.id)).toMatchObject({
      sizeBytes: 2 * 2 ** 30,
      from: { volume: id },
    });
    const shot = await cloud.call(
      'member',
      'POST',
      '/snapshots',
      { snapshot: { volume_id: id, name: 's' } },
      '3.70',
    );
    expect(shot.status).toBe(202);
    await cloud.settled();
    const snapshotId = (shot.body as { snapshot: Thing }).snapshot.id;
    expect((await show(snapshotId, 'snapshot')).status).toBe('available');
    const clone = await make({ size: 3, snapshot_id: snapshotId });
    expect(cloud.engine.kept.get(clone.id)?.from).toEqual({ volume: id, snapshot: snapshotId });
    expect((await show(clone.id)).snapshot_id).toBe(snapshotId);
    const sealed = await make();
    cloud.imageVolumes.set('11111111-2222-3333-4444-555555555555', sealed.id);
    cloud.images.set('11111111-2222-3333-4444-555555555555', {
      id: '11111111-2222-3333-4444-555555555555',
      name: 'cirros',
      virtualBytes: 100,
      minDiskGib: 0,
      minRamMib: 64,
      sizeBytes: 50,
      checksum: 'c',
      containerFormat: 'bare',
      diskFormat: 'qcow2',
      properties: { os_distro: 'x' },
    });
    const booted = await make({ imageRef: '11111111-2222-3333-4444-555555555555' });
    expect(await show(booted.id)).toMatchObject({
      bootable: 'true',
      volume_image_metadata: { image_name: 'cirros', os_distro: 'x', min_ram: '64' },
    });
  });

  it('is refused in Cinder’s words', async () => {
    const bad: [object, number, RegExp][] = [
      [{ size: 0 }, 400, /size/],
      [{ size: 'x' }, 400, /size/],
      [{ size: undefined }, 400, /Invalid volume size/],
      [{ volume_type: 'nothing' }, 404, /Volume type nothing could not be found/],
      [
        { source_volid: '00000000-0000-0000-0000-000000000000' },
        404,
        /Volume 0+-.* could not be found/,
      ],
      [{ multiattach: true }, 400, /multiattach parameter has been removed/],
      [{ availability_zone: 'mars' }, 400, /Availability zone 'mars' is invalid/],
      [{ user_id: 'x' }, 400, /'user_id' was unexpected/],
      [{ name: 'x'.repeat(256) }, 400, /name/],
    ];
    for (const [wanted, status, words] of bad) {
      const answer = await cloud.call(
        'member',
        'POST',
        '/volumes',
        { volume: { size: 1, ...wanted } },
        '3.70',
      );
      expect(answer.status, JSON.stringify(wanted)).toBe(status);
      const [name, fault] = Object.entries(answer.body)[0] ?? [];
      expect(name).toBe(status === 404 ? 'itemNotFound' : 'badRequest');
      expect(fault).toMatchObject({ code: status, message: expect.stringMatching(words) });
    }
  });

  it('that the engine could not make is in error, says why to its project, and can be deleted', async () => {
    cloud.engine.failing = {
      call: 'create',
      failure: new Failure('invalid', 'bad-volume', 'No such luck'),
    };
    const { id } = await make();
    cloud.engine.failing = undefined;
    expect((await show(id)).status).toBe('error');
    const { body } = await cloud.call(
      'member',
      'GET',
      `/messages?resource_uuid=${id}`,
      undefined,
      '3.70',
    );
    expect(body).toMatchObject({
      messages: [{ user_message: 'No such luck', resource_type: 'VOLUME' }],
    });
    expect((await cloud.call('member', 'DELETE', `/volumes/${id}`)).status).toBe(202);
    await cloud.settled();
    expect((await cloud.call('member', 'GET', `/volumes/${id}`)).status).toBe(404);
  });

  it('grows, and never shrinks', async () => {
    const { id } = await make();
    expect((await action(id, 'os-extend', { new_size: 1 })).status).toBe(400);
    expect((await action(id, 'os-extend', { new_size: 5 })).status).toBe(202);
    await cloud.settled();
    expect(await show(id)).toMatchObject({ size: 5, status: 'available' });
    expect(cloud.engine.kept.get(id)?.sizeBytes).toBe(5 * 2 ** 30);
    cloud.engine.failing = { call: 'extend', failure: new Failure('invalid', 'shrink', 'no') };
    expect((await action(id, 'os-extend', { new_size: 9 })).status).toBe(202);
    await cloud.settled();
    cloud.engine.failing = undefined;
    // It is as usable as before, and counts what it is.
    expect(await show(id)).toMatchObject({ size: 5, status: 'available' });
  });

  it('goes with its snapshots when told so', async () => {
    const { id } = await make();
    await cloud.call('member', 'POST', '/snapshots', { snapshot: { volume_id: id } }, '3.70');
    await cloud.settled();
    const refused = await cloud.call('member', 'DELETE', `/volumes/${id}`);
    expect(refused.status).toBe(400);
    expect(JSON.stringify(refused.body)).toContain('1 dependent snapshots');
    expect((await cloud.call('member', 'DELETE', `/volumes/${id}?cascade=True`)).status).toBe(202);
    await cloud.settled();
    expect(cloud.engine.kept.has(id)).toBe(false);
  });

  it('reverts to its latest snapshot only', async () => {
    const { id } = await make();
    const ids: string[] = [];
    for (const name of ['first', 'second']) {
      const made = await cloud.call(
        'member',
        'POST',
        '/snapshots',
        { snapshot: { volume_id: id, name } },
        '3.70',
      );
      ids.push((made.body as { snapshot: Thing }).snapshot.id);
      await cloud.settled();
    }
    expect((await action(id, 'revert', { snapshot_id: ids[0] })).status).toBe(400);
    expect((await action(id, 'revert', { snapshot_id: ids[1] })).status).toBe(202);
    await cloud.settled();
    expect((await show(id)).status).toBe('available');
    expect((await action(id, 'revert', { snapshot_id: ids[1] }, 'member', '3.39')).status).toBe(
      400,
    );
  });
});

describe('attachments', () => {
  it('reserve, connect, complete, end; the volume’s status follows', async () => {
    const { id } = await make();
    const server = 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee';
    const made = await cloud.call(
      'member',
      'POST',
      '/attachments',
      { attachment: { volume_uuid: id, instance_uuid: server } },
      '3.54',
    );
    expect(made.status).toBe(200);
    const { attachment } = made.body as { attachment: Thing };
    expect(attachment).toMatchObject({ status: 'reserved', instance: server, connection_info: {} });
    expect((await show(id)).status).toBe('reserved');
    const again = await cloud.call(
      'member',
      'POST',
      '/attachments',
      { attachment: { volume_uuid: id, instance_uuid: server } },
      '3.54',
    );
    expect(again.status).toBe(400);
    const path = `/attachments/${attachment.id}`;
    const connected = await cloud.call(
      'member',
      'PUT',
      path,
      { attachment: { connector: { host: 'h1', mountpoint: '/dev/vdb' } } },
      '3.54',
    );
    expect(connected.body).toMatchObject({
      attachment: {
        status: 'attaching',
        connection_info: {
          driver_volume_type: 'nbd',
          data: { port: 10_809, export: `${id}/${attachment.id}` },
        },
      },
    });
    expect(
      (await cloud.call('member', 'POST', `${path}/action`, { 'os-complete': null }, '3.44'))
        .status,
    ).toBe(204);
    expect(await show(id)).toMatchObject({
      status: 'in-use',
      attachments: [
        { server_id: server, device: '/dev/vdb', host_name: 'h1', attachment_id: attachment.id },
      ],
    });
    expect((await cloud.call('member', 'DELETE', `/volumes/${id}`)).status).toBe(400);
    expect((await cloud.call('other', 'DELETE', path, undefined, '3.27')).status).toBe(404);
    expect((await cloud.call('member', 'DELETE', path, undefined, '3.27')).body).toEqual({
      attachments: [],
    });
    expect((await show(id)).status).toBe('available');
    expect(cloud.engine.kept.get(id)?.attachments.size).toBe(0);
  });

  it('one of many at once gets the volume', async () => {
    const { id } = await make();
    const tries = Array.from({ length: 20 }, () =>
      cloud.call('member', 'POST', '/attachments', { attachment: { volume_uuid: id } }, '3.54'),
    );
    const statuses = (await Promise.all(tries)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
  });

  it('the old way works too', async () => {
    const { id } = await make();
    expect((await action(id, 'os-reserve', null)).status).toBe(202);
    const info = await action(id, 'os-initialize_connection', { connector: { host: 'h' } });
    expect(info.body).toMatchObject({ connection_info: { driver_volume_type: 'nbd' } });
    const attach = {
      instance_uuid: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
      mountpoint: '/dev/vdc',
    };
    expect((await action(id, 'os-attach', attach)).status).toBe(202);
    expect((await show(id)).status).toBe('in-use');
    expect((await action(id, 'os-begin_detaching', null)).status).toBe(202);
    expect((await show(id)).status).toBe('detaching');
    expect((await action(id, 'os-roll_detaching', null)).status).toBe(202);
    expect((await action(id, 'os-detach', {})).status).toBe(202);
    expect((await show(id)).status).toBe('available');
  });
});

describe('who may', () => {
  it('see nothing of another project, and change nothing as a reader', async () => {
    const { id } = await make();
    for (const [method, path, body] of [
      ['GET', `/volumes/${id}`, undefined],
      ['PUT', `/volumes/${id}`, { volume: { name: 'mine' } }],
      ['DELETE', `/volumes/${id}`, undefined],
      ['POST', `/volumes/${id}/action`, { 'os-extend': { new_size: 9 } }],
      ['GET', `/volumes/${id}/metadata`, undefined],
    ] as const) {
      const foreign = await cloud.call('other', method, path, body, '3.70');
      const nowhere = await cloud.call(
        'other',
        method,
        path.replace(id, 'x'.repeat(36)),
        body,
        '3.70',
      );
      expect(foreign.status, `${method} ${path}`).toBe(404);
      expect(nowhere.status).toBe(404);
    }
    expect((await cloud.call('reader', 'GET', `/volumes/${id}`)).status).toBe(200);
    expect((await cloud.call('reader', 'DELETE', `/volumes/${id}`)).status).toBe(403);
    expect((await cloud.call('reader', 'POST', '/volumes', { volume: { size: 1 } })).status).toBe(
      403,
    );
    expect((await action(id, 'os-force_delete', {})).status).toBe(403);
    expect((await cloud.call('nobody', 'GET', '/volumes')).status).toBe(401);
    expect((await cloud.call('member', 'GET', `/${projects.two}/volumes`)).status).toBe(400);
    expect((await cloud.call('member', 'GET', `/${projects.one}/volumes`)).status).toBe(200);
    const { body } = await cloud.call('other', 'GET', '/volumes/detail?all_tenants=1');
    expect(body).toEqual({ volumes: [] });
  });

  it('microversions are negotiated', async () => {
    expect((await cloud.call('member', 'GET', '/messages', undefined, '3.2')).status).toBe(404);
    expect((await cloud.call('member', 'GET', '/volumes', undefined, '3.999')).status).toBe(406);
    expect((await cloud.call('member', 'GET', '/volumes', undefined, 'x')).status).toBe(400);
    const { headers } = await cloud.call('member', 'GET', '/volumes', undefined, '3.44');
    expect(headers.get('openstack-api-version')).toBe('volume 3.44');
    expect(headers.get('vary')).toContain('OpenStack-API-Version');
  });
});

describe('listings', () => {
  it('page, sort, filter and count', async () => {
    for (let at = 0; at < 7; at++)
      await make({ name: `page-${at}`, size: at + 1, metadata: { n: String(at % 2) } }, 'other');
    const names: string[] = [];
    let path = '/volumes/detail?sort=size:desc&limit=3&with_count=True';
    for (let page = 0; page < 4 && path !== ''; page++) {
      const { body } = await cloud.call('other', 'GET', path, undefined, '3.70');
      const listed = body as unknown as {
        volumes: Thing[];
        count: number;
        volumes_links?: { href: string }[];
      };
      expect(listed.count).toBeGreaterThan(0);
      names.push(...listed.volumes.map(({ name }) => String(name)));
      path = listed.volumes_links?.[0]?.href.split('/v3')[1] ?? '';
    }
    expect(names).toEqual(['page-6', 'page-5', 'page-4', 'page-3', 'page-2', 'page-1', 'page-0']);
    const filtered = async (query: string) => {
      const { body } = await cloud.call('other', 'GET', `/volumes?${query}`, undefined, '3.70');
      return (body as unknown as { volumes: Thing[] }).volumes.map(({ name }) => name).sort();
    };
    expect(await filtered('name=page-3')).toEqual(['page-3']);
    expect(await filtered('name~=ge-4')).toEqual(['page-4']);
    expect(await filtered('size=2')).toEqual(['page-1']);
    expect(await filtered("metadata={'n': '1'}")).toEqual(['page-1', 'page-3', 'page-5']);
    expect(await filtered('status=error')).toEqual([]);
    expect((await filtered('bootable=false')).length).toBe(7);
    expect(await filtered('created_at=lt:2020-01-01T00:00:00')).toEqual([]);
    expect((await cloud.call('other', 'GET', '/volumes?marker=nothing')).status).toBe(404);
    expect((await cloud.call('other', 'GET', '/volumes?limit=-1')).status).toBe(400);
    expect((await cloud.call('other', 'GET', '/volumes?sort=secret')).status).toBe(400);
  });
});
