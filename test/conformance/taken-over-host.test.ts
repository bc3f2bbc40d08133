/** A compute host that was taken over asks for what belongs to servers elsewhere, by everything that its certificate opens. */
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCloud } from '../support/cloud.ts';
import { HostImpostor } from '../support/host-impostor.ts';
import { ProjectClient } from '../support/project-client.ts';
import { until } from '../support/until.ts';

let cloud: TestCloud;
let client: ProjectClient;
let impostor: HostImpostor;
let network: string;
let server: string;

const servers = '/compute/v2.1/servers';

beforeAll(async () => {
  cloud = await TestCloud.start('impostor');
  client = new ProjectClient(cloud);
  await cloud.pileus(['host', 'add', 'taken']);
  impostor = new HostImpostor(cloud, 'taken');
  network = await makeNetwork();
  server = await makeServer(await makeImage());
}, 180_000);
afterAll(async () => {
  if (server !== undefined) await client.attempt('DELETE', `${servers}/${server}`);
  await cloud.remove();
});

async function makeImage(): Promise<string> {
  const path = join(cloud.data, '..', 'disk.raw');
  fs.writeFileSync(path, Buffer.alloc(1024 * 1024));
  const env = { OS_CLIENT_CONFIG_FILE: `${cloud.data}/clouds.yaml`, OS_CLOUD: 'pileus' };
  const args = ['--disk-format', 'raw', '--file', path, 'blank', '-f', 'value', '-c', 'id'];
  return execFileSync('/usr/bin/openstack', ['image', 'create', ...args], {
    env,
    encoding: 'utf8',
  }).trim();
}

async function makeNetwork(): Promise<string> {
  const made = await client.call<{ network: { id: string } }>('POST', '/network/v2.0/networks', {
    network: { name: 'one' },
  });
  await client.call('POST', '/network/v2.0/subnets', {
    subnet: { network_id: made.network.id, ip_version: 4, cidr: '10.78.0.0/24' },
  });
  return made.network.id;
}

async function makeServer(imageRef: string): Promise<string> {
  await until(
    () => client.call<{ status: string }>('GET', `/image/v2/images/${imageRef}`),
    ({ status }) => status === 'active',
  );
  const { flavor } = await client.call<{ flavor: { id: string } }>(
    'POST',
    '/compute/v2.1/flavors',
    { flavor: { name: 'grain', ram: 32, vcpus: 1, disk: 1 } },
  );
  const create = async () =>
    await client.attempt<{ server: { id: string } }>('POST', servers, {
      server: { name: 'other', imageRef, flavorRef: flavor.id, networks: [{ uuid: network }] },
    });
  // The image's volume may still be in the making.
  const made = await until(create, (one) => one !== undefined);
  const id = made?.server.id ?? '';
  await until(
    () => shown(id),
    ({ status }) => status === 'ACTIVE',
  );
  return id;
}

interface Shown {
  readonly status: string;
  readonly addresses: Readonly<Record<string, readonly { readonly addr: string }[]>>;
}

const shown = async (id: string) =>
  (await client.call<{ server: Shown }>('GET', `${servers}/${id}`)).server;

/** The secret that the guest has its disk by, as its process shows it to who is root at its host. */
function secretOf(id: string): string {
  const pid = fs.readFileSync(join(cloud.data, 'guests', id, 'pid'), 'utf8');
  const line = fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  return /"export":"([^"]+)"/.exec(line)?.[1] ?? '';
}

it('opens no disk of a server elsewhere, whatever it calls it', async () => {
  const secret = secretOf(server);
  const [volume = ''] = secret.split('.');
  expect(volume).toMatch(/^[0-9a-f-]{36}$/);
  expect(await impostor.opens(secret)).toBe(false);
  expect(await impostor.opens(volume)).toBe(false);
  expect(await impostor.opens('')).toBe(false);
});

it('is told nothing of what a guest elsewhere is told', async () => {
  const { addresses } = await shown(server);
  expect(await impostor.metadata(network, addresses.one?.[0]?.addr ?? '')).toBe(404);
});

it('has the southbound database alone, and there what a controller may change', async () => {
  expect(await impostor.ovsdb('list_dbs', [])).not.toContain('OVN_Northbound');
  const transact = async (operation: object) => {
    const [result] = (await impostor.ovsdb('transact', ['OVN_Southbound', operation])) as {
      readonly error?: string;
      readonly rows?: readonly { readonly name: string }[];
    }[];
    return result;
  };
  const every = { where: [] };
  const chassis = await transact({ op: 'select', table: 'Chassis', columns: ['name'], ...every });
  const [other] = chassis?.rows ?? [];
  expect(other).toBeDefined();
  const refused = { error: 'permission error' };
  expect(
    await transact({
      ...{ op: 'update', table: 'Chassis', row: { other_config: ['map', []] } },
      where: [['name', '==', other?.name]],
    }),
  ).toMatchObject(refused);
  expect(await transact({ op: 'delete', table: 'Logical_Flow', ...every })).toMatchObject(refused);
  expect(await transact({ op: 'delete', table: 'Port_Binding', ...every })).toMatchObject(refused);
  expect(
    await transact({ op: 'insert', table: 'Connection', row: { target: 'ptcp:1' } }),
  ).toMatchObject(refused);
});

it('is nobody any more when it was removed', async () => {
  await cloud.pileus(['host', 'remove', 'taken']);
  await expect(impostor.opens(secretOf(server))).rejects.toThrow();
  await expect(impostor.metadata(network, '10.78.0.2')).rejects.toThrow();
});
