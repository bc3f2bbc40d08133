import { describe, expect, it } from 'vitest';
import { KeyHasher } from './key-hash.ts';
import type { StoredRow } from './tables.ts';
import { salt, thrownBy, World } from './testing/world.ts';

const none = Buffer.alloc(0);
const ref = (sort: string) => ({ table: 'objects', partition: 'c', sort });
const value = (text: string) => ({ meta: none, bytes: text.length, body: Buffer.from(text) });
const bodyOf = (row: StoredRow | undefined) => row?.body?.toString();

describe('rows over three devices', () => {
  it('gives back what was written, and what a write replaced', async () => {
    const { tables } = new World().cluster();
    expect(await tables.get(ref('a'))).toBeUndefined();
    expect((await tables.put(ref('a'), value('one'))).previous).toBeUndefined();
    const second = await tables.put(ref('a'), value('two'));
    expect(second.previous).toMatchObject({ sort: 'a', bytes: 3 });
    expect(bodyOf(await tables.get(ref('a'), { body: true }))).toBe('two');
    expect((await tables.get(ref('a')))?.body).toBeUndefined();
    expect((await tables.delete(ref('a'))).previous?.version).toEqual(second.version);
    expect(await tables.get(ref('a'))).toBeUndefined();
    expect((await tables.delete(ref('a'))).previous).toBeUndefined();
  });

  it('costs one accept per device for a write and two reads of three for a read', async () => {
    const world = new World();
    const { tables } = world.cluster();
    await tables.put(ref('a'), value('x'));
    await tables.get(ref('a'), { body: true });
    const count = (method: string) =>
      world.devices.reduce((sum, { calls }) => sum + (calls.get(method) ?? 0), 0);
    expect(count('acceptRow')).toBe(3);
    expect(count('readRow')).toBe(2);
    // Two agree on the version; only one of them sends the body.
    expect(world.devices.reduce((sum, { service }) => sum + service.bodiesRead, 0)).toBe(1);
    expect(count('prepareRow')).toBe(0);
  });

  it('gets the body from another when the one that was asked for it is away or hangs', async () => {
    for (const fault of ['down', 'hanging'] as const)
      for (let bad = 0; bad < 3; bad++) {
        const world = new World();
        const { tables } = world.cluster();
        await tables.put(ref('a'), value('whole'));
        world.device(bad).faults[fault] = true;
        const row = await world.run(tables.get(ref('a'), { body: true }));
        expect(bodyOf(row)).toBe('whole');
      }
  });

  it('refuses what is too large before it is sent', async () => {
    const { tables } = new World().cluster();
    const large = { meta: none, bytes: 0, body: Buffer.alloc(64 * 1024 + 1) };
    const error = await thrownBy(tables.put(ref('a'), large));
    expect(error).toMatchObject({ kind: 'invalid', code: 'row-too-large' });
  });

  it('a clock that is ahead hides no later write', async () => {
    const world = new World();
    const ahead = world.cluster(3_600_000_000);
    const behind = world.cluster();
    await world.run(ahead.tables.put(ref('a'), value('from the future')));
    await world.run(behind.tables.put(ref('a'), value('now')));
    const row = await world.run(ahead.tables.get(ref('a'), { body: true }));
    expect(bodyOf(row)).toBe('now');
  });

  it('shows a write that one device missed when another is away', async () => {
    const world = new World();
    const { tables } = world.cluster();
    await tables.put(ref('a'), value('old'));
    for (let away = 0; away < 3; away++) {
      world.device(away).faults.down = true;
      await world.run(tables.put(ref('a'), value(`without ${away}`)));
      world.device(away).faults.down = false;
      world.device((away + 1) % 3).faults.down = true;
      const row = await world.run(tables.get(ref('a'), { body: true }));
      expect(bodyOf(row)).toBe(`without ${away}`);
      world.device((away + 1) % 3).faults.down = false;
    }
  });

  it('says so when no majority answers, and passes on that all are full', async () => {
    const world = new World();
    const { tables } = world.cluster();
    world.device(0).faults.down = true;
    world.device(2).faults.down = true;
    const unwritten = await thrownBy(tables.put(ref('a'), value('x')));
    expect(unwritten).toMatchObject({ kind: 'unreachable', code: 'no-quorum' });
    expect(String(unwritten)).toContain('device 0: The call was lost');
    expect(await thrownBy(tables.get(ref('a')))).toMatchObject({ code: 'no-quorum' });
    expect(await thrownBy(tables.update(ref('a'), () => value('y')))).toMatchObject({
      code: 'no-quorum',
    });
    for (const { faults, memory } of world.devices) {
      faults.down = false;
      memory.setState('full');
    }
    expect(await thrownBy(tables.put(ref('a'), value('x')))).toMatchObject({
      kind: 'busy',
      code: 'device-full',
    });
  });

  it('available writes go to handoffs when primaries are down', async () => {
    const world = new World({ devices: 5 });
    const { tables } = world.cluster();
    world.device(0).faults.down = true;
    world.device(1).faults.down = true;
    await tables.put(ref('a'), value('x'), { mode: 'available' });
    const held = await Promise.all(world.devices.map(({ memory }) => memory.status()));
    expect(held.map(({ rows }) => rows)).toEqual([0, 0, 1, 1, 1]);
    const strict = thrownBy(tables.put(ref('a'), value('x')));
    expect(await strict).toMatchObject({ code: 'no-quorum' });
  });
});

