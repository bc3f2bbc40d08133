/** What is around volumes: types, QoS, quotas, transfers, backups, groups, services. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projects, startVolumeCloud, type VolumeCloud } from './testing/cloud.ts';

let cloud: VolumeCloud;
beforeAll(async () => {
  cloud = await startVolumeCloud({ volumesPerProject: 12, groupsPerProject: 4 });
});
afterAll(() => cloud.close());

/** Fails unless the answer has this status; returns its body. */
async function ok(
  status: number,
  token: string,
  method: string,
  path: string,
  body?: unknown,
  version = '3.70',
) {
  const answer = await cloud.call(token, method, path, body, version);
  expect(answer.status, `${method} ${path}: ${JSON.stringify(answer.body)}`).toBe(status);
  return answer.body;
}

async function makeVolume(wanted: object = {}, token = 'member') {
  const { volume } = await ok(202, token, 'POST', '/volumes', { volume: { size: 1, ...wanted } });
  await cloud.settled();
  return volume;
}

const showVolume = async (id: string) => (await ok(200, 'admin', 'GET', `/volumes/${id}`)).volume;

describe('types', () => {
  it('are made, granted, specified and refused deletion while in use', async () => {
    const made = await ok(200, 'admin', 'POST', '/types', {
      volume_type: {
        name: 'fast',
        'os-volume-type-access:is_public': false,
        extra_specs: { secret: 'x', multiattach: '<is> True' },
      },
    });
    const { id } = made.volume_type;
    await ok(409, 'admin', 'POST', '/types', { volume_type: { name: 'fast' } });
    await ok(403, 'member', 'POST', '/types', { volume_type: { name: 'mine' } });
    await ok(404, 'member', 'GET', `/types/${id}`);
    await ok(202, 'admin', 'POST', `/types/${id}/action`, {
      addProjectAccess: { project: projects.one },
    });
    await ok(409, 'admin', 'POST', `/types/${id}/action`, {
      addProjectAccess: { project: projects.one },
    });
    // A tenant sees what concerns a tenant.
    const seen = await ok(200, 'member', 'GET', `/types/${id}`);
    expect(seen.volume_type).toMatchObject({
      name: 'fast',
      extra_specs: { multiattach: '<is> True' },
    });
    expect(seen.volume_type).not.toHaveProperty('qos_specs_id');
    const access = await ok(200, 'admin', 'GET', `/types/${id}/os-volume-type-access`);
    expect(access.volume_type_access).toEqual([{ volume_type_id: id, project_id: projects.one }]);
    await ok(200, 'admin', 'PUT', `/types/${id}/extra_specs/secret`, { secret: 'y' });
    expect(await ok(200, 'admin', 'GET', `/types/${id}/extra_specs/secret`)).toEqual({
      secret: 'y',
    });
    await ok(202, 'admin', 'DELETE', `/types/${id}/extra_specs/secret`);
    await ok(404, 'admin', 'GET', `/types/${id}/extra_specs/secret`);
    const volume = await makeVolume({ volume_type: 'fast' });
    expect(await showVolume(volume.id)).toMatchObject({
      multiattach: true,
      volume_type: 'fast',
      volume_type_id: id,
    });
    await ok(400, 'admin', 'POST', `/types/${id}/extra_specs`, { extra_specs: { a: 'b' } });
    await ok(400, 'admin', 'DELETE', `/types/${id}`);
    await ok(202, 'member', 'DELETE', `/volumes/${volume.id}`);
    await cloud.settled();
    await ok(202, 'admin', 'DELETE', `/types/${id}`);
  });

  it('have a default for all, and one for a project', async () => {
    const byDefault = await ok(200, 'member', 'GET', '/types/default');
    expect(byDefault.volume_type.name).toBe('__DEFAULT__');
    const { volume_type: type } = await ok(200, 'admin', 'POST', '/types', {
      volume_type: { name: 'ours' },
    });
    await ok(200, 'admin', 'PUT', `/default-types/${projects.one}`, {
      default_type: { volume_type: 'ours' },
    });
    expect((await ok(200, 'member', 'GET', '/types/default')).volume_type.name).toBe('ours');
    expect((await ok(200, 'other', 'GET', '/types/default')).volume_type.name).toBe('__DEFAULT__');
    await ok(204, 'admin', 'DELETE', `/default-types/${projects.one}`);
    await ok(202, 'admin', 'DELETE', `/types/${type.id}`);
    await ok(400, 'admin', 'PUT', '/default-types/nowhere', {
      default_type: { volume_type: '__DEFAULT__' },
    });
  });

  it('give their volumes QoS, also by retype', async () => {
    const { qos_specs: qos } = await ok(200, 'admin', 'POST', '/qos-specs', {
      qos_specs: { name: 'slow', consumer: 'front-end', total_iops_sec: '100' },
    });
    const { volume_type: type } = await ok(200, 'admin', 'POST', '/types', {
      volume_type: { name: 'limited' },
    });
    await ok(202, 'admin', 'GET', `/qos-specs/${qos.id}/associate?vol_type_id=${type.id}`);
    const { qos_associations: associations } = await ok(
      200,
      'admin',
      'GET',
      `/qos-specs/${qos.id}/associations`,
    );
    expect(associations).toEqual([
      { association_type: 'volume_type', name: 'limited', id: type.id },
    ]);
    await ok(400, 'admin', 'DELETE', `/qos-specs/${qos.id}`);
    const volume = await makeVolume();
    expect(cloud.engine.kept.get(volume.id)?.qos).toEqual({});
    await ok(202, 'member', 'POST', `/volumes/${volume.id}/action`, {
      'os-retype': { new_type: 'limited' },
    });
    await cloud.settled();
    expect(cloud.engine.kept.get(volume.id)?.qos).toEqual({ iops: 100 });
    expect((await showVolume(volume.id)).volume_type).toBe('limited');
    await ok(202, 'admin', 'PUT', `/qos-specs/${qos.id}/delete_keys`, { keys: ['total_iops_sec'] });
    await ok(202, 'admin', 'DELETE', `/qos-specs/${qos.id}?force=True`);
  });
});

