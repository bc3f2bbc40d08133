/**
 * Servers are made and deleted on two hosts while the controller, the compute host, hypervisors and ovn-controller are killed one after the
 * other: whatever became of each, it says so, and when all are deleted nothing of them is left. `STORM_SERVERS=50` is the long form.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCloud } from '../support/cloud.ts';
import { ComputeProcess } from '../support/compute-process.ts';
import { ProjectClient } from '../support/project-client.ts';
import { until } from '../support/until.ts';

const wanted = Number(process.env.STORM_SERVERS ?? 8);
const ends = new Set(['ACTIVE', 'SHUTOFF', 'ERROR']);

interface Server {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly 'OS-EXT-STS:task_state': string | null;
  readonly fault?: { readonly message: string };
}

let cloud: TestCloud;
let host: ComputeProcess | undefined;
let client: ProjectClient;

beforeAll(async () => {
  const quota =
    'compute:\n  instancesPerProject: -1\n  coresPerProject: -1\n  ramMibPerProject: -1\n';
  cloud = await TestCloud.start('storm', `image:\n  guest: false\n${quota}`);
  host = await ComputeProcess.start(cloud, 'other');
  client = new ProjectClient(cloud);
}, 240_000);

afterAll(async () => {
  for (const pid of hypervisors()) process.kill(pid, 'SIGKILL');
  await host?.stop();
  await cloud.remove();
});

/** The processes of guests of this cloud, on both hosts. */
function hypervisors(): number[] {
  return ['guests', 'hosts/other/data/guests'].flatMap((name) => {
    const folder = join(cloud.data, name);
    if (!fs.existsSync(folder)) return [];
    return fs.readdirSync(folder).flatMap((id) => {
      const path = join(folder, id, 'pid');
      const pid = fs.existsSync(path) ? Number(fs.readFileSync(path, 'utf8')) : 0;
      const line = `/proc/${pid}/cmdline`;
      return pid > 1 && fs.existsSync(line) && fs.readFileSync(line, 'latin1').includes(id)
        ? [pid]
        : [];
    });
  });
}

/** Devices of this cloud's hosts that guests hang on. */
function taps(): string[] {
  const folders = ['run/net/h', 'hosts/other/data/run/net'].map((name) => join(cloud.data, name));
  return folders.flatMap((folder) => {
    const pid = join(folder, 'vswitchd.pid');
    if (!fs.existsSync(pid)) return [];
    const { stdout } = spawnSync(
      'nsenter',
      ['-t', fs.readFileSync(pid, 'utf8').trim(), '-n', 'ip', '-br', 'link'],
      { encoding: 'utf8' },
    );
    return [...stdout.matchAll(/^tap\S+/gm)].map(([name]) => name);
  });
}

async function image(): Promise<string> {
  const path = join(cloud.data, '..', 'disk.raw');
  fs.writeFileSync(path, Buffer.alloc(1024 * 1024));
  const env = { OS_CLIENT_CONFIG_FILE: `${cloud.data}/clouds.yaml`, OS_CLOUD: 'pileus' };
  const args = ['--disk-format', 'raw', '--file', path, 'blank', '-f', 'value', '-c', 'id'];
  return execFileSync('/usr/bin/openstack', ['image', 'create', ...args], {
    env,
    encoding: 'utf8',
  }).trim();
}

const servers = async (): Promise<readonly Server[]> =>
  (await client.call<{ servers: Server[] }>('GET', '/compute/v2.1/servers/detail?all_tenants=1'))
    .servers;

const kill = async (file: string): Promise<void> => {
  if (fs.existsSync(file))
    spawnSync('kill', ['-9', fs.readFileSync(file, 'utf8').trim().split(' ')[0] ?? '']);
};

/** What is killed, one after the other, while servers come and go. */
const blows: readonly (() => Promise<void>)[] = [
  async () => {
    await host?.killNine();
    await host?.again();
  },
  async () => {
    const [first] = hypervisors();
    if (first !== undefined) process.kill(first, 'SIGKILL');
  },
  async () => {
    cloud.killNine();
    await cloud.restart();
  },
  async () => {
    await kill(join(cloud.data, 'run/net/h/ovn-controller.pid'));
    await kill(join(cloud.data, 'run/net/h/controller.pid'));
    await kill(join(cloud.data, 'hosts/other/data/run/net/controller.pid'));
  },
];