describe('full devices', () => {
  it('get no stand-in for rows: what is acknowledged is read and listed, what is refused says why', async () => {
    const world = new World({ devices: 4 });
    const { tables } = world.cluster();
    await tables.put(ref('c'), value('all have it'));
    world.device(0).memory.setState('full');
    await tables.put(ref('a'), value('two have it'), { mode: 'available' });
    expect(bodyOf(await tables.get(ref('a'), { body: true }))).toBe('two have it');
    world.device(1).memory.setState('full');
    for (const mode of ['available', 'strict'] as const)
      expect(await thrownBy(tables.put(ref('b'), value('x'), { mode }))).toMatchObject({
        kind: 'busy',
        code: 'device-full',
      });
    const { entries } = await tables.list({ table: 'objects', partition: 'c', limit: 10 });
    expect(entries.map(({ row }) => row?.sort)).toContain('a');
    // One device took what the others refused; before and after, readers agree on what was acknowledged.
    expect(await tables.get(ref('b'))).toBeUndefined();
    expect(await thrownBy(tables.put(ref('c'), value('refused')))).toMatchObject({
      code: 'device-full',
    });
    for (let round = 0; round < 4; round++)
      expect(bodyOf(await tables.get(ref('c'), { body: true }))).toBe('all have it');
    const again = await tables.list({ table: 'objects', partition: 'c', limit: 10 });
    expect(again.entries.map(({ row }) => row?.sort)).toEqual(['a', 'c']);
    world.device(0).memory.setState('ok');
    await tables.put(ref('b'), value('room again'), { mode: 'available' });
    expect(bodyOf(await tables.get(ref('b'), { body: true }))).toBe('room again');
  });
});

describe('a bad copy', () => {
  it('is never served, counts as a failure, and is mended in the background', async () => {
    const world = new World();
    const cluster = world.cluster();
    await cluster.tables.put(ref('a'), value('good'));
    const hash = new KeyHasher(salt).ofPartition('objects', 'c');
    expect(world.device(0).memory.damageRow({ ...ref('a'), hash })).toBe(true);
    for (let read = 0; read < 3; read++)
      expect(bodyOf(await cluster.tables.get(ref('a'), { body: true }))).toBe('good');
    await world.run(
      (async () => {
        while (cluster.health().repairsPending > 0) await world.clock.sleep(1);
      })(),
    );
    expect((await world.device(0).memory.status()).quarantined).toBe(0);
  });
});

