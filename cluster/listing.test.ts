import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareUtf8 } from '#common';
import type { Cluster } from './cluster.ts';
import type { ListPage, ListRequest } from './tables.ts';
import { World } from './testing/world.ts';

const none = Buffer.alloc(0);
const where = { table: 'objects', partition: 'c' };

function names(page: ListPage): string[] {
  return page.entries.map((entry) => entry.row?.sort ?? `<${entry.prefix}>`);
}

async function fill(cluster: Cluster, sorts: Iterable<string>): Promise<void> {
  for (const sort of sorts)
    await cluster.tables.put({ ...where, sort }, { meta: none, bytes: 1, body: none });
}

/** The listing as one would do it by hand over all names. */
function modelOf(
  sorts: readonly string[],
  request: ListRequest,
): { names: string[]; more: boolean } {
  const { prefix = '', delimiter, marker, from, endMarker, reverse = false } = request;
  const order = (a: string, b: string) => (reverse ? compareUtf8(b, a) : compareUtf8(a, b));
  const entries: string[] = [];
  for (const sort of [...sorts].sort(order)) {
    if (!sort.startsWith(prefix)) continue;
    if (marker !== undefined && order(sort, marker) <= 0) continue;
    if (from !== undefined && order(sort, from) < 0) continue;
    if (endMarker !== undefined && order(sort, endMarker) >= 0) continue;
    const found = delimiter ? sort.indexOf(delimiter, prefix.length) : -1;
    const group = found < 0 ? undefined : sort.slice(0, found + (delimiter ?? '').length);
    if (group !== undefined && group === marker) continue;
    const name = group === undefined ? sort : `<${group}>`;
    if (entries.at(-1) !== name) entries.push(name);
  }
  return { names: entries.slice(0, request.limit), more: entries.length > request.limit };
}

const sortArb = fc
  .array(fc.constantFrom('a', 'b', '/', 'é', '\u{1f600}', '\uffff'), { minLength: 1, maxLength: 5 })
  .map((parts) => parts.join(''));
const requestArb = fc.record(
  {
    prefix: sortArb,
    delimiter: fc.constantFrom('/', 'b', 'a/'),
    marker: sortArb,
    from: sortArb,
    endMarker: sortArb,
    reverse: fc.boolean(),
    limit: fc.integer({ min: 1, max: 8 }),
  },
  { requiredKeys: ['limit'] },
);

