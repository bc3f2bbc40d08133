/** Volumes made of objects, and of what a volume was at an instant, with the commands a user types; the bytes are read by QEMU's tools. */
import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { run, runOk, TestCloud } from '../support/cloud.ts';
import { VolumeApi } from '../support/volume-api.ts';

const mib = 2 ** 20;
// More than one blob, the last of which ends inside a sector.
const disk = randomBytes(150 * mib + 100);

let cloud: TestCloud;
let api: VolumeApi;
beforeAll(async () => {
  cloud = await TestCloud.start('volume-sources');
  api = await VolumeApi.open(cloud);
});
afterAll(() => cloud.remove());

const environment = () => ({
  OS_CLIENT_CONFIG_FILE: `${cloud.data}/clouds.yaml`,
  OS_CLOUD: 'pileus',
  // With newer ones the client refuses to make snapshots without --force.
  OS_VOLUME_API_VERSION: '3.65',
});

const openstack = async (...args: string[]) =>
  (await runOk('/usr/bin/openstack', args, { env: environment() })).trim();

const uriOf = (volume: string) => `nbd+unix:///${volume}?socket=${cloud.data}/run/nbd.sock`;

async function available(kind: 'volumes' | 'snapshots', id: string): Promise<void> {
  const show = async () => (await api.ok('GET', `/${kind}/${id}`))[kind.slice(0, -1)].status;
  await expect.poll(show, { timeout: 60_000 }).toBe('available');
}

async function created(...args: string[]): Promise<string> {
  const id = await openstack('volume', 'create', ...args, 'one', '-f', 'value', '-c', 'id');
  await available('volumes', id);
  return id;
}

/** The bytes that a guest would read from the beginning of its disk. */
async function read(volume: string, bytes: number): Promise<Buffer> {
  const file = join(cloud.data, '../read');
  await runOk('qemu-img', ['convert', '-f', 'raw', '-O', 'raw', uriOf(volume), file]);
  const handle = fs.openSync(file, 'r');
  const content = Buffer.alloc(bytes);
  fs.readSync(handle, content, 0, bytes, 0);
  fs.closeSync(handle);
  return content;
}

async function put(path: string, body: Buffer | string, headers = {}): Promise<void> {
  const { url, token } = await cloud.session();
  const answer = await fetch(`${url}/${path}`, {
    method: 'PUT',
    headers: { 'x-auth-token': token, ...headers },
    body: typeof body === 'string' ? body : new Uint8Array(body),
  });
  expect(answer.status, await answer.text()).toBe(201);
}

/** What lies on the devices, whoever refers to it. */
async function storedBytes(): Promise<number> {
  const status = JSON.parse(await cloud.pileus(['status', '--json']));
  return status.devices.reduce(
    (sum: number, device: { usedBytes: number }) => sum + device.usedBytes,
    0,
  );
}

/** The names under which blobs are kept for volumes. */
async function holds(): Promise<string> {
  const { url, token } = await cloud.session();
  const service = await openstack('project', 'show', 'service', '-f', 'value', '-c', 'id');
  const place = `${new URL(url).origin}/v1/AUTH_${service}/volumes`;
  return (await (await fetch(place, { headers: { 'x-auth-token': token } })).text()).trim();
}

const io = (volume: string, ...commands: string[]) =>
  runOk('qemu-io', ['-f', 'raw', ...commands.flatMap((one) => ['-c', one]), uriOf(volume)]);

it('a volume of an object shares its bytes, and keeps them when the object goes', async () => {
  await put('disks', '');
  await put('disks/disk.raw', disk);
  const before = await storedBytes();
  const volume = await created(
    '--size',
    '1',
    '--hint',
    'pileus:from-object=swift://disks/disk.raw',
  );
  expect(await storedBytes()).toBeLessThan(before + 4 * mib);
  expect((await read(volume, disk.length)).equals(disk)).toBe(true);
  await io(volume, `write -P 7 ${100 * mib} 1M`);
  const clone = await created('--size', '1', '--source', volume);
  await openstack('object', 'delete', 'disks', 'disk.raw');
  await openstack('volume', 'delete', volume);
  const expected = Buffer.from(disk);
  expected.fill(7, 100 * mib, 101 * mib);
  expect((await read(clone, disk.length)).equals(expected)).toBe(true);
  expect(await holds()).toMatch(/^[0-9a-f-]+$/);
  // With the last of them goes what was kept for it.
  await openstack('volume', 'delete', clone);
  await expect.poll(holds, { timeout: 60_000 }).toBe('');
});

