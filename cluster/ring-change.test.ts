/** Replicas of a row move from device to device while coordinators, none of which hears of it at the same time as another, read and write it. */
import { describe, expect, it } from 'vitest';
import { isFailure } from '#common';
import { compareVersions, type DeviceService, type RowKey } from '#wire';
import type { Cluster } from './cluster.ts';
import { KeyHasher } from './key-hash.ts';
import type { Placement } from './placement.ts';
import { keyOf } from './row-key.ts';
import { isLinearizable } from './testing/history.ts';
import { client, Recorder, ref } from './testing/row-clients.ts';
import { salt, World } from './testing/world.ts';

const noHandoffs = () => [];
const fixed = (primaries: readonly number[]): Placement => ({
  primariesOf: () => primaries,
  handoffsOf: noHandoffs,
  replicaSets: () => [primaries],
});

/** One goes, one comes: the owners of both sides, what comes last. */
function joint(before: readonly number[], after: readonly number[]): Placement {
  const all = [...before, ...after.filter((one) => !before.includes(one))];
  const newcomers = all.length - before.length;
  return {
    primariesOf: () => all,
    handoffsOf: noHandoffs,
    replicaSets: () => [all, before, after],
    newcomersOf: () => newcomers,
  };
}

/** What the replicator does between the two steps: everybody has the newest, a newcomer as well. */
async function settle(
  world: World,
  cluster: Cluster,
  key: RowKey,
  sides: readonly (readonly number[])[],
): Promise<void> {
  const owners = [...new Set(sides.flat())].map((at) => world.device(at).service);
  for (;;) {
    const held = await Promise.all(owners.map((owner) => untilAnswered(owner, key)));
    const newest = held.toSorted((a, b) =>
      a === undefined || b === undefined
        ? Number(a === undefined) - Number(b === undefined)
        : compareVersions(b.version, a.version),
    )[0];
    if (newest === undefined) return;
    const behind = owners.filter((_, at) => {
      const row = held[at];
      return row === undefined || compareVersions(row.version, newest.version) < 0;
    });
    if (behind.length === 0) return;
    for (const owner of behind) {
      const write = { ...newest, key, body: newest.body ?? Buffer.alloc(0), copied: true };
      try {
        const reply = await owner.acceptRow(write);
        if (reply.outcome !== 'ok') await cluster.renew(ref, newest);
      } catch (error) {
        if (!isFailure(error)) throw error;
      }
    }
  }
}

async function untilAnswered(owner: DeviceService, key: RowKey) {
  for (;;) {
    try {
      return await owner.readRow(key, { body: true });
    } catch (error) {
      if (!isFailure(error)) throw error;
    }
  }
}

const steps: readonly (readonly number[])[] = [
  [0, 1, 2],
  [1, 2, 3],
  [1, 2, 3, 4],
  [1, 2, 4],
  [0, 1, 2, 4],
  [0, 4, 2],
];

async function play(seed: number) {
  const settings = { rowTimeoutMs: 60, failuresMax: 1000, hedgeFloorMs: 5 };
  const world = new World({ seed, replicas: 3, devices: 5, settings });
  for (const { faults } of world.devices) {
    faults.delayMsMax = 10;
    faults.loss = (seed % 3) * 0.15;
    faults.answerLoss = (seed % 4) * 0.04;
  }
  const recorder = new Recorder(world);
  const clusters = [0, 40_000, -25_000].map((skewUs) => world.cluster(skewUs));
  const devices = new Map(world.devices.map(({ service }, at) => [at, service]));
  const key = keyOf(new KeyHasher(salt), ref);
  const follow = (placement: Placement) =>
    Promise.all(
      clusters.map(async (cluster) => {
        await world.clock.sleep(world.random.unit() * 15);
        await cluster.follow(placement, devices);
      }),
    );
  const change = async () => {
    for (const [at, after] of steps.entries()) {
      const before = steps[at - 1];
      if (before === undefined) continue;
      await follow(joint(before, after));
      await settle(world, clusters[at % 3] as Cluster, key, [before, after]);
      await follow(fixed(after));
    }
  };
  const [first] = clusters;
  await world.run(
    Promise.all([
      ...clusters.map((cluster, at) =>
        client(world, cluster, recorder, { name: 'abc'[at] ?? '', restMsMax: 60 }),
      ),
      follow(fixed(steps[0] as readonly number[])).then(change),
    ]),
  );
  expect(first).toBeDefined();
  return recorder.history;
}

describe('one row whose replicas move from device to device', () => {
  it('is linearizable while it moves, grows and shrinks', async () => {
    for (let seed = 1; seed <= 100; seed++) {
      const history = await play(seed);
      if (isLinearizable(history)) continue;
      const lines = [...history]
        .sort((a, b) => a.start - b.start)
        .map(({ what, start, end }) => `${start.toFixed(2)}–${end.toFixed(2)} ${what}`);
      expect.unreachable(`seed ${seed} is not linearizable:\n${lines.join('\n')}`);
    }
  });
});