describe('encryption', () => {
  it('gives each volume of the type a key, and their copies keys of their own', async () => {
    const { volume_type: type } = await ok(200, 'admin', 'POST', '/types', {
      volume_type: { name: 'secret' },
    });
    const wanted = { provider: 'luks', cipher: 'aes-xts-plain64', key_size: 256 };
    const { encryption } = await ok(200, 'admin', 'POST', `/types/${type.id}/encryption`, {
      encryption: wanted,
    });
    expect(encryption).toMatchObject({
      ...wanted,
      volume_type_id: type.id,
      control_location: 'front-end',
    });
    const volume = await makeVolume({ volume_type: 'secret' });
    const shown = await showVolume(volume.id);
    expect(shown).toMatchObject({ encrypted: true });
    const copy = await makeVolume({ source_volid: volume.id });
    const keys = [shown, await showVolume(copy.id)].map((one) => one.encryption_key_id);
    expect([...cloud.keys].sort()).toEqual([...new Set(keys)].sort());
    expect(cloud.keys.size).toBe(2);
    await ok(400, 'admin', 'DELETE', `/types/${type.id}/encryption/${encryption.encryption_id}`);
    for (const { id } of [copy, volume]) await ok(202, 'member', 'DELETE', `/volumes/${id}`);
    await cloud.settled();
    expect(cloud.keys.size).toBe(0);
    await ok(202, 'admin', 'DELETE', `/types/${type.id}/encryption/${encryption.encryption_id}`);
    expect(await ok(200, 'admin', 'GET', `/types/${type.id}/encryption`)).toEqual({});
  });
});