it('so does one of a large object in segments, and of an upload in parts', async () => {
  const pieces = [disk.subarray(0, 70 * mib), disk.subarray(70 * mib, 80 * mib)];
  await put('pieces', '');
  for (const [at, piece] of pieces.entries()) await put(`pieces/${at}`, piece);
  const manifest = pieces.map((piece, at) => ({
    path: `/pieces/${at}`,
    size_bytes: piece.length,
    etag: createHash('md5').update(piece).digest('hex'),
  }));
  await put('disks/large?multipart-manifest=put', JSON.stringify(manifest));
  const file = join(cloud.data, '../upload');
  fs.writeFileSync(file, disk.subarray(0, 20 * mib));
  const endpoint = ['--endpoint-url', cloud.info.endpoints.s3];
  const env = { ...cloud.s3Env(), PATH: '/usr/bin:/bin' };
  await runOk('aws', [...endpoint, 's3', 'mb', 's3://parts'], { env });
  await runOk('aws', [...endpoint, 's3', 'cp', file, 's3://parts/disk'], { env });
  const before = await storedBytes();
  const large = await created('--size', '1', '--hint', 'pileus:from-object=swift://disks/large');
  const parts = await created('--size', '1', '--hint', 'pileus:from-object=s3://parts/disk');
  expect(await storedBytes()).toBeLessThan(before + 4 * mib);
  expect((await read(large, 80 * mib)).equals(disk.subarray(0, 80 * mib))).toBe(true);
  expect((await read(parts, 20 * mib)).equals(disk.subarray(0, 20 * mib))).toBe(true);
});

it('what is no disk, not there, or somebody else’s is refused', async () => {
  await put('disks/qcow', Buffer.concat([Buffer.from('QFI\xfb', 'latin1'), disk.subarray(0, mib)]));
  const hint = (uri: string) => ({
    volume: { size: 1 },
    'OS-SCH-HNT:scheduler_hints': { 'pileus:from-object': uri },
  });
  const refused = async (uri: string) => {
    const { status, body } = await api.call('POST', '/volumes', hint(uri));
    return [status, Object.values(body)[0]];
  };
  expect(await refused('swift://disks/qcow')).toMatchObject([
    400,
    { message: expect.stringContaining('is a qcow2 file') },
  ]);
  for (const uri of ['swift://disks/none', 'swift://none/none', 's3://none/none'])
    expect(await refused(uri)).toMatchObject([
      400,
      { message: expect.stringContaining('no such object that you may read') },
    ]);
  for (const uri of ['http://example.org/x', 'file:///etc/passwd', 'swift://disks'])
    expect(await refused(uri)).toMatchObject([400, {}]);
});

it('a volume whose type keeps its past is read and branched as of any instant of it', async () => {
  await openstack('volume', 'type', 'create', 'kept', '--property', 'pileus:retention=1h');
  const volume = await created('--size', '1', '--type', 'kept');
  const clock = async () => (await runOk('date', ['-u', '+%Y-%m-%dT%H:%M:%S.%3NZ'])).trim();
  await io(volume, 'write -P 1 0 1M', 'flush');
  // Instants are kept a second apart.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const then = await clock();
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await io(volume, 'write -P 2 0 1M', 'flush');

  const branch = await created('--size', '1', '--source', volume, '--hint', `pileus:as-of=${then}`);
  const args = ['--volume', volume, '--property', `pileus:as-of=${then}`, 'then'];
  const snapshot = ['volume', 'snapshot', 'create', ...args, '-f', 'value', '-c', 'id'];
  const point = await openstack(...snapshot);
  await available('snapshots', point);
  const copy = await created('--size', '1', '--snapshot', point);
  for (const one of [branch, copy]) await io(one, 'read -P 1 0 1M');
  await io(volume, 'read -P 2 0 1M');
  await api.ok('POST', `/volumes/${volume}/action`, { revert: { snapshot_id: point } });
  await available('volumes', volume);
  await io(volume, 'read -P 1 0 1M');

  const args2020 = snapshot.map((arg) => arg.replace(then, '2020-01-01T00:00:00Z'));
  const early = await run('/usr/bin/openstack', args2020, { env: environment() });
  expect(early.stderr).toMatch(/can be read as of 20\d\d-.* to now, not as of 2020-01-01/);
});