describe('update', () => {
  it('hands over the present row, and changes nothing when told to keep or when the change throws', async () => {
    const { tables } = new World().cluster();
    const made = await tables.update(ref('a'), (row) => {
      expect(row).toBeUndefined();
      return value('first');
    });
    expect(made).toMatchObject({ changed: true, previous: undefined });
    const kept = await tables.update(ref('a'), () => 'keep');
    expect(kept).toMatchObject({ changed: false, version: made.version });
    const refused = new Error('no');
    const thrown = tables.update(ref('a'), () => {
      throw refused;
    });
    expect(await thrownBy(thrown)).toBe(refused);
    const grown = await tables.update(ref('a'), (row) => value(`${bodyOf(row)}+`), { body: true });
    expect(bodyOf(grown.previous)).toBe('first');
    expect(bodyOf(await tables.get(ref('a'), { body: true }))).toBe('first+');
    const gone = await tables.update(ref('a'), () => 'delete');
    expect(gone).toMatchObject({ changed: true, version: undefined });
    const nothing = await tables.update(ref('a'), () => 'delete');
    expect(nothing).toMatchObject({ changed: false, version: undefined, previous: undefined });
  });

  it('counts right when many count at once, from several processes', async () => {
    const world = new World({ settings: { updateAttemptsMax: 200 } });
    for (const { faults } of world.devices) faults.delayMsMax = 3;
    const clusters = [0, 5000, -5000].map((skewUs) => world.cluster(skewUs));
    let counted = 0;
    const count = async (index: number) => {
      const { tables } = clusters[index % 3] ?? world.cluster();
      const change = (row: StoredRow | undefined) => value(String(Number(bodyOf(row) ?? '0') + 1));
      for (let step = 0; step < 5; step++) {
        const error = await thrownBy(tables.update(ref('n'), change, { body: true }));
        if (error === undefined) counted += 1;
        else expect(error).toMatchObject({ code: 'update-contended' });
      }
    };
    await world.run(Promise.all(Array.from({ length: 6 }, (_, index) => count(index))));
    const total = Number(
      bodyOf(
        await world.run(
          clusters[0]?.tables.get(ref('n'), { body: true }) ?? Promise.resolve(undefined),
        ),
      ),
    );
    // Whoever was told "contended" may have counted; nobody who was told "done" is missing.
    expect(total).toBeGreaterThanOrEqual(counted);
    expect(total).toBeLessThanOrEqual(30);
    expect(counted).toBeGreaterThan(5);
  });

  it('is never served by handoffs', async () => {
    const world = new World({ devices: 5 });
    const { tables } = world.cluster();
    world.device(0).faults.down = true;
    world.device(1).faults.down = true;
    const error = await thrownBy(tables.update(ref('a'), () => value('x')));
    expect(error).toMatchObject({ kind: 'unreachable', code: 'no-quorum' });
  });
});

describe('a device that hangs', () => {
  it('holds up nobody after it was noticed', async () => {
    const world = new World({ settings: { rowTimeoutMs: 1000 } });
    for (const { faults } of world.devices) faults.delayMsMax = 1;
    const cluster = world.cluster();
    await world.run(cluster.tables.put(ref('a'), value('x')));
    world.device(1).faults.hanging = true;
    const slowest = { put: 0, get: 0 };
    await world.run(
      (async () => {
        for (let step = 0; step < 400; step++) {
          const startMs = world.clock.monotonicMs();
          await cluster.tables.put(ref(`k${step}`), value('x'));
          const putMs = world.clock.monotonicMs();
          await cluster.tables.get(ref(`k${step}`), { body: true });
          const getMs = world.clock.monotonicMs();
          slowest.put = Math.max(slowest.put, putMs - startMs);
          slowest.get = Math.max(slowest.get, getMs - putMs);
          await world.clock.sleep(10);
        }
      })(),
    );
    // Writes go on with the other two; a read waits for its hedge, never for the deadline.
    expect(slowest.put).toBeLessThan(20);
    expect(slowest.get).toBeLessThan(100);
    expect(cluster.health().devices.find(({ device }) => device === 1)?.state).toBe('aside');
    expect(cluster.health().devices[1]?.inFlight).toBeLessThanOrEqual(1024);
  });
});
