/**
 * A thousand random calls of the volume API, many at once, against the running product: nothing is left in between, every quota is what is
 * there, and when everything has been deleted the store holds no blob more than before. PILEUS_TEST_CLONES makes as many volumes
 * of one image before that, and says how long it took.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runOk, TestCloud } from '../support/cloud.ts';
import { type Answered, VolumeApi } from '../support/volume-api.ts';

const calls = 1000;
const atOnce = 24;
const clones = Number(process.env.PILEUS_TEST_CLONES ?? '40');
const patienceMs = 120_000;
const busy = /ing$/;

let cloud: TestCloud;
let api: VolumeApi;
let seed = 1;
beforeAll(async () => {
  cloud = await TestCloud.start('volume-calls');
  api = await VolumeApi.open(cloud);
  const most = { volumes: -1, snapshots: -1, gigabytes: -1, per_volume_gigabytes: -1 };
  await api.ok('PUT', `/os-quota-sets/${api.project}`, { quota_set: most });
});
afterAll(() => cloud.remove());

/** The same calls each time; how they meet is up to the machine. */
function pick<T>(from: readonly T[]): T | undefined {
  seed = (seed * 48_271) % 2_147_483_647;
  return from[seed % Math.max(from.length, 1)];
}

interface Listed {
  readonly id: string;
  readonly status: string;
}

/** Every page. */
async function listed(kind: 'volumes' | 'snapshots' | 'attachments'): Promise<Listed[]> {
  const path = kind === 'attachments' ? '/attachments' : `/${kind}/detail`;
  const all: Listed[] = [];
  for (let page: Listed[] = []; ; ) {
    const marker = page.at(-1)?.id;
    page = (
      await api.ok('GET', `${path}?limit=1000${marker === undefined ? '' : `&marker=${marker}`}`)
    )[kind];
    all.push(...page);
    if (page.length < 1000) return all;
  }
}

/** Looks until it holds; says what it saw last. */
async function until<T>(look: () => Promise<T>, holds: (seen: T) => boolean): Promise<T> {
  for (const endMs = performance.now() + patienceMs; ; await sleep(200)) {
    const seen = await look();
    if (holds(seen)) return seen;
    if (performance.now() > endMs) throw new Error(`it stays ${JSON.stringify(seen)}`);
  }
}

async function blobs(): Promise<number> {
  const text = await (await fetch(cloud.info.endpoints.metrics)).text();
  const counts = [...text.matchAll(/^pileus_device_blobs\{[^}]*\} (\d+)$/gm)];
  expect(counts.length).toBeGreaterThan(0);
  return counts.reduce((sum, [, count]) => sum + Number(count), 0);
}

it('leave nothing in between and nothing behind', async () => {
  const image = await makeImage();
  const before = await blobs();
  const beganMs = performance.now();
  const wanted = { volume: { size: 1, imageRef: image } };
  await inBursts(clones, () => api.call('POST', '/volumes', wanted));
  await until(
    () => listed('volumes'),
    (all) => all.filter(({ status }) => status === 'available').length >= clones,
  );
  process.stdout.write(`${clones} clones in ${Math.round(performance.now() - beganMs)} ms\n`);
  const statuses = await storm(image);
  expect([...statuses.keys()].filter((status) => status >= 500)).toEqual([]);
  expect(statuses.get(202) ?? 0).toBeGreaterThan(calls / 10);

  await until(
    async () => [...(await listed('volumes')), ...(await listed('snapshots'))],
    (all) => !all.some(({ status }) => busy.test(status) && status !== 'attaching'),
  );
  const [volumes, snapshots] = [await listed('volumes'), await listed('snapshots')];
  const fine = new Set(['available', 'in-use', 'reserved', 'attaching']);
  const messages = (await api.ok('GET', '/messages')).messages.map(
    (one: { readonly user_message: string }) => one.user_message,
  );
  const unfit = [...volumes, ...snapshots].filter(({ status }) => !fine.has(status));
  expect(unfit.map(({ id, status }) => `${id} ${status} ${messages}`)).toEqual([]);
  const { quota_set: used } = await api.ok('GET', `/os-quota-sets/${api.project}?usage=true`);
  expect(used.volumes.in_use).toBe(volumes.length);
  expect(used.snapshots.in_use).toBe(snapshots.length);

  for (const { id } of await listed('attachments')) await api.ok('DELETE', `/attachments/${id}`);
  for (const { id } of volumes) await api.ok('DELETE', `/volumes/${id}?cascade=true`);
  await until(
    () => listed('volumes'),
    (all) => all.length === 0,
  );
  await until(blobs, (count) => count <= before);
}, 600_000);

