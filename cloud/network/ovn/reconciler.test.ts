/** What counts as mended: what others did to OVN, and nothing that was meant. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createQuotas, quotaMigrations } from '#cloud/quotas';
import { defaultsOf, silentLogger, systemClock, systemNet, systemRandom } from '#common';
import { TestDatabase } from '../../state/testing/engines.ts';
import { NetworkCore } from '../core.ts';
import { run } from '../host/commands.ts';
import { Daemon } from '../host/daemon.ts';
import { networkMigrations } from '../migrations.ts';
import { OvsdbClient } from '../ovsdb/client.ts';
import { networkSettings } from '../settings.ts';
import { followed } from './desired.ts';
import { Reconciler } from './reconciler.ts';

const folder = fs.mkdtempSync(join(tmpdir(), 'pnr-'));
const socket = join(folder, 'nb.sock');
const server = new Daemon(
  {
    ...{ name: 'nb', program: 'ovsdb-server', folder },
    args: [`--remote=punix:${socket}`, `--unixctl=${folder}/nb.ctl`, join(folder, 'nb.db')],
  },
  systemClock,
);
const database = new TestDatabase('sqlite');
let core: NetworkCore;
let reconciler: Reconciler;
let northbound: OvsdbClient;
let southbound: OvsdbClient;

beforeAll(async () => {
  const schema = '/usr/share/ovn/ovn-nb.ovsschema';
  await run('ovsdb-tool', ['create', join(folder, 'nb.db'), schema]);
  await server.ensure();
  const state = await database.open([networkMigrations, quotaMigrations]);
  const common = { clock: systemClock, log: silentLogger };
  core = new NetworkCore({
    ...{ state, quotas: createQuotas(state), random: systemRandom, ...common },
    settings: { ...defaultsOf(networkSettings), reconcileMs: 100 },
    emit: async () => undefined,
  });
  const follow = (tables: Readonly<Record<string, readonly string[]>>) =>
    new OvsdbClient({
      ...{ net: systemNet, path: socket, database: 'OVN_Northbound', tables, ...common },
      changed: () => reconciler?.wake(),
    });
  northbound = follow(followed);
  southbound = follow({});
  reconciler = new Reconciler({ core, northbound, southbound, rendered: () => {}, ...common });
  reconciler.wake();
});

afterAll(async () => {
  await reconciler.close();
  northbound.close();
  southbound.close();
  await server.stop();
  await database.remove();
  fs.rmSync(folder, { recursive: true });
});

const inSync = () => expect.poll(() => reconciler.drift.inSync).toBe(true);
const sets = () =>
  [...northbound.rows('Address_Set').values()].map(({ name }) => String(name)).sort();

/** Written, and nobody is told: whoever looks just then sees it before it is announced. */
const addGroup = (id: string, addresses: readonly string[]) =>
  core.change((tx) =>
    core.insert(tx, 'address_group', { id, project_id: 'p', name: id, description: '', addresses }),
  );

test('a change that is seen before it is announced is no drift; what others do is', async () => {
  await inSync();
  const group = await addGroup('one', ['10.0.0.0/8']);
  await expect.poll(sets).toEqual(['as_ip4_one', 'as_ip6_one']);
  await inSync();
  expect(reconciler.drift.mended).toBe(0);
  await northbound.transact([
    { op: 'delete', table: 'Address_Set', where: [['name', '==', 'as_ip4_one']] },
  ]);
  await expect.poll(() => reconciler.drift.mended).toBe(1);
  expect(sets()).toEqual(['as_ip4_one', 'as_ip6_one']);
  await core.change((tx) => core.remove(tx, group));
  await expect.poll(sets).toEqual([]);
  expect(reconciler.drift.mended).toBe(1);
});
