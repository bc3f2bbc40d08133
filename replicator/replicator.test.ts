import { describe, expect, test } from 'vitest';
import type { Referrers } from '#cluster';
import { Failure } from '#common';
import type { RowKey, Version } from '#wire';
import { World } from './testing/world.ts';

const nothing = Buffer.alloc(0);

function rowWrite(key: RowKey, timeUs: number, text = `v${timeUs}`) {
  const version: Version = { timeUs, coordinator: 1 };
  return { key, version, deleted: false, meta: Buffer.from(text), bytes: 1, body: nothing };
}

function keyIn(world: World, partition: string, sort: string): RowKey {
  return { table: 't', partition, sort, hash: world.hasher.ofPartition('t', partition) };
}

describe('repair', () => {
  test('a device that was away gets what it missed: rows, tombstones and blobs', async () => {
    const world = new World();
    const cluster = world.cluster();
    const value = (text: string) => ({
      meta: Buffer.from(text),
      bytes: 1,
      body: Buffer.from(text),
    });
    const refOf = (at: number) => ({ table: 't', partition: `p${at % 7}`, sort: `s${at}` });
    for (let at = 0; at < 60; at++) await cluster.tables.put(refOf(at), value(`old${at}`));
    world.away.add(1);
    for (let at = 0; at < 40; at++) await cluster.tables.put(refOf(at), value(`new${at}`));
    for (let at = 40; at < 50; at++) await cluster.tables.delete(refOf(at));
    const blobs = [];
    for (let at = 0; at < 20; at++) blobs.push(await cluster.blobs.put([Buffer.alloc(5000, at)]));
    world.away.clear();
    expect((await world.differing()).length).toBeGreaterThan(0);
    const replicator = world.replicator();
    await replicator.runOnce();
    expect(await world.differing()).toEqual([]);
    expect(replicator.status()).toMatchObject({ irreparable: [], away: [] });
    // Whoever alone is left answers the newest.
    for (let at = 0; at < 60; at++) {
      const key = keyIn(world, `p${at % 7}`, `s${at}`);
      for (const device of world.primariesOf(key.hash)) {
        const row = await world.memory(device).readRow(key, { body: true });
        if (at >= 40 && at < 50) expect(row?.deleted).toBe(true);
        else expect(row?.body?.toString()).toBe(at < 40 ? `new${at}` : `old${at}`);
      }
    }
    for (const { id, length } of blobs)
      for (const device of world.primariesOf(world.blobKey(id).hash))
        expect((await world.memory(device).readBlob(world.blobKey(id), 0, 9999)).length).toBe(
          length,
        );
  });

  test('an older version never replaces a newer one', async () => {
    const world = new World({ devices: 3 });
    const key = keyIn(world, 'p', 's');
    await world.memory(0).acceptRow(rowWrite(key, 5));
    await world.memory(1).acceptRow(rowWrite(key, 9));
    await world.memory(2).acceptRow(rowWrite(key, 7));
    await world.replicator().runOnce();
    for (const device of [0, 1, 2])
      expect((await world.memory(device).readRow(key, { body: false }))?.meta.toString()).toBe(
        'v9',
      );
  });

  test('comparing replicas that agree costs a message each, whatever they hold', async () => {
    const world = new World({ devices: 3 });
    for (let at = 0; at < 1500; at++)
      for (const device of [0, 1, 2])
        await world
          .memory(device)
          .acceptRow(rowWrite(keyIn(world, `p${at % 50}`, `s${at}`), at + 1));
    await world.replicator().runOnce();
    expect(world.calls.get('survey-digests')).toBe(3);
    expect(world.calls.get('survey-partitions')).toBeUndefined();
    expect(world.calls.get('survey-versions')).toBeUndefined();
  });

  test('rows that differ cost in proportion to them, not to the rows around them', async () => {
    const world = new World({ devices: 3, power: 0 });
    const rows = 6000;
    const sortOf = (at: number) => String(at).padStart(6, '0');
    for (let at = 0; at < rows; at++)
      for (const device of [0, 1, 2]) {
        if (device === 2 && at % (rows / 20) === 0) continue;
        await world.memory(device).acceptRow(rowWrite(keyIn(world, 'p', sortOf(at)), at + 1));
      }
    await world.replicator().runOnce();
    expect(await world.differing()).toEqual([]);
    // Twice around the ring, the partition keys, the buckets; then what is listed, and the 20 rows.
    expect(world.calls.get('survey-digests')).toBe(9);
    expect(world.calls.get('survey-versions')).toBe(3);
    expect(world.calls.get('readRow')).toBe(20);
    expect(world.calls.get('acceptRow')).toBe(20);
  });
});