describe('quotas', () => {
  it('are exact, whoever asks at once', async () => {
    await ok(200, 'admin', 'PUT', `/os-quota-sets/${projects.two}`, {
      quota_set: { volumes: 5, gigabytes: 100 },
    });
    const tries = Array.from({ length: 20 }, () =>
      cloud.call('other', 'POST', '/volumes', { volume: { size: 1 } }),
    );
    const statuses = (await Promise.all(tries)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 202)).toHaveLength(5);
    expect(statuses.filter((status) => status === 413)).toHaveLength(15);
    await cloud.settled();
    const { quota_set: used } = await ok(
      200,
      'other',
      'GET',
      `/os-quota-sets/${projects.two}?usage=True`,
    );
    expect(used.volumes).toEqual({ limit: 5, in_use: 5, reserved: 0, allocated: 0 });
    const { limits } = await ok(200, 'other', 'GET', '/limits');
    expect(limits.absolute).toMatchObject({
      maxTotalVolumes: 5,
      totalVolumesUsed: 5,
      totalGigabytesUsed: 5,
    });
    await ok(400, 'admin', 'PUT', `/os-quota-sets/${projects.two}`, { quota_set: { volumes: 4 } });
    await ok(403, 'other', 'PUT', `/os-quota-sets/${projects.two}`, { quota_set: { volumes: 50 } });
    await ok(403, 'other', 'GET', `/os-quota-sets/${projects.one}`);
    const { volumes } = await ok(200, 'other', 'GET', '/volumes');
    for (const { id } of volumes) await ok(202, 'other', 'DELETE', `/volumes/${id}`);
    await cloud.settled();
    const after = await ok(200, 'other', 'GET', `/os-quota-sets/${projects.two}?usage=True`);
    expect(after.quota_set.gigabytes.in_use).toBe(0);
    await ok(200, 'admin', 'DELETE', `/os-quota-sets/${projects.two}`);
  });
});

describe('transfers', () => {
  it('move a volume, its snapshots and what they count to who has the key', async () => {
    const volume = await makeVolume({ size: 2 });
    await ok(202, 'member', 'POST', '/snapshots', { snapshot: { volume_id: volume.id } });
    await cloud.settled();
    const { transfer } = await ok(202, 'member', 'POST', '/volume-transfers', {
      transfer: { volume_id: volume.id, name: 't' },
    });
    expect((await showVolume(volume.id)).status).toBe('awaiting-transfer');
    const path = `/volume-transfers/${transfer.id}`;
    await ok(404, 'other', 'GET', path);
    await ok(400, 'other', 'POST', `${path}/accept`, { accept: { auth_key: 'wrong' } });
    await ok(202, 'other', 'POST', `${path}/accept`, { accept: { auth_key: transfer.auth_key } });
    await ok(404, 'member', 'GET', path);
    await ok(404, 'member', 'GET', `/volumes/${volume.id}`);
    expect((await ok(200, 'other', 'GET', `/volumes/${volume.id}`)).volume.status).toBe(
      'available',
    );
    const { quota_set: used } = await ok(
      200,
      'other',
      'GET',
      `/os-quota-sets/${projects.two}?usage=True`,
    );
    expect(used.gigabytes.in_use).toBe(4);
    expect(cloud.engine.kept.get(volume.id)?.project).toBe(projects.two);
    await ok(202, 'other', 'DELETE', `/volumes/${volume.id}?cascade=true`);
    await cloud.settled();
  });
});

describe('what a volume’s giver keeps', () => {
  it('is nothing: not a copy that is still to be made, not the key', async () => {
    const type = (await ok(200, 'admin', 'POST', '/types', { volume_type: { name: 'sealed' } }))
      .volume_type;
    await ok(200, 'admin', 'POST', `/types/${type.id}/encryption`, {
      encryption: { provider: 'luks', cipher: 'aes-xts-plain64', key_size: 256 },
    });
    const sealed = await makeVolume({ volume_type: 'sealed' });
    const offer = { transfer: { volume_id: sealed.id } };
    await ok(400, 'member', 'POST', '/volume-transfers', offer, '3.69');
    await ok(400, 'member', 'POST', '/os-volume-transfer', offer);
    const plain = await makeVolume();
    await ok(202, 'member', 'POST', '/volumes', {
      volume: { size: 1, source_volid: plain.id },
    });
    await ok(400, 'member', 'POST', '/volume-transfers', { transfer: { volume_id: plain.id } });
    await cloud.settled();
    const { transfer } = await ok(202, 'member', 'POST', '/volume-transfers', offer);
    await ok(202, 'other', 'POST', `/volume-transfers/${transfer.id}/accept`, {
      accept: { auth_key: transfer.auth_key },
    });
    await ok(202, 'other', 'DELETE', `/volumes/${sealed.id}`);
    await cloud.settled();
  });
});

