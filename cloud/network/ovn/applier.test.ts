/** What a real database refuses, and that everything else is done. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { silentLogger, systemClock, systemNet } from '#common';
import { run } from '../host/commands.ts';
import { Daemon } from '../host/daemon.ts';
import { OvsdbClient } from '../ovsdb/client.ts';
import { Applier } from './applier.ts';
import { Desired, followed } from './desired.ts';

const folder = fs.mkdtempSync(join(tmpdir(), 'pna-'));
const socket = join(folder, 'nb.sock');
const server = new Daemon(
  {
    ...{ name: 'nb', program: 'ovsdb-server', folder },
    args: [`--remote=punix:${socket}`, `--unixctl=${folder}/nb.ctl`, join(folder, 'nb.db')],
  },
  systemClock,
);
let client: OvsdbClient;
let sent = 0;
let applier: Applier;

beforeAll(async () => {
  const schema = '/usr/share/ovn/ovn-nb.ovsschema';
  await run('ovsdb-tool', ['create', join(folder, 'nb.db'), schema]);
  await server.ensure();
  client = new OvsdbClient({
    ...{ net: systemNet, clock: systemClock, log: silentLogger, path: socket },
    ...{ database: 'OVN_Northbound', tables: followed, changed: () => undefined },
  });
  while (!client.synced) await systemClock.sleep(10);
});

beforeEach(async () => {
  sent = 0;
  const database = {
    rows: (table: string) => client.rows(table),
    get schema() {
      return client.schema;
    },
    transact: (operations: readonly object[]) => {
      sent++;
      return client.transact(operations);
    },
  };
  applier = new Applier(database, systemClock);
  await applier.apply(new Desired());
});

afterAll(async () => {
  client.close();
  await server.stop();
  fs.rmSync(folder, { recursive: true });
});

const names = (table: string) =>
  [...client.rows(table).values()].map((row) => String(row.name)).sort();
const blamed = () => applier.refusals.map(({ subject }) => subject.id).sort();

function port(desired: Desired, id: string, more: { tag?: number; name?: string } = {}): string {
  const { tag, name = id } = more;
  const columns = { name, tag: { set: tag === undefined ? [] : [tag] } };
  return desired.add('Logical_Switch_Port', id, columns, { kind: 'port', id });
}

function network(desired: Desired, id: string, ports: readonly string[]): void {
  const columns = { name: id, ports: { refs: ports } };
  desired.add('Logical_Switch', id, columns, { kind: 'network', id });
}

function group(desired: Desired, id: string, name: string, acls: readonly string[] = []): void {
  const columns = { name, acls: { refs: acls } };
  desired.add('Port_Group', id, columns, { kind: 'security_group', id });
}

test('what the schema forbids is not sent, and goes when it is another', async () => {
  const desired = (tag: number) => {
    const all = new Desired();
    network(all, 'net', [port(all, 'a', { tag }), port(all, 'b', { tag: 7 })]);
    return all;
  };
  await applier.apply(desired(5_000));
  expect([names('Logical_Switch_Port'), blamed(), sent]).toEqual([['b'], ['a'], 1]);
  expect(applier.refusals[0]?.reason).toBe('Logical_Switch_Port.tag: 5000 is above 4095');
  await applier.apply(desired(5_000));
  expect(sent).toBe(1);
  await applier.apply(desired(8));
  expect([names('Logical_Switch_Port'), blamed()]).toEqual([['a', 'b'], []]);
  // A row that is there already stays as it was.
  await applier.apply(desired(5_000));
  expect([names('Logical_Switch_Port'), blamed()]).toEqual([['a', 'b'], ['a']]);
});

test('what the database alone can know is found by halves; whatever hangs on it waits', async () => {
  const all = new Desired();
  const ports = Array.from({ length: 200 }, (_, at) => port(all, `p${at}`));
  ports.push(port(all, 'twin', { name: 'p7' }));
  network(all, 'net', ports);
  const rule = all.add(
    'ACL',
    'rule',
    { direction: 'to-lport', priority: 1, match: 'ip4', action: 'drop' },
    { kind: 'security_group_rule', id: 'rule' },
  );
  group(all, 'one', 'same name');
  group(all, 'other', 'same name', [rule]);
  await applier.apply(all);
  expect(names('Logical_Switch_Port')).toHaveLength(200);
  expect(names('Port_Group')).toEqual(['same name']);
  expect(blamed()).toEqual(['other', 'twin']);
  expect(sent).toBeLessThan(50);
  const found = sent;
  await applier.apply(all);
  expect(sent).toBe(found);
});

test('what somebody deletes goes even while another row is refused', async () => {
  const desired = (ports: readonly string[]) => {
    const all = new Desired();
    network(all, 'net', [
      ...ports.map((id) => port(all, id)),
      port(all, 'bad', { tag: ports.length === 2 ? 1 : 9_999 }),
    ]);
    return all;
  };
  await applier.apply(desired(['a', 'b']));
  await applier.apply(desired(['a']));
  expect([names('Logical_Switch_Port'), blamed()]).toEqual([['a', 'bad'], ['bad']]);
});

test("nothing is done when a row of the cloud's own is refused", async () => {
  const all = new Desired();
  network(all, 'net', [port(all, 'a')]);
  all.add('ACL', 'guard', { direction: 'sideways', priority: 1, match: 'ip', action: 'drop' });
  all.add('Port_Group', 'drop', { name: 'drop', acls: { refs: ['guard'] } });
  await expect(applier.apply(all)).rejects.toMatchObject({ code: 'ovn-own-row-refused' });
  expect(names('Logical_Switch')).toEqual([]);
});