describe('hand-back', () => {
  test('a blob on a stand-in goes to its owner, and only then from the stand-in', async () => {
    const world = new World();
    const cluster = world.cluster();
    world.away.add(2);
    const kept = [];
    for (let at = 0; at < 30; at++)
      kept.push((await cluster.blobs.put([Buffer.alloc(999, at)])).id);
    const replicator = world.replicator();
    await replicator.runOnce();
    // Its owner is away: the stand-in's copy stays.
    expect(replicator.status().handedBack).toBe(0);
    world.away.clear();
    await replicator.runOnce();
    expect(replicator.status().handedBack).toBeGreaterThan(0);
    for (const id of kept) {
      const key = world.blobKey(id);
      const owners = world.primariesOf(key.hash);
      for (const device of [0, 1, 2, 3])
        expect((await world.memory(device).statBlob(key)) !== undefined).toBe(
          owners.includes(device),
        );
    }
  });

  test('rows on a stand-in go to their owners, and only then from the stand-in', async () => {
    const world = new World();
    const cluster = world.cluster();
    const refOf = (at: number) => ({ table: 't', partition: `p${at % 7}`, sort: `s${at}` });
    const value = { meta: Buffer.from('m'), bytes: 1, body: nothing };
    for (let at = 0; at < 40; at++) await cluster.tables.put(refOf(at), value);
    world.away.add(2);
    for (let at = 20; at < 60; at++)
      await cluster.tables.put(refOf(at), value, { mode: 'available' });
    for (let at = 0; at < 10; at++) await cluster.tables.delete(refOf(at), { mode: 'available' });
    const heldByStrangers = async () => {
      let count = 0;
      for (let at = 0; at < 60; at++) {
        const key = keyIn(world, `p${at % 7}`, `s${at}`);
        for (const device of [0, 1, 2, 3])
          if (!world.primariesOf(key.hash).includes(device))
            count += Number(
              (await world.memory(device).readRow(key, { body: false })) !== undefined,
            );
      }
      return count;
    };
    const kept = await heldByStrangers();
    expect(kept).toBeGreaterThan(0);
    const replicator = world.replicator();
    await replicator.runOnce();
    // Their owner is away.
    expect(await heldByStrangers()).toBe(kept);
    world.away.clear();
    await replicator.runOnce();
    expect(await heldByStrangers()).toBe(0);
    expect(replicator.status().handedBack).toBe(kept);
    expect(await world.differing()).toEqual([]);
    // A further pass has nothing to look at.
    world.calls.clear();
    await replicator.runOnce();
    expect(world.calls.get('survey-partitions')).toBeUndefined();
  });

  test('of a long partition key on a stand-in only what it holds is listed', async () => {
    const world = new World({ devices: 4, power: 0 });
    const sortOf = (at: number) => String(at).padStart(6, '0');
    for (let at = 0; at < 5000; at++)
      for (const device of [0, 1, 2])
        await world.memory(device).acceptRow(rowWrite(keyIn(world, 'p', sortOf(at)), at + 1));
    for (let at = 0; at < 5000; at += 500)
      await world.memory(3).acceptRow(rowWrite(keyIn(world, 'p', sortOf(at)), at + 1));
    const replicator = world.replicator();
    await replicator.runOnce();
    expect(replicator.status().handedBack).toBe(10);
    expect((await world.memory(3).status()).rows).toBe(0);
    expect(world.calls.get('readRow')).toBe(30);
  });

  test('a stand-in keeps its blob while an owner has only a bad copy', async () => {
    const world = new World({ devices: 4, power: 0 });
    const key = world.blobKey('ab'.repeat(16));
    const [one, two, three] = world.primariesOf(key.hash);
    const stranger = [0, 1, 2, 3].find((device) => ![one, two, three].includes(device)) ?? 3;
    const content = [Buffer.from('content')];
    for (const device of [one ?? 0, two ?? 0, three ?? 0]) {
      await world.memory(device).putBlob(key, content, {});
      world.memory(device).damageBlob(key);
    }
    await world.memory(stranger).putBlob(key, content, {});
    await world.replicator().runOnce();
    for (const device of [one ?? 0, two ?? 0, three ?? 0])
      expect((await world.memory(device).readBlob(key, 0, 100)).toString()).toBe('content');
  });
});