describe('attachments', () => {
  it('tell how to connect to who may, not to who may look', async () => {
    const volume = await makeVolume();
    const { attachment } = await ok(200, 'member', 'POST', '/attachments', {
      attachment: { volume_uuid: volume.id, connector: { host: 'h' } },
    });
    expect(attachment.connection_info.data.export).toBeTypeOf('string');
    const seen = (await ok(200, 'reader', 'GET', `/attachments/${attachment.id}`)).attachment;
    expect(seen).toMatchObject({ id: attachment.id, connection_info: {} });
    const all = (await ok(200, 'reader', 'GET', '/attachments/detail')).attachments;
    expect(JSON.stringify(all)).not.toContain(attachment.connection_info.data.export);
    await ok(404, 'other', 'GET', `/attachments/${attachment.id}`);
    await ok(404, 'other', 'DELETE', `/attachments/${attachment.id}`);
    await ok(200, 'member', 'DELETE', `/attachments/${attachment.id}`);
    await ok(202, 'member', 'DELETE', `/volumes/${volume.id}`);
    await cloud.settled();
  });
});

describe('backups', () => {
  it('go nowhere but where their project may, and when imported take nothing with them', async () => {
    const volume = await makeVolume();
    await ok(400, 'member', 'POST', '/backups', {
      backup: { volume_id: volume.id, container: 'nowhere:bucket' },
    });
    const { snapshot } = await ok(202, 'member', 'POST', '/snapshots', {
      snapshot: { volume_id: volume.id },
    });
    await cloud.settled();
    const { backup } = await ok(202, 'member', 'POST', '/backups', {
      backup: { volume_id: volume.id, snapshot_id: snapshot.id },
    });
    await cloud.settled();
    const record = await ok(200, 'admin', 'GET', `/backups/${backup.id}/export_record`);
    const known = JSON.parse(
      Buffer.from(record['backup-record'].backup_url, 'base64').toString('utf8'),
    );
    const forged = (change: object) => ({
      'backup-record': {
        backup_service: 'pileus',
        backup_url: Buffer.from(JSON.stringify({ ...known, ...change })).toString('base64'),
      },
    });
    const id = '9f0b7a64-2a52-4a0e-9b3e-7f2f0d9f4c15';
    await ok(403, 'member', 'POST', '/backups/import_record', forged({ id }));
    await ok(400, 'admin', 'POST', '/backups/import_record', forged({ id, encryption_key_id: id }));
    for (const prefix of ['../other', 'a//b', '/etc', 'a/./b', 'a/..'])
      await ok(
        400,
        'admin',
        'POST',
        '/backups/import_record',
        forged({ id, record: { ...known.record, prefix } }),
      );
    await ok(201, 'admin', 'POST', '/backups/import_record', forged({ id }));
    await ok(202, 'admin', 'DELETE', `/backups/${id}`);
    await cloud.settled();
    // The snapshot is its owner's, and is what the record names.
    expect(cloud.engine.kept.get(volume.id)?.snapshots.has(snapshot.id)).toBe(true);
    // What it was imported from is the same objects, and they are still needed.
    const { restore } = await ok(202, 'member', 'POST', `/backups/${backup.id}/restore`, {
      restore: null,
    });
    await cloud.settled();
    expect((await showVolume(restore.volume_id)).status).toBe('available');
    await ok(202, 'member', 'DELETE', `/volumes/${restore.volume_id}`);
    const record2 = { ...known.record, prefix: 'elsewhere', chain: [known.record.prefix] };
    cloud.objects.set(`${projects.one}/volumebackups/elsewhere/manifest`, Buffer.from('{}'));
    await ok(201, 'admin', 'POST', '/backups/import_record', forged({ id, record: record2 }));
    await ok(400, 'member', 'DELETE', `/backups/${backup.id}`);
    await ok(202, 'member', 'DELETE', `/backups/${id}`);
    await cloud.settled();
    await ok(202, 'member', 'DELETE', `/backups/${backup.id}`);
    await cloud.settled();
    await ok(202, 'member', 'DELETE', `/volumes/${volume.id}?cascade=true`);
    await cloud.settled();
  });

  it('full, incremental, restored, exported, imported', async () => {
    const volume = await makeVolume({ name: 'precious', metadata: { colour: 'red' } });
    const make = async (wanted: object) => {
      const { backup } = await ok(202, 'member', 'POST', '/backups', {
        backup: { volume_id: volume.id, ...wanted },
      });
      await cloud.settled();
      return (await ok(200, 'member', 'GET', `/backups/${backup.id}`)).backup;
    };
    await ok(400, 'member', 'POST', '/backups', {
      backup: { volume_id: volume.id, incremental: true },
    });
    const full = await make({ name: 'full' });
    expect(full).toMatchObject({
      status: 'available',
      is_incremental: false,
      container: 'volumebackups',
      size: 1,
    });
    const next = await make({ incremental: true });
    expect(next).toMatchObject({ is_incremental: true });
    await ok(400, 'member', 'DELETE', `/backups/${full.id}`);
    const { restore } = await ok(202, 'member', 'POST', `/backups/${next.id}/restore`, {
      restore: { name: 'again' },
    });
    await cloud.settled();
    expect(await showVolume(restore.volume_id)).toMatchObject({
      name: 'again',
      metadata: { colour: 'red' },
      status: 'available',
    });
    await ok(202, 'admin', 'POST', `/volumes/${restore.volume_id}/action`, {
      'os-reset_status': { status: 'error' },
    });
    expect((await showVolume(restore.volume_id)).status).toBe('error');
    await ok(202, 'admin', 'POST', `/volumes/${restore.volume_id}/action`, {
      'os-reset_status': { status: 'available' },
    });
    expect((await showVolume(restore.volume_id)).status).toBe('available');
    // What is said counts, until something happens or the facts are asked for again.
    await ok(202, 'admin', 'POST', `/volumes/${restore.volume_id}/action`, {
      'os-reset_status': { status: 'Maintenance' },
    });
    expect((await showVolume(restore.volume_id)).status).toBe('maintenance');
    await ok(400, 'member', 'DELETE', `/volumes/${restore.volume_id}`);
    for (const said of [{ status: 'odd' }, {}, { attach_status: null }])
      await ok(400, 'admin', 'POST', `/volumes/${restore.volume_id}/action`, {
        'os-reset_status': said,
      });
    await ok(202, 'admin', 'POST', `/volumes/${restore.volume_id}/action`, {
      'os-force_delete': {},
    });
    await cloud.settled();
    const unnamed = await ok(202, 'member', 'POST', `/backups/${full.id}/restore`, { restore: {} });
    expect(unnamed.restore.volume_name).toBe('precious');
    await cloud.settled();
    await ok(202, 'member', 'DELETE', `/volumes/${unnamed.restore.volume_id}`);
    await cloud.settled();
    await ok(202, 'member', 'POST', `/backups/${next.id}/restore`, {
      restore: { volume_id: volume.id },
    });
    await cloud.settled();
    expect((await showVolume(volume.id)).status).toBe('available');
    const record = await ok(200, 'admin', 'GET', `/backups/${full.id}/export_record`);
    await ok(400, 'admin', 'POST', '/backups/import_record', record);
    await ok(202, 'member', 'DELETE', `/volumes/${volume.id}`);
    await ok(202, 'member', 'DELETE', `/backups/${next.id}`);
    await cloud.settled();
    await ok(202, 'member', 'DELETE', `/backups/${full.id}`);
    await cloud.settled();
    await ok(400, 'admin', 'POST', '/backups/import_record', {
      'backup-record': { backup_service: 'pileus', backup_url: 'bm9uc2Vuc2U=' },
    });
  });
});