describe('list', () => {
  it('answers as the model does, whatever is asked', async () => {
    const sets = fc.uniqueArray(sortArb, { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(
        sets,
        fc.array(requestArb, { minLength: 4, maxLength: 8 }),
        async (sorts, requests) => {
          const cluster = new World().cluster();
          await fill(cluster, sorts);
          for (const wanted of requests) {
            const request = { ...where, ...wanted };
            const page = await cluster.tables.list(request);
            expect({ names: names(page), more: page.more }).toEqual(modelOf(sorts, request));
          }
        },
      ),
      { numRuns: 120 },
    );
  });

  it('pages through everything once, by marker, rows and groups alike', async () => {
    const world = new World();
    const cluster = world.cluster();
    const sorts = Array.from({ length: 300 }, (_, n) => `d${n % 20}/x${n}`).concat(['e', 'f', 'g']);
    await fill(cluster, sorts);
    const seen: string[] = [];
    let marker: string | undefined;
    for (;;) {
      const page = await cluster.tables.list({
        ...where,
        delimiter: '/',
        limit: 3,
        ...(marker === undefined ? {} : { marker }),
      });
      for (const entry of page.entries) {
        marker = entry.row?.sort ?? entry.prefix;
        seen.push(marker ?? '');
      }
      if (!page.more) break;
    }
    expect(seen).toHaveLength(23);
    expect(new Set(seen).size).toBe(23);
  });

  it('scans one device only while digests agree', async () => {
    const world = new World();
    const cluster = world.cluster();
    await fill(cluster, ['a', 'b', 'c']);
    for (const { calls } of world.devices) calls.clear();
    expect(names(await cluster.tables.list({ ...where, limit: 10 }))).toEqual(['a', 'b', 'c']);
    const scans = world.devices.reduce((sum, { calls }) => sum + (calls.get('scanRows') ?? 0), 0);
    expect(scans).toBe(1);
  });

  it('scans a majority side by side after a page that had to be merged, until digests agree again', async () => {
    const world = new World();
    const cluster = world.cluster();
    for (let away = 0; away < 3; away++) {
      world.device(away).faults.down = true;
      await world.run(fill(cluster, [`k${away}`]));
      world.device(away).faults.down = false;
    }
    const scansOfList = async () => {
      for (const { calls } of world.devices) calls.clear();
      const page = await world.run(cluster.tables.list({ ...where, limit: 10 }));
      expect(names(page)).toEqual(['k0', 'k1', 'k2']);
      return world.devices.reduce((sum, { calls }) => sum + (calls.get('scanRows') ?? 0), 0);
    };
    expect([await scansOfList(), await scansOfList()]).toEqual([2, 2]);
    // Written again while all are there, the rows are the same everywhere.
    await world.run(fill(cluster, ['k0', 'k1', 'k2']));
    expect([await scansOfList(), await scansOfList()]).toEqual([2, 1]);
  });

  it('shows acknowledged rows only a majority has, hides deleted ones, and mends the rest', async () => {
    const world = new World();
    const cluster = world.cluster();
    const sorts = Array.from({ length: 60 }, (_, n) => `k${String(n).padStart(3, '0')}`);
    await fill(cluster, sorts.slice(0, 20));
    // Each device misses a different part of what follows.
    for (let away = 0; away < 3; away++) {
      world.device(away).faults.down = true;
      await world.run(fill(cluster, sorts.slice(20 + away * 10, 30 + away * 10)));
      await world.run(cluster.tables.delete({ ...where, sort: sorts[away] ?? '' }));
      world.device(away).faults.down = false;
    }
    const expected = sorts.slice(3, 50);
    const listed = await world.run(cluster.tables.list({ ...where, limit: 100 }));
    expect(names(listed)).toEqual(expected);
    const totals = await world.run(cluster.tables.totals('objects', 'c'));
    expect(totals).toEqual({ rows: 47, bytes: 47 });
    await world.run(
      (async () => {
        while (cluster.health().repairsPending > 0) await world.clock.sleep(1);
      })(),
    );
    world.device(0).faults.down = true;
    const again = await world.run(cluster.tables.list({ ...where, limit: 100 }));
    expect(names(again)).toEqual(expected);
  });

  it('never misses an acknowledged row while others are being written', async () => {
    const world = new World({ seed: 7 });
    for (const { faults } of world.devices) faults.delayMsMax = 4;
    const clusters = [world.cluster(), world.cluster(2000)];
    const acknowledged = new Map<string, boolean>();
    const writer = async (index: number) => {
      const { tables } = clusters[index % 2] ?? world.cluster();
      for (let step = 0; step < 25; step++) {
        const sort = `w${index}-${world.random.below(12)}`;
        acknowledged.delete(sort);
        if (world.random.below(4) === 0) {
          await tables.delete({ ...where, sort });
          acknowledged.set(sort, false);
        } else {
          await tables.put({ ...where, sort }, { meta: none, bytes: 1, body: none });
          acknowledged.set(sort, true);
        }
      }
    };
    const lister = async () => {
      const { tables } = clusters[0] ?? world.cluster();
      for (let step = 0; step < 30; step++) {
        const before = new Map(acknowledged);
        const listed = new Set(names(await tables.list({ ...where, limit: 100 })));
        for (const [sort, present] of before) {
          // Only rows that nobody touched meanwhile have a known answer.
          if (acknowledged.get(sort) === present && !touched.has(sort))
            expect({ sort, listed: listed.has(sort) }).toEqual({ sort, listed: present });
        }
        touched.clear();
      }
    };
    const touched = new Set<string>();
    const watch = acknowledged.delete.bind(acknowledged);
    acknowledged.delete = (sort) => {
      touched.add(sort);
      return watch(sort);
    };
    await world.run(Promise.all([writer(0), writer(1), writer(2), lister()]));
  });
});