describe('a replaced device', () => {
  test('is refilled, and answers readers only then', async () => {
    const world = new World();
    const cluster = world.cluster();
    const refOf = (at: number) => ({ table: 't', partition: `p${at % 9}`, sort: `s${at}` });
    for (let at = 0; at < 90; at++)
      await cluster.tables.put(refOf(at), { meta: Buffer.from(`m${at}`), bytes: 1, body: nothing });
    const { id } = await cluster.blobs.put([Buffer.alloc(100_000, 1)]);
    world.replace(0);
    const key = [0, 1, 2, 3, 4, 5, 6, 7, 8]
      .map((at) => keyIn(world, `p${at}`, `s${at}`))
      .find(({ hash }) => world.primariesOf(hash).includes(0));
    if (key === undefined) throw new Error('no key lives there');
    await expect(world.memory(0).readRow(key, { body: false })).rejects.toMatchObject({
      code: 'device-refilling',
    });
    for (let at = 0; at < 90; at++)
      expect((await cluster.tables.get(refOf(at)))?.meta.toString()).toBe(`m${at}`);
    const replicator = world.replicator();
    await replicator.runOnce();
    expect(replicator.status().refilling).toEqual([]);
    expect((await world.memory(0).status()).refilling).toBeUndefined();
    expect(await world.differing()).toEqual([]);
    expect((await world.memory(0).readRow(key, { body: false }))?.deleted).toBe(false);
    expect((await cluster.blobs.read(id, 0, 10)).length).toBe(10);
  });

  test('is not whole while too few of the others can be asked', async () => {
    const world = new World({ devices: 3 });
    const key = keyIn(world, 'p', 's');
    await world.memory(1).acceptRow(rowWrite(key, 1));
    world.replace(0);
    // The one that holds it is away: what it acknowledged with the lost disk can't be known of.
    world.away.add(1);
    const replicator = world.replicator();
    await replicator.runOnce();
    expect((await world.memory(0).status()).refilling).toBe(true);
    expect(replicator.status().refilling).toEqual([0]);
    world.away.clear();
    await replicator.runOnce();
    expect((await world.memory(0).status()).refilling).toBeUndefined();
    expect(await world.memory(0).readRow(key, { body: false })).toBeDefined();
  });

  test('knows every fence again', async () => {
    const world = new World({ devices: 3 });
    const fence = { scope: 'volume', epoch: 7 };
    await world.memory(0).raiseFence(fence);
    await world.memory(1).raiseFence(fence);
    world.replace(0);
    await world.replicator().runOnce();
    const old = { fence: { scope: 'volume', epoch: 6 } };
    await expect(
      world.memory(0).putBlob(world.blobKey('cd'.repeat(16)), [nothing], old),
    ).rejects.toMatchObject({ code: 'fenced' });
  });
});

describe('bad copies', () => {
  test('are replaced by good ones', async () => {
    const world = new World({ devices: 3 });
    const key = keyIn(world, 'p', 's');
    const blob = world.blobKey('ef'.repeat(16));
    for (const device of [0, 1, 2]) {
      await world.memory(device).acceptRow(rowWrite(key, 3));
      await world.memory(device).putBlob(blob, [Buffer.from('b')], {});
    }
    world.memory(1).damageRow(key);
    world.memory(2).damageBlob(blob);
    const replicator = world.replicator();
    await replicator.runOnce();
    expect((await world.memory(1).readRow(key, { body: false }))?.meta.toString()).toBe('v3');
    expect((await world.memory(2).readBlob(blob, 0, 9)).toString()).toBe('b');
    expect(replicator.status().irreparable).toEqual([]);
  });

  test('without any good one are named, and do not hold up the rest', async () => {
    const world = new World({ devices: 3 });
    const lost = keyIn(world, 'p', 'lost');
    const fine = keyIn(world, 'p', 'fine');
    for (const device of [0, 1, 2]) await world.memory(device).acceptRow(rowWrite(lost, 3));
    for (const device of [0, 1, 2]) world.memory(device).damageRow(lost);
    await world.memory(0).acceptRow(rowWrite(fine, 4));
    const replicator = world.replicator();
    await replicator.runOnce();
    expect(replicator.status().irreparable.map(({ name, device }) => [name, device])).toEqual([
      ['t/p/lost', 0],
      ['t/p/lost', 1],
      ['t/p/lost', 2],
    ]);
    expect(await world.memory(2).readRow(fine, { body: false })).toBeDefined();
  });
});