describe('what the engine has already', () => {
  const host = 'here@pileus#pileus';
  const engineVolume = (id: string, more: object = {}) =>
    cloud.engine.create({
      id,
      name: `of-${id}`,
      project: projects.one,
      sizeBytes: 2 ** 29,
      ...more,
    });

  it('is listed, taken over under its id, and given up again', async () => {
    const [id, disk] = [
      '9f0b7a64-2a52-4a0e-9b3e-7f2f0d9f4c21',
      '9f0b7a64-2a52-4a0e-9b3e-7f2f0d9f4c22',
    ];
    await engineVolume(id);
    await engineVolume(disk, { sealed: true });
    await cloud.engine.snapshot(id, { id: '9f0b7a64-2a52-4a0e-9b3e-7f2f0d9f4c23' });
    await ok(403, 'member', 'GET', `/manageable_volumes?host=${encodeURIComponent(host)}`);
    await ok(400, 'admin', 'GET', '/manageable_volumes');
    await ok(503, 'admin', 'GET', '/manageable_volumes?host=elsewhere');
    const listed = await ok(
      200,
      'admin',
      'GET',
      `/manageable_volumes/detail?host=${encodeURIComponent(host)}&sort=reference:asc`,
    );
    expect(listed['manageable-volumes']).toContainEqual({
      reference: { 'source-id': id },
      size: 1,
      safe_to_manage: true,
      reason_not_safe: null,
      cinder_id: null,
      extra_info: { name: `of-${id}` },
    });
    const take = (ref: unknown, more = {}) => ({ volume: { host, ref, ...more } });
    for (const ref of [{ 'source-id': disk }, { 'source-name': 'nobody' }, {}, 'text', null])
      await ok(400, 'admin', 'POST', '/manageable_volumes', take(ref));
    await ok(403, 'member', 'POST', '/manageable_volumes', take({ 'source-id': id }));
    const { volume } = await ok(
      202,
      'admin',
      'POST',
      '/manageable_volumes',
      take({ 'source-name': `of-${id}` }, { name: 'mine', bootable: true }),
    );
    expect(volume).toMatchObject({ id, name: 'mine', size: 1, bootable: 'true' });
    await ok(400, 'admin', 'POST', '/os-volume-manage', take({ 'source-id': id }));

    const shots = await ok(
      200,
      'admin',
      'GET',
      `/manageable_snapshots?host=${encodeURIComponent(host)}`,
    );
    const [shot] = shots['manageable-snapshots'].filter(
      (one: { safe_to_manage: boolean }) => one.safe_to_manage,
    );
    expect(shot).toMatchObject({ source_reference: { 'source-id': id }, size: 1 });
    const { snapshot } = await ok(202, 'admin', 'POST', '/manageable_snapshots', {
      snapshot: { volume_id: id, ref: shot.reference, name: 's' },
    });
    expect(snapshot).toMatchObject({ status: 'available', name: 's' });
    await ok(400, 'admin', 'POST', `/volumes/${id}/action`, { 'os-unmanage': null });
    await ok(202, 'admin', 'POST', `/snapshots/${snapshot.id}/action`, { 'os-unmanage': null });
    await ok(404, 'admin', 'GET', `/snapshots/${snapshot.id}`);
    await ok(202, 'admin', 'POST', `/volumes/${id}/action`, { 'os-unmanage': {} });
    await ok(404, 'admin', 'GET', `/volumes/${id}`);
    expect(cloud.engine.kept.get(id)?.snapshots.size).toBe(1);
  });

  it('is never another project’s, nor given up by a tenant', async () => {
    const id = '9f0b7a64-2a52-4a0e-9b3e-7f2f0d9f4c24';
    await engineVolume(id, { project: projects.two });
    const ref = { 'source-id': id };
    await ok(400, 'admin', 'POST', '/manageable_volumes', { volume: { host, ref } });
    const volume = await makeVolume();
    await ok(403, 'member', 'POST', `/volumes/${volume.id}/action`, { 'os-unmanage': null });
    await ok(202, 'member', 'DELETE', `/volumes/${volume.id}`);
    await cloud.settled();
  });
});