async function makeImage(): Promise<string> {
  const path = `${cloud.data}/image.raw`;
  await runOk('qemu-img', ['create', '-q', '-f', 'raw', path, '4M']);
  await runOk('qemu-io', ['-f', 'raw', '-c', 'write -P 7 0 4M', path]);
  const environment = {
    PATH: '/usr/bin:/bin',
    OS_CLIENT_CONFIG_FILE: `${cloud.data}/clouds.yaml`,
    OS_CLOUD: 'pileus',
  };
  const how = ['--disk-format', 'raw', '--file', path, '-f', 'value', '-c', 'id'];
  const id = await runOk('/usr/bin/openstack', ['image', 'create', 'small', ...how], {
    env: environment,
  });
  // Its disk is made with the first volume of it.
  const { volume } = await api.ok('POST', '/volumes', {
    volume: { size: 1, imageRef: id.trim() },
  });
  await until(
    () => listed('volumes'),
    ([one]) => one?.status === 'available',
  );
  await api.ok('DELETE', `/volumes/${volume.id}`);
  await until(
    () => listed('volumes'),
    (all) => all.length === 0,
  );
  return id.trim();
}

async function inBursts(count: number, call: () => Promise<Answered>): Promise<Answered[]> {
  const answers: Answered[] = [];
  for (let done = 0; done < count; done += atOnce) {
    const burst = Array.from({ length: Math.min(atOnce, count - done) }, call);
    answers.push(...(await Promise.all(burst)));
  }
  return answers;
}

async function storm(image: string): Promise<Map<number, number>> {
  const ids: Record<'volume' | 'snapshot' | 'attachment', string[]> = {
    volume: (await listed('volumes')).map(({ id }) => id).slice(0, 20),
    snapshot: [],
    attachment: [],
  };
  const make = async (kind: keyof typeof ids, path: string, wanted: object) => {
    const answer = await api.call('POST', path, { [kind]: wanted });
    if (answer.status < 300) ids[kind].push(answer.body[kind].id);
    return answer;
  };
  const kinds = [
    () => make('volume', '/volumes', { size: 1 }),
    () => make('volume', '/volumes', { size: 1, imageRef: image }),
    () => make('volume', '/volumes', { size: 1, source_volid: pick(ids.volume) }),
    () => make('volume', '/volumes', { size: 1, snapshot_id: pick(ids.snapshot) }),
    () => make('snapshot', '/snapshots', { volume_id: pick(ids.volume) }),
    () => make('snapshot', '/snapshots', { volume_id: pick(ids.volume) }),
    () =>
      make('attachment', '/attachments', {
        volume_uuid: pick(ids.volume),
        connector: { host: 'h' },
      }),
    () => api.call('POST', `/attachments/${pick(ids.attachment)}/action`, { 'os-complete': null }),
    () => api.call('DELETE', `/attachments/${pick(ids.attachment)}`),
    () => api.call('DELETE', `/attachments/${pick(ids.attachment)}`),
    () => api.call('DELETE', `/snapshots/${pick(ids.snapshot)}`),
    () => api.call('DELETE', `/volumes/${pick(ids.volume)}`),
    () => api.call('DELETE', `/volumes/${pick(ids.volume)}?cascade=true`),
    () => api.call('POST', `/volumes/${pick(ids.volume)}/action`, { 'os-extend': { new_size: 2 } }),
  ];
  const statuses = new Map<number, number>();
  const answers = await inBursts(calls, () =>
    (pick(kinds) ?? (() => api.call('GET', '/volumes')))(),
  );
  for (const { status } of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1);
  return statuses;
}