describe('random histories', () => {
  test.each([1, 2, 3, 4, 5, 6])('converge, seed %i', async (seed) => {
    const world = new World({ seed, devices: 3 + (seed % 3), replicas: 3 });
    const cluster = world.cluster();
    const acknowledged = new Map<string, string | undefined>();
    const uncertain = new Set<string>();
    const blobs = new Map<string, number>();
    world.loss = 0.15;
    for (let step = 0; step < 150; step++) {
      if (step % 20 === 0) world.away.clear();
      if (step % 20 === 10) world.away.add(world.random.below(world.memories.length));
      const at = world.random.below(25);
      const sort = `s${at}`;
      const ref = { table: 't', partition: `p${at % 5}`, sort };
      try {
        if (world.random.unit() < 0.2) {
          const { id, length } = await cluster.blobs.put([
            Buffer.alloc(1 + world.random.below(3000)),
          ]);
          blobs.set(id, length);
        } else if (world.random.unit() < 0.3) {
          await cluster.tables.delete(ref);
          acknowledged.set(sort, undefined);
          uncertain.delete(sort);
        } else {
          const text = `${sort} at ${step}`;
          await cluster.tables.put(ref, { meta: Buffer.from(text), bytes: 1, body: nothing });
          acknowledged.set(sort, text);
          uncertain.delete(sort);
        }
      } catch {
        uncertain.add(sort);
      }
    }
    world.loss = 0;
    world.away.clear();
    const replicator = world.replicator();
    await replicator.runOnce();
    await replicator.runOnce();
    expect(await world.differing()).toEqual([]);
    for (const [sort, text] of acknowledged) {
      if (uncertain.has(sort)) continue;
      const key = keyIn(world, `p${Number(sort.slice(1)) % 5}`, sort);
      for (const device of world.primariesOf(key.hash)) {
        const row = await world.memory(device).readRow(key, { body: false });
        expect(row?.deleted === true ? undefined : row?.meta.toString()).toBe(text);
      }
    }
    for (const [id, length] of blobs)
      for (const device of world.primariesOf(world.blobKey(id).hash))
        expect(await world.memory(device).statBlob(world.blobKey(id))).toMatchObject({ length });
  });
});

describe('what a stand-in keeps', () => {
  test('goes although it holds exactly what the owners do', async () => {
    const world = new World();
    const key = keyIn(world, 'p', 's');
    for (const device of [0, 1, 2, 3]) await world.memory(device).acceptRow(rowWrite(key, 5));
    await world.replicator().runOnce();
    const owners = world.primariesOf(key.hash);
    const held = await Promise.all(
      [0, 1, 2, 3].map((device) => world.memory(device).readRow(key, { body: false })),
    );
    expect(held.map((row) => row !== undefined)).toEqual(
      [0, 1, 2, 3].map((device) => owners.includes(device)),
    );
  });

  test('reaches owners who promised to wait for a change that never came', async () => {
    const world = new World();
    const cluster = world.cluster();
    const key = keyIn(world, 'p', 's');
    const [first = 0, second = 0, third = 0] = world.primariesOf(key.hash);
    const [standIn = 0] = [0, 1, 2, 3].filter((one) => ![first, second, third].includes(one));
    for (const device of [first, second, third])
      await world.memory(device).acceptRow(rowWrite(key, 5, 'old'));
    const ballot = { timeUs: 1000, coordinator: 77 };
    for (const device of [second, third]) await world.memory(device).prepareRow(key, ballot);
    for (const device of [first, standIn])
      await world.memory(device).acceptRow(rowWrite(key, 6, 'new'));
    const renew = cluster.renew.bind(cluster);
    const replicator = world.replicator({}, undefined, undefined, renew);
    for (let pass = 0; pass < 3; pass++) await replicator.runOnce();
    for (const device of [first, second, third]) {
      const row = await world.memory(device).readRow(key, { body: false });
      expect(row?.meta.toString(), `on ${device}`).toBe('new');
    }
    expect(await world.memory(standIn).readRow(key, { body: false })).toBe(undefined);
    expect(await world.differing()).toEqual([]);
  });
});