describe('images', () => {
  it('are made of a volume’s snapshot', async () => {
    const volume = await makeVolume();
    const answer = await ok(202, 'member', 'POST', `/volumes/${volume.id}/action`, {
      'os-volume_upload_image': { image_name: 'golden' },
    });
    expect(answer['os-volume_upload_image']).toMatchObject({
      status: 'uploading',
      image_id: 'image-of-golden',
      disk_format: 'raw',
    });
    await cloud.settled();
    expect(cloud.filled.get('image-of-golden')?.volume).toBe(volume.id);
    expect(cloud.engine.kept.get(volume.id)?.snapshots.size).toBe(0);
    expect((await showVolume(volume.id)).status).toBe('available');
  });
});

describe('groups', () => {
  it('hold volumes, are snapshot and copied as a whole', async () => {
    const { group_type: groupType } = await ok(202, 'admin', 'POST', '/group_types', {
      group_type: { name: 'pair' },
    });
    const { group } = await ok(202, 'member', 'POST', '/groups', {
      group: { name: 'g', group_type: groupType.id, volume_types: ['__DEFAULT__'] },
    });
    const volume = await makeVolume({ group_id: group.id });
    const joined = await makeVolume();
    await ok(202, 'member', 'PUT', `/groups/${group.id}`, { group: { add_volumes: joined.id } });
    const shown = await ok(200, 'member', 'GET', `/groups/${group.id}?list_volume=True`);
    expect(shown.group).toMatchObject({ status: 'available', volumes: [volume.id, joined.id] });
    await ok(400, 'member', 'DELETE', `/volumes/${volume.id}`);
    const { group_snapshot: shot } = await ok(202, 'member', 'POST', '/group_snapshots', {
      group_snapshot: { group_id: group.id, name: 's' },
    });
    await cloud.settled();
    expect(
      (await ok(200, 'member', 'GET', `/group_snapshots/${shot.id}`)).group_snapshot.status,
    ).toBe('available');
    const { group: copy } = await ok(202, 'member', 'POST', '/groups/action', {
      'create-from-src': { name: 'copy', group_snapshot_id: shot.id },
    });
    await cloud.settled();
    expect(
      (await ok(200, 'member', 'GET', `/groups/${copy.id}?list_volume=True`)).group.volumes,
    ).toHaveLength(2);
    await ok(400, 'member', 'POST', `/groups/${group.id}/action`, {
      delete: { 'delete-volumes': true },
    });
    await ok(202, 'member', 'DELETE', `/group_snapshots/${shot.id}`);
    await cloud.settled();
    for (const id of [group.id, copy.id])
      await ok(202, 'member', 'POST', `/groups/${id}/action`, {
        delete: { 'delete-volumes': true },
      });
    await cloud.settled();
    await ok(404, 'member', 'GET', `/volumes/${volume.id}`);
    expect((await ok(200, 'member', 'GET', '/groups')).groups).toEqual([]);
    await ok(202, 'admin', 'DELETE', `/group_types/${groupType.id}`);
  });
});