it('leaves nothing behind, whatever is killed', async () => {
  const imageRef = await image();
  const made = await client.call<{ network: { id: string } }>('POST', '/network/v2.0/networks', {
    network: { name: 'storm' },
  });
  const network = made.network.id;
  await client.call('POST', '/network/v2.0/subnets', {
    subnet: { network_id: network, ip_version: 4, cidr: '10.77.0.0/22' },
  });
  const flavor = await client.call<{ flavor: { id: string } }>('POST', '/compute/v2.1/flavors', {
    flavor: { name: 'grain', ram: 32, vcpus: 1, disk: 1 },
  });
  const create = (number: number) =>
    client.attempt<{ server: { id: string } }>('POST', '/compute/v2.1/servers', {
      server: {
        name: `storm-${number}`,
        ...{ imageRef, flavorRef: flavor.flavor.id, networks: [{ uuid: network }] },
      },
    });
  await until(
    () => client.call<{ status: string }>('GET', `/image/v2/images/${imageRef}`),
    ({ status }) => status === 'active',
  );

  let over = false;
  const storm = (async () => {
    for (let number = 0; number < wanted; number++) {
      const server = await create(number);
      // Every other one goes again, in the middle of whatever happens to it.
      if (server !== undefined && number % 2 === 1)
        await client.attempt('DELETE', `/compute/v2.1/servers/${server.server.id}`);
      if (server === undefined) await sleep(500);
    }
    over = true;
  })();
  for (let at = 0; !over || at < blows.length; at++) {
    await blows[at % blows.length]?.();
    await sleep(1_000);
  }
  await storm;

  const settled = await until(servers, (all) =>
    all.every((one) => ends.has(one.status) && one['OS-EXT-STS:task_state'] === null),
  );
  const tally = settled.map((one) => `${one.status} ${one.fault?.message ?? ''}`.trim()).sort();
  console.log(`after the storm: ${JSON.stringify(tally)}`);
  expect(settled.length).toBeGreaterThan(0);
  for (const one of settled)
    if (one.status === 'ERROR') expect(one.fault?.message ?? '', one.name).not.toBe('');

  for (const { id } of settled) await client.call('DELETE', `/compute/v2.1/servers/${id}`);
  await until(servers, (all) => all.length === 0);
  await until(
    async () => ({ hypervisors: hypervisors(), taps: taps() }),
    (left) => left.hypervisors.length === 0 && left.taps.length === 0,
  );
  const { ports } = await client.call<{ ports: { device_owner: string }[] }>(
    'GET',
    '/network/v2.0/ports',
  );
  expect(ports.filter(({ device_owner }) => device_owner.startsWith('compute:'))).toEqual([]);
  const { limits } = await client.call<{ limits: { absolute: Record<string, number> } }>(
    'GET',
    '/compute/v2.1/limits',
  );
  expect(limits.absolute).toMatchObject({ totalInstancesUsed: 0, totalCoresUsed: 0 });
  // The image's own stays.
  const volumes: unknown = JSON.parse(await cloud.pileus(['volume', 'list', '--json']));
  expect((volumes as { name: string }[]).filter(({ name }) => !/image/.test(name))).toEqual([]);
  const under = ['operation', 'list', '--state', 'in:waiting,running,undoing', '--json'];
  expect(JSON.parse(await cloud.pileus(under))).toEqual([]);
  const { resource_providers: providers } = await client.call<{
    resource_providers: { uuid: string }[];
  }>('GET', '/placement/resource_providers');
  for (const { uuid } of providers) {
    const path = `/placement/resource_providers/${uuid}/usages`;
    const { usages } = await client.call<{ usages: Record<string, number> }>('GET', path);
    expect(Object.values(usages).filter((used) => used !== 0)).toEqual([]);
  }
  for (const folder of ['guests', 'hosts/other/data/guests'])
    expect(fs.readdirSync(join(cloud.data, folder)).filter((name) => name.includes('-'))).toEqual(
      [],
    );
}, 580_000);
