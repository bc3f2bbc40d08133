import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { State } from '#cloud/state';
import { defaultsOf, silentLogger, systemClock, systemRandom, VirtualClock } from '#common';
import { engines, TestDatabase } from '../state/testing/engines.ts';
import {
  type AuditRecord,
  AuditTrail,
  Events,
  journalMigrations,
  journalSettings,
  keepJournal,
} from './index.ts';

const settings = defaultsOf(journalSettings);

describe.each(engines)('the journal on %s', (engine) => {
  let database: TestDatabase;
  let state: State;
  beforeEach(async () => {
    database = new TestDatabase(engine);
    state = await database.open([journalMigrations]);
  });
  afterEach(() => database.remove());

  const emit = (events: Events, type: string, projectId = 'p') =>
    state.transaction((tx) => events.emit(tx, { type, projectId, payload: { type } }));

  it('tells of every change once, in order, from wherever one left off', async () => {
    const events = new Events(state, systemClock, systemRandom);
    const start = await events.end();
    await emit(events, 'image.create');
    await emit(events, 'image.delete', 'q');
    const failing = state.transaction(async (tx) => {
      await events.emit(tx, { type: 'never' });
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    const all = await events.list({ after: start, limit: 10 });
    expect(all.map(({ type, payload }) => [type, payload])).toEqual([
      ['image.create', { type: 'image.create' }],
      ['image.delete', { type: 'image.delete' }],
    ]);
    await emit(events, 'volume.create');
    const more = await events.list({ after: all[1]?.cursor, limit: 10 });
    expect(more.map(({ type }) => type)).toEqual(['volume.create']);
    const types = async (filter: object) =>
      (await events.list({ limit: 10, ...filter })).map(({ type }) => type);
    expect(await types({ type: 'image.' })).toEqual(['image.create', 'image.delete']);
    expect(await types({ projectId: 'q' })).toEqual(['image.delete']);
    expect(await types({ after: await events.end() })).toEqual([]);
    await expect(events.list({ after: 'x', limit: 1 })).rejects.toThrow('no cursor');
  });

  it('lets no follower miss an event, however many write at once', async () => {
    const other = engine === 'sqlite' ? state : await database.open([journalMigrations]);
    const writers = [state, other].map((one) => new Events(one, systemClock, systemRandom));
    const seen: string[] = [];
    let writing = true;
    const follow = async () => {
      const events = new Events(state, systemClock, systemRandom);
      let after = await events.end();
      for (let last = false; !last; ) {
        last = !writing;
        const page = await events.list({ after, limit: 50 });
        seen.push(...page.map(({ type }) => type));
        after = page.at(-1)?.cursor ?? after;
        if (page.length === 50) last = false;
      }
    };
    const following = follow();
    await Promise.all(
      Array.from({ length: 200 }, (_, at) =>
        (at % 2 === 0 ? state : other).transaction(async (tx) => {
          await writers[at % 2]?.emit(tx, { type: `t${at}` });
          // Transactions that took a number early end late.
          await systemClock.sleep(at % 7);
        }),
      ),
    );
    writing = false;
    await following;
    expect(seen).toHaveLength(200);
    expect(new Set(seen).size).toBe(200);
  });

  const record = (over: Partial<AuditRecord>): AuditRecord => ({
    atUs: 1_000_000,
    service: 'identity',
    action: 'identity:create_user',
    method: 'POST',
    path: '/v3/users',
    status: 201,
    userId: 'u',
    projectId: 'p',
    from: '10.0.0.1',
    requestId: 'req-1',
    globalRequestId: undefined,
    ...over,
  });

  it('keeps the audit trail, and answers questions about it page by page', async () => {
    const audit = new AuditTrail({
      state,
      settings,
      clock: systemClock,
      random: systemRandom,
      log: silentLogger,
    });
    for (let at = 0; at < 1_200; at++)
      audit.record(
        record({ atUs: at * 1000, status: at % 3 === 0 ? 403 : 201, userId: `u${at % 5}` }),
      );
    await audit.close();
    const first = await audit.list({ limit: 1_000 });
    expect([first.length, first[0]?.atUs]).toEqual([1_000, 1_199_000]);
    const rest = await audit.list({ limit: 1_000, marker: first.at(-1)?.id });
    expect([rest.length, rest.at(-1)?.atUs]).toEqual([200, 0]);
    const refused = await audit.list({
      userId: 'u0',
      failed: true,
      sinceUs: 600_000,
      limit: 1_000,
    });
    expect(refused.length).toBe(40);
    expect(refused.every(({ status, userId }) => status === 403 && userId === 'u0')).toBe(true);
    expect(await audit.list({ service: 'image', limit: 10 })).toEqual([]);
  });

  it('forgets what is old', async () => {
    const clock = new VirtualClock(10_000 * 86_400_000_000);
    const old = new VirtualClock(0);
    await emit(new Events(state, old, systemRandom), 'old');
    await emit(new Events(state, clock, systemRandom), 'new');
    const audit = new AuditTrail({
      state,
      settings,
      clock,
      random: systemRandom,
      log: silentLogger,
    });
    audit.record(record({ atUs: 0 }));
    audit.record(record({ atUs: clock.nowUs() }));
    await audit.close();
    const keeping = keepJournal({ state, settings, clock, log: silentLogger });
    const events = new Events(state, clock, systemRandom);
    await expect
      .poll(async () => (await events.list({ limit: 10 })).map(({ type }) => type))
      .toEqual(['new']);
    await expect.poll(async () => (await audit.list({ limit: 10 })).length).toBe(1);
    await keeping.stop();
  });
});
