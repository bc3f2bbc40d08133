/** Backups shipped to another cloud over S3, and restored there without the one they came from. */
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run, runOk, TestCloud } from '../support/cloud.ts';
import { VolumeApi } from '../support/volume-api.ts';

const mib = 2 ** 20;
let source: TestCloud;
let other: TestCloud;
const apis = new Map<TestCloud, VolumeApi>();
/** The id of the project whose backups these are. */
let project = '';

beforeAll(async () => {
  other = await TestCloud.start('backups-there');
  source = await TestCloud.start('backups-here');
  ({ project } = await apiOf(source));
  const targets = {
    there: target(other, other.info.s3.secret_key),
    here: target(source, source.info.s3.secret_key),
    locked: target(other, 'not-the-key'),
    others: { ...target(other, other.info.s3.secret_key), projects: ['somebody-else'] },
  };
  const file = `${source.data}/backup-targets.yaml`;
  fs.writeFileSync(file, JSON.stringify(targets), { mode: 0o600 });
  await source.down();
  await source.restart();
});
afterAll(async () => {
  await source.remove();
  await other.remove();
});

const target = ({ info }: TestCloud, secretKey: string) => ({
  endpoint: new URL(info.endpoints.s3).origin,
  accessKey: info.s3.access_key,
  secretKey,
  projects: [project],
  buckets: ['ship', 'of-{project}'],
});

describe('backups on other systems', () => {
  it('a full and an incremental one come back in an empty cloud, byte for byte', async () => {
    const expected = `${source.data}/../expected`;
    fs.writeFileSync(expected, '');
    fs.truncateSync(expected, 1024 * mib);
    const id = await settled(source, 'volume', { size: 1, name: 'precious' });
    await write(id, expected, [0, 3 * mib, 700 * mib]);
    await backUp(id, 'there:ship', false);
    await write(id, expected, [mib, 1023 * mib]);
    const last = await backUp(id, 'there:ship', true);
    const own = await backUp(id, 'here:ship', false);

    const path = `/backups/${last}/export_record`;
    const record = await volumeApi(source, 'GET', path);
    const imported = await volumeApi(other, 'POST', '/backups/import_record', record);
    expect(imported.backup.id).toBe(last);
    await sameBytes(other, last, expected);
    await sameBytes(source, last, expected);
    await sameBytes(source, own, expected);
    await volumeApi(source, 'DELETE', `/backups/${own}`);
    await gone(source, own);
  });

  it('a target that refuses puts the backup in error, and no key is told or written down', async () => {
    const id = await settled(source, 'volume', { size: 1, name: 'plain' });
    const { backup } = await volumeApi(source, 'POST', '/backups', {
      backup: { volume_id: id, container: 'locked:ship' },
    });
    const failed = await ended(source, 'backup', backup.id);
    expect(failed.status).toBe('error');
    expect(JSON.stringify(failed)).not.toContain('not-the-key');
    for (const key of ['not-the-key', other.info.s3.secret_key]) {
      const found = await run('grep', ['-rlaF', '--', key, source.data]);
      expect(found.stdout.trim()).toBe(`${source.data}/backup-targets.yaml`);
    }
  });
});

describe('what may not be a target', () => {
  it("is refused before anything is written: no such name, another project's, another bucket", async () => {
    const id = await settled(source, 'volume', { size: 1, name: 'kept' });
    const places = ['nowhere:ship', 'others:ship', 'there:private', 'there:of-somebody-else'];
    for (const container of [...places, 'there:../ship', 'there:']) {
      const backup = { volume_id: id, container };
      const answer = await (await apiOf(source)).call('POST', '/backups', { backup });
      expect([container, answer.status]).toEqual([container, 400]);
    }
    const own = `there:of-${project}`;
    await settled(source, 'backup', { volume_id: id, container: own });
  });
});

async function backUp(volume: string, container: string, incremental: boolean): Promise<string> {
  return await settled(source, 'backup', { volume_id: volume, container, incremental });
}

async function sameBytes(cloud: TestCloud, backup: string, expected: string): Promise<void> {
  const { restore } = await volumeApi(cloud, 'POST', `/backups/${backup}/restore`, { restore: {} });
  expect((await ended(cloud, 'volume', restore.volume_id)).status).toBe('available');
  await attached(cloud, restore.volume_id, (uri) =>
    runOk('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', expected, uri]),
  );
}

/** The same random bytes into the volume and the file, a MiB at each offset. */
async function write(volume: string, file: string, offsets: readonly number[]): Promise<void> {
  const piece = `${file}.piece`;
  await attached(source, volume, async (uri) => {
    for (const offset of offsets) {
      const bytes = randomBytes(mib);
      fs.writeFileSync(piece, bytes);
      const handle = fs.openSync(file, 'r+');
      fs.writeSync(handle, bytes, 0, mib, offset);
      fs.closeSync(handle);
      await runOk('qemu-io', ['-f', 'raw', '-c', `write -s ${piece} ${offset} ${mib}`, uri]);
    }
  });
}

async function attached(
  cloud: TestCloud,
  volume: string,
  work: (uri: string) => Promise<unknown>,
): Promise<void> {
  const { attachment } = await volumeApi(cloud, 'POST', '/attachments', {
    attachment: {
      volume_uuid: volume,
      instance_uuid: '11111111-2222-3333-4444-555555555555',
      connector: { host: 'here', mountpoint: '/dev/vdb' },
    },
  });
  await work(attachment.connection_info.data.uri);
  await volumeApi(cloud, 'DELETE', `/attachments/${attachment.id}`);
}

async function settled(cloud: TestCloud, kind: 'volume' | 'backup', wanted: object) {
  const { [kind]: made } = await volumeApi(cloud, 'POST', `/${kind}s`, { [kind]: wanted });
  const row = await ended(cloud, kind, made.id);
  expect(row.status, JSON.stringify(row)).toBe('available');
  return row.id as string;
}

/** As it is when nothing more happens to it; what takes longer than a minute is wrong. */
async function ended(cloud: TestCloud, kind: 'volume' | 'backup', id: string) {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; ) {
    const { [kind]: row } = await volumeApi(cloud, 'GET', `/${kind}s/${id}`);
    if (row.status === 'available' || row.status.startsWith('error')) return row;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${kind} ${id} has not settled within a minute`);
}

async function gone(cloud: TestCloud, backup: string): Promise<void> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; ) {
    const { backups } = await volumeApi(cloud, 'GET', '/backups/detail');
    const row = backups.find(({ id }: { readonly id: string }) => id === backup);
    if (row === undefined) return;
    expect(row.status).toBe('deleting');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`backup ${backup} has not gone within a minute`);
}

async function volumeApi(cloud: TestCloud, method: string, path: string, body?: object) {
  return await (await apiOf(cloud)).ok(method, path, body);
}

async function apiOf(cloud: TestCloud): Promise<VolumeApi> {
  const api = apis.get(cloud) ?? (await VolumeApi.open(cloud));
  apis.set(cloud, api);
  return api;
}
