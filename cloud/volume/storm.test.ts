/** A storm of random calls at once, on both engines of the state: whatever wins, afterwards nothing is in between and nothing is left over. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '#common';
import { engines } from '../state/testing/engines.ts';
import { projects, startVolumeCloud, type VolumeCloud } from './testing/cloud.ts';

const calls = 400;
const atOnce = 25;
const limit = 30;
const seed = Number(process.env.PILEUS_TEST_SEED ?? 1);

describe.each(engines)('a storm of calls on %s', (engine) => {
  let cloud: VolumeCloud;
  beforeAll(async () => {
    cloud = await startVolumeCloud(
      { volumesPerProject: limit, snapshotsPerProject: limit },
      engine,
    );
  });
  afterAll(() => cloud.close());

  const call = (method: string, path: string, body?: object) =>
    cloud.call('member', method, path, body, '3.70');

  it(`ends with everything settled and counted (seed ${seed})`, async () => {
    const random = seededRandom(seed);
    const pick = <T>(from: readonly T[]): T | undefined =>
      from[random.bytes(4).readUInt32BE() % Math.max(from.length, 1)];
    const ids: Record<'volume' | 'snapshot' | 'attachment', string[]> = {
      volume: [],
      snapshot: [],
      attachment: [],
    };
    const remember = (
      kind: keyof typeof ids,
      answer: { status: number; body: Record<string, { id: string }> },
    ) => {
      const id = answer.status < 300 ? answer.body[kind]?.id : undefined;
      if (id !== undefined) ids[kind].push(id);
      return answer;
    };
    const kinds = [
      async () => remember('volume', await call('POST', '/volumes', { volume: { size: 1 } })),
      async () =>
        remember(
          'volume',
          await call('POST', '/volumes', {
            volume: { source_volid: pick(ids.volume) ?? null, size: 1 },
          }),
        ),
      async () =>
        remember(
          'volume',
          await call('POST', '/volumes', {
            volume: { snapshot_id: pick(ids.snapshot) ?? null, size: 1 },
          }),
        ),
      async () =>
        remember(
          'snapshot',
          await call('POST', '/snapshots', { snapshot: { volume_id: pick(ids.volume) } }),
        ),
      async () =>
        remember(
          'attachment',
          await call('POST', '/attachments', {
            attachment: { volume_uuid: pick(ids.volume), connector: { host: 'h' } },
          }),
        ),
      async () =>
        call('POST', `/attachments/${pick(ids.attachment)}/action`, { 'os-complete': null }),
      async () => call('DELETE', `/attachments/${pick(ids.attachment)}`),
      async () => call('DELETE', `/attachments/${pick(ids.attachment)}`),
      async () => call('DELETE', `/snapshots/${pick(ids.snapshot)}`),
      async () => call('DELETE', `/volumes/${pick(ids.volume)}`),
      async () => call('DELETE', `/volumes/${pick(ids.volume)}?cascade=true`),
      async () =>
        call('POST', `/volumes/${pick(ids.volume)}/action`, { 'os-extend': { new_size: 2 } }),
    ];
    const statuses = new Map<number, number>();
    for (let done = 0; done < calls; done += atOnce) {
      const burst = Array.from({ length: atOnce }, async () => {
        const answer = await (pick(kinds) ?? (() => call('GET', '/volumes')))();
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      });
      await Promise.all(burst);
    }
    await cloud.settled();
    // Refused in the API's words, never a server's error.
    expect([...statuses.keys()].filter((status) => status >= 500)).toEqual([]);
    expect(statuses.get(202) ?? 0).toBeGreaterThan(calls / 10);

    const { volumes } = (await call('GET', '/volumes/detail')).body;
    const { snapshots } = (await call('GET', '/snapshots/detail')).body;
    const { attachments } = (await call('GET', '/attachments')).body;
    const settled = new Set(['available', 'in-use', 'reserved', 'attaching']);
    expect(volumes.filter(({ status }: { status: string }) => !settled.has(status))).toEqual([]);
    expect(snapshots.filter(({ status }: { status: string }) => status !== 'available')).toEqual(
      [],
    );
    const idsOf = (rows: readonly { id: string }[]) => rows.map(({ id }) => id).sort();
    const kept = [...cloud.engine.kept.values()];
    expect(kept.map(({ id }) => id).sort()).toEqual(idsOf(volumes));
    expect(kept.flatMap((volume) => [...volume.snapshots.keys()]).sort()).toEqual(idsOf(snapshots));
    expect(kept.flatMap((volume) => [...volume.attachments.keys()]).sort()).toEqual(
      idsOf(attachments),
    );
    const { quota_set: used } = (await call('GET', `/os-quota-sets/${projects.one}?usage=true`))
      .body;
    expect(used.volumes.in_use).toBe(volumes.length);
    expect(used.snapshots.in_use).toBe(snapshots.length);
    const gib = (rows: readonly { size: number }[]) =>
      rows.reduce((sum, { size }) => sum + size, 0);
    expect(used.gigabytes.in_use).toBe(gib(volumes) + gib(snapshots));
    expect(used.volumes.in_use).toBeLessThanOrEqual(limit);
  }, 120_000);
});