describe('services', () => {
  it('are listed, disabled and enabled', async () => {
    const { services } = await ok(200, 'admin', 'GET', '/os-services');
    expect(services.map(({ binary }: { binary: string }) => binary)).toEqual([
      'cinder-scheduler',
      'cinder-volume',
      'cinder-backup',
    ]);
    await ok(200, 'admin', 'PUT', '/os-services/disable-log-reason', {
      host: 'here@pileus',
      binary: 'cinder-volume',
      disabled_reason: 'tea',
    });
    await ok(400, 'member', 'POST', '/volumes', { volume: { size: 1 } });
    await ok(200, 'admin', 'PUT', '/os-services/enable', {
      host: 'here@pileus',
      binary: 'cinder-volume',
    });
    await ok(404, 'admin', 'PUT', '/os-services/enable', {
      host: 'there',
      binary: 'cinder-volume',
    });
    await ok(501, 'admin', 'PUT', '/os-services/failover_host', { host: 'here@pileus' });
    const frozen = await makeVolume();
    await ok(202, 'admin', 'PUT', '/os-services/freeze', { host: 'here@pileus' });
    await ok(400, 'member', 'POST', '/volumes', { volume: { size: 1 } });
    await ok(400, 'member', 'POST', '/snapshots', { snapshot: { volume_id: frozen.id } });
    await ok(400, 'member', 'DELETE', `/volumes/${frozen.id}`);
    await ok(202, 'admin', 'PUT', '/os-services/thaw', { host: 'here@pileus' });
    await ok(202, 'member', 'DELETE', `/volumes/${frozen.id}`);
    await cloud.settled();
    const { pools } = await ok(200, 'admin', 'GET', '/scheduler-stats/get_pools?detail=True');
    expect(pools).toMatchObject([
      { name: 'here@pileus#pileus', capabilities: { total_capacity_gb: 1024 } },
    ]);
    await ok(403, 'member', 'GET', '/os-services');
  });
});
