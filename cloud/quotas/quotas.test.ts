import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { State } from '#cloud/state';
import { isFailure } from '#common';
import { engines, TestDatabase } from '../state/testing/engines.ts';
import { createQuotas, quotaMigrations, unlimited } from './index.ts';

let database: TestDatabase;
let state: State;
afterEach(() => database.remove());

const declared = [
  { resource: 'volume.volumes', defaultLimit: 10 },
  { resource: 'volume.gigabytes', defaultLimit: 100 },
  { resource: 'image.size_total', defaultLimit: unlimited },
];
const rooms = () => {
  const quotas = createQuotas(state);
  quotas.add(declared);
  return quotas;
};
const said = (promise: Promise<unknown>) =>
  promise.then(
    () => 'done',
    (error: unknown) => (isFailure(error) ? error.message : String(error)),
  );
const reserve = (scope: string, holder: string, amounts: Record<string, number>) => {
  const quotas = rooms();
  return state.transaction((tx) => quotas.reserve(tx, { scope, holder }, amounts), {
    lock: quotas.lockOf(scope),
  });
};

describe.each(engines)('quotas on %s', (engine) => {
  beforeEach(async () => {
    database = new TestDatabase(engine);
    state = await database.open([quotaMigrations]);
  });

  it('count what exists, and refuse what would be too much as a whole', async () => {
    const quotas = rooms();
    await reserve('p', 'v1', { 'volume.volumes': 1, 'volume.gigabytes': 60 });
    expect(await said(reserve('p', 'v2', { 'volume.volumes': 1, 'volume.gigabytes': 50 }))).toBe(
      'The quota is used up resource=volume.gigabytes limit=100 used=60 requested=50 scope=p',
    );
    expect(await quotas.usage('p', 'volume')).toEqual({
      'volume.volumes': { limit: 10, used: 1 },
      'volume.gigabytes': { limit: 100, used: 60 },
    });
    await reserve('q', 'v3', { 'volume.gigabytes': 100, 'image.size_total': 10 ** 15 });
    // Growing and shrinking one holder; doing it twice changes nothing.
    await reserve('p', 'v1', { 'volume.gigabytes': 100 });
    await reserve('p', 'v1', { 'volume.gigabytes': 100 });
    await reserve('p', 'v1', { 'volume.gigabytes': 20 });
    expect((await quotas.usage('p'))['volume.gigabytes']?.used).toBe(20);
    for (let twice = 0; twice < 2; twice++)
      await state.transaction((tx) => quotas.release(tx, 'v1'));
    expect((await quotas.usage('p'))['volume.gigabytes']?.used).toBe(0);
    expect((await quotas.usage('q'))['volume.gigabytes']?.used).toBe(100);
  });

  it('take limits of the project before those of everybody', async () => {
    const quotas = rooms();
    await quotas.setLimits('', { 'volume.volumes': 3 });
    await quotas.setLimits('p', { 'volume.volumes': unlimited });
    expect((await quotas.limits('q'))['volume.volumes']).toBe(3);
    expect((await quotas.limits('p'))['volume.volumes']).toBe(unlimited);
    await reserve('p', 'v', { 'volume.volumes': 1_000 });
    await quotas.clearLimits('p');
    expect((await quotas.limits('p'))['volume.volumes']).toBe(3);
    // Over the limit already: less is always possible.
    await reserve('p', 'v', { 'volume.volumes': 999 });
    expect(await said(reserve('p', 'w', { 'volume.volumes': 1 }))).toContain('used up');
    expect(await said(reserve('p', 'w', { 'volume.snapshots': 1 }))).toContain('no such quota');
  });

  // Each costs eight round trips on PostgreSQL.
  const creates = engine === 'sqlite' ? 10_000 : 1_000;

  it(`are exact when ${creates} create at once`, { timeout: 120_000 }, async () => {
    const quotas = rooms();
    const limit = creates * 0.7;
    await quotas.setLimits('p', { 'volume.volumes': limit });
    const outcomes = await Promise.all(
      Array.from({ length: creates }, (_, at) =>
        said(reserve('p', `v${at}`, { 'volume.volumes': 1 })),
      ),
    );
    expect(outcomes.filter((outcome) => outcome === 'done')).toHaveLength(limit);
    expect((await quotas.usage('p'))['volume.volumes']?.used).toBe(limit);
    const rows = await state.db
      .$extendTables<{ quota_reservation: { holder: string } }>()
      .selectFrom('quota_reservation')
      .select('holder')
      .execute();
    expect(rows).toHaveLength(limit);
  });
});
