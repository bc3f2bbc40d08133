import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type MeasureOptions, measure } from './measure.ts';
import { parseTarget, type Target } from './target.ts';
import { type ObjectServer, startObjectServer } from './testing/object-server.ts';
import { type ObjectWorkload, parseMix } from './workload.ts';

const MIXED = 'read=5,write=3,list=1,delete=1';

function workload(mix: string, more: Partial<ObjectWorkload> = {}): ObjectWorkload {
  return {
    name: mix,
    mix: parseMix(mix),
    sizes: [
      { sizeBytes: 100, weight: 3 },
      { sizeBytes: 70_000, weight: 1 },
    ],
    concurrency: 6,
    durationS: 0.3,
    warmUpS: 0.1,
    listRows: 25,
    listed: { objects: mix.startsWith('list') ? 40 : 0, sizeBytes: 100 },
    workers: 1,
    verifyEvery: 5,
    population: 20,
    ...more,
  };
}

describe('object bench', () => {
  let server: ObjectServer;
  beforeEach(async () => {
    server = await startObjectServer();
  });
  afterEach(async () => await server.close());

  const swift = (): Target =>
    parseTarget(`swift+http://test:tester:testing@127.0.0.1:${server.port}/auth/v1.0`);
  const run = async (target: Target, work: ObjectWorkload, more: Partial<MeasureOptions> = {}) => {
    const rows = await measure([target], {
      objects: () => [work],
      volumes: () => [],
      rounds: 1,
      retries: 0,
      container: 'benchmark',
      workers: work.workers,
      deletes: 40,
      keep: false,
      overwrite: false,
      json: undefined,
      say: () => {},
      ...more,
    });
    const [row] = rows;
    if (row === undefined) throw new Error('no row');
    return row;
  };

  const targets: [string, () => Target][] = [
    ['Swift with a v1 login', swift],
    [
      'Swift with a Keystone login',
      () => parseTarget(`keystone+http://u:secret@127.0.0.1:${server.port}/v3?project=p`),
    ],
    ['S3', () => parseTarget(`s3+http://access:secret@127.0.0.1:${server.port}`)],
  ];
  it.each(targets)(
    'runs a mix on %s, verifies bodies, and leaves nothing behind',
    async (_name, target) => {
      const row = await run(target(), workload(MIXED, { workers: 2 }));
      expect(row.total.errors).toBe(0);
      expect(row.corrupt).toBe(0);
      expect(row.verified).toBeGreaterThan(5);
      expect(Object.keys(row.operations).sort()).toEqual(['delete', 'list', 'read', 'write']);
      const counts = Object.values(row.operations).map(({ count }) => count);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(row.total.count);
      const latency = row.total.latency_ms;
      expect(latency?.p50).toBeGreaterThan(0);
      expect(latency?.p99).toBeGreaterThanOrEqual(latency?.p50 ?? Infinity);
      expect(latency?.max).toBeGreaterThanOrEqual(latency?.p99_9 ?? Infinity);
      expect(server.objects.size).toBe(0);
      expect(server.containers.size).toBe(0);
    },
  );

  it('keeps to the mix', async () => {
    const row = await run(swift(), workload('read=9,write=1', { durationS: 0.6 }));
    const { read, write } = row.operations;
    const share = (read?.count ?? 0) / row.total.count;
    expect(share).toBeGreaterThan(0.8);
    expect(share).toBeLessThan(0.97);
    expect((read?.count ?? 0) + (write?.count ?? 0)).toBe(row.total.count);
  });

  it('finds bodies that came back changed, or short', async () => {
    server.spoil = (body) => {
      const changed = Buffer.from(body);
      changed[50] = ~(changed[50] ?? 0);
      return changed;
    };
    const changed = await run(swift(), workload('read=1', { verifyEvery: 1 }));
    expect(changed.total.count).toBe(0);
    expect(changed.corrupt).toBeGreaterThan(0);
    expect(changed.error_kinds['read wrong body']).toBe(changed.corrupt);
    server.spoil = (body) => body.subarray(1);
    const short = await run(swift(), workload('read=1'));
    expect(short.error_kinds['read wrong length']).toBe(short.corrupt);
  });

  it('finds acknowledged writes that are not there afterwards', async () => {
    server.objects.set = () => server.objects; // acknowledges and forgets
    const row = await run(swift(), workload('write=1'));
    expect(row.total.errors).toBe(0);
    expect(row.total.count).toBeGreaterThan(0);
    expect(row.corrupt).toBeGreaterThan(0);
    expect(row.error_kinds['back: read status 404']).toBe(row.corrupt);
  });

  it('counts refused operations by status, and does not take them for work done', async () => {
    server.refuseWrites = 507;
    const row = await run(swift(), workload('write=1'));
    expect(row.total.count).toBe(0);
    expect(row.error_kinds['write status 507']).toBe(row.total.errors);
    expect(row.total.errors).toBeGreaterThan(0);
  });

  it('deletes each laid out object once and then stops', async () => {
    const row = await run(swift(), workload('delete=1', { durationS: 30 }));
    expect(row.operations.delete?.count).toBe(40);
    expect(row.total.errors).toBe(0);
    expect(row.elapsed_s).toBeLessThan(30);
  });

  it('reads a listing over as many pages as the server makes of it', async () => {
    server.pageRowsMax = 10;
    await run(swift(), workload('list=1'));
    // 25 rows come as pages of 10, 10 and 5.
    const gets = server.seen.get('GET') ?? 0;
    expect(gets).toBeGreaterThan(6);
  });

  it('fails when the login is refused, and when nothing answers', async () => {
    const wrong = parseTarget(`swift+http://test:tester:wrong@127.0.0.1:${server.port}/auth/v1.0`);
    await expect(run(wrong, workload('read=1'))).rejects.toThrow(/refused/);
    const nobody = parseTarget('swift+http://a:b:c@127.0.0.1:9/auth/v1.0');
    await expect(run(nobody, workload('read=1'))).rejects.toThrow(/does not answer/);
  });
});