describe('reclaim', () => {
  const quick = { orphanGraceMs: 0, tombstoneAgeMs: 0, tombstoneSettleMs: 0 };
  const referrers: Referrers = {
    t: (row, found) => {
      if (row.meta.toString() === 'cannot be read')
        throw new Failure('corrupt', 'row-malformed', 'x');
      found(row.meta.toString());
    },
  };

  async function filled(world: World) {
    const cluster = world.cluster();
    const kept: string[] = [];
    for (let at = 0; at < 20; at++) {
      const { id } = await cluster.blobs.put([Buffer.alloc(500, at)]);
      const value = { meta: Buffer.from(id), bytes: 1, body: nothing };
      await cluster.tables.put({ table: 't', partition: `p${at % 5}`, sort: `s${at}` }, value);
      kept.push(id);
    }
    const orphans: string[] = [];
    for (let at = 0; at < 10; at++)
      orphans.push((await cluster.blobs.put([Buffer.alloc(500, at)])).id);
    return { cluster, kept, orphans };
  }

  const copies = async (world: World, ids: readonly string[]) => {
    let count = 0;
    for (const id of ids)
      for (const device of [0, 1, 2, 3])
        count += await world
          .memory(device)
          .statBlob(world.blobKey(id))
          .then(
            (info) => Number(info !== undefined),
            // A device that is being refilled says of none that it is missing.
            () => 0,
          );
    return count;
  };

  test('frees every blob without a row after three whole passes, and no other', async () => {
    const world = new World();
    const { kept, orphans } = await filled(world);
    const replicator = world.replicator(quick, referrers);
    await replicator.reclaimOnce();
    await replicator.reclaimOnce();
    expect(await copies(world, orphans)).toBe(30);
    await replicator.reclaimOnce();
    expect(await copies(world, orphans)).toBe(0);
    expect(await copies(world, kept)).toBe(60);
    expect(replicator.status()).toMatchObject({ freedBlobs: 10, freedBytes: 15_000 });
  });

  test('in shares of a few candidates at a time all come to their turn', async () => {
    const world = new World();
    const { kept, orphans } = await filled(world);
    const replicator = world.replicator({ ...quick, reclaimCandidatesMax: 7 }, referrers);
    for (let pass = 0; pass < 50; pass++) await replicator.reclaimOnce();
    expect(await copies(world, orphans)).toBe(0);
    expect(await copies(world, kept)).toBe(60);
  });

  test('a row that comes late, but within the grace, keeps its blob', async () => {
    const world = new World();
    const { cluster, orphans } = await filled(world);
    const replicator = world.replicator(quick, referrers);
    await replicator.reclaimOnce();
    await replicator.reclaimOnce();
    const [late = ''] = orphans;
    const value = { meta: Buffer.from(late), bytes: 1, body: nothing };
    await cluster.tables.put({ table: 't', partition: 'late', sort: 's' }, value);
    for (let pass = 0; pass < 4; pass++) await replicator.reclaimOnce();
    expect(await copies(world, [late])).toBe(3);
    expect(await copies(world, orphans.slice(1))).toBe(0);
  });

  test.each([
    ['a device is away', (world: World) => void world.away.add(1)],
    ['a device is being refilled', (world: World) => world.replace(1)],
    [
      'a row cannot be read',
      (world: World) => {
        const key = keyIn(world, 'p0', 's0');
        for (const device of [0, 1, 2, 3]) world.memory(device).damageRow(key);
      },
    ],
    [
      'a row is not understood',
      async (world: World) => {
        const value = { meta: Buffer.from('cannot be read'), bytes: 1, body: nothing };
        await world.cluster().tables.put({ table: 't', partition: 'q', sort: 's' }, value);
      },
    ],
    [
      'a table is not registered',
      async (world: World) => {
        const value = { meta: nothing, bytes: 1, body: nothing };
        await world.cluster().tables.put({ table: 'new', partition: 'q', sort: 's' }, value);
      },
    ],
    [
      'a row that one device alone holds refers to it',
      async (world: World, orphan: string) => {
        const key = keyIn(world, 'alone', 's');
        const [owner = 0] = world.primariesOf(key.hash);
        await world.memory(owner).acceptRow(rowWrite(key, 5, orphan));
      },
    ],
  ] as const)('frees nothing when %s', async (_, spoil) => {
    const world = new World();
    const { orphans } = await filled(world);
    const [orphan = ''] = orphans;
    const replicator = world.replicator(quick, referrers);
    await replicator.reclaimOnce();
    await replicator.reclaimOnce();
    const before = await copies(world, [orphan]);
    await spoil(world, orphan);
    const lost = Number(world.primariesOf(world.blobKey(orphan).hash).includes(1));
    await replicator.reclaimOnce();
    await replicator.reclaimOnce();
    const left = await copies(world, [orphan]);
    expect([before, before - lost]).toContain(left);
  });

  test('where it only reports, nothing goes; where it is off, nothing is searched', async () => {
    const world = new World();
    const { orphans } = await filled(world);
    const report = world.replicator({ ...quick, reclaim: 'report' }, referrers);
    for (let pass = 0; pass < 5; pass++) await report.reclaimOnce();
    expect(await copies(world, orphans)).toBe(30);
    expect(report.status().reclaim).toMatchObject({ passes: 5, due: 10, suspects: 10 });
    const off = world.replicator({ ...quick, reclaim: 'off' }, referrers);
    for (let pass = 0; pass < 5; pass++) await off.reclaimOnce();
    expect(await copies(world, orphans)).toBe(30);
    expect(off.status().reclaim).toMatchObject({ passes: 0, suspects: 0, lagMs: undefined });
  });

  test('more than a share of everything is not deleted at once', async () => {
    const world = new World();
    const cluster = world.cluster();
    const orphans: string[] = [];
    while (orphans.length < 1100) {
      const puts = Array.from({ length: 100 }, () => cluster.blobs.put([Buffer.alloc(10)]));
      orphans.push(...(await Promise.all(puts)).map(({ id }) => id));
    }
    const replicator = world.replicator(quick, referrers);
    for (let pass = 0; pass < 4; pass++) await replicator.reclaimOnce();
    expect(replicator.status().reclaim.blocked).toContain('share');
    expect(replicator.status().reclaim.due).toBe(1100);
    expect(await copies(world, orphans.slice(0, 10))).toBe(30);
    const allowed = world.replicator({ ...quick, reclaimShareMax: 100 }, referrers);
    for (let pass = 0; pass < 3; pass++) await allowed.reclaimOnce();
    expect(await copies(world, orphans)).toBe(0);
  });

  test('what somebody says is needed yet stays', async () => {
    const world = new World();
    const { orphans } = await filled(world);
    const [needed = ''] = orphans;
    const replicator = world.replicator(quick, referrers, async (id) => id === needed);
    for (let pass = 0; pass < 9; pass++) await replicator.reclaimOnce();
    expect(await copies(world, orphans)).toBe(3);
    expect(await copies(world, [needed])).toBe(3);
  });

  test('tombstones that all owners have are forgotten, and a write from before stays out', async () => {
    const world = new World();
    const { cluster } = await filled(world);
    const ref = { table: 't', partition: 'p0', sort: 's0' };
    const { version } = await cluster.tables.delete(ref);
    const replicator = world.replicator(quick, referrers);
    await replicator.runOnce();
    const key = keyIn(world, 'p0', 's0');
    const owners = world.primariesOf(key.hash);
    const held = async () => {
      const rows = owners.map((device) => world.memory(device).readRow(key, { body: false }));
      return (await Promise.all(rows)).filter((row) => row !== undefined).length;
    };
    world.away.add(owners[0] ?? 0);
    for (let pass = 0; pass < 3; pass++) await replicator.reclaimOnce();
    expect(await held()).toBe(3);
    world.away.clear();
    await new Promise((resolve) => setTimeout(resolve, 2));
    for (let pass = 0; pass < 3; pass++) await replicator.reclaimOnce();
    expect(await held()).toBe(0);
    expect(replicator.status().forgottenRows).toBe(1);
    const old = rowWrite(key, version.timeUs - 1);
    for (const device of owners)
      expect(await world.memory(device).acceptRow(old)).toMatchObject({ outcome: 'superseded' });
    await cluster.tables.put(ref, { meta: Buffer.from('again'), bytes: 1, body: nothing });
    expect((await cluster.tables.get(ref))?.meta.toString()).toBe('again');
  });
});
