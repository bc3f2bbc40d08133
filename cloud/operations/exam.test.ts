/** The exam itself, and the sample workflow in it, on PostgreSQL: `kill-nine.test.ts` does it on SQLite, with real processes. */
import * as fs from 'node:fs';
import { describe, expect, it } from 'vitest';
import { TestDatabase } from '../state/testing/engines.ts';
import { operationMigrations } from './index.ts';
import { examineWorkflow } from './testing/examine.ts';
import { openSample } from './testing/sample.ts';

describe('the exam of a workflow', { timeout: 240_000 }, () => {
  it.each([
    { fails: false, state: 'succeeded', made: ['child.made', 'first.made', 'third.made'] },
    { fails: true, state: 'failed', made: [] },
  ])('is passed by the sample: $state', async ({ fails, state, made }) => {
    const { points } = await examineWorkflow(async () => {
      const database = new TestDatabase('postgres');
      const { folder } = database;
      const shared = await database.open([operationMigrations]);
      return {
        open: (reached) => openSample(folder, { reached, state: shared }),
        start: async (operations) => {
          const input = { folder, fails };
          return (await operations.start({ workflow: 'sample.make', input })).id;
        },
        check: async (operation, diedAt) => {
          const found = fs.readdirSync(folder).filter((name) => name.endsWith('.made'));
          expect([diedAt, operation.state, found.sort()]).toEqual([diedAt, state, made]);
        },
        remove: () => database.remove(),
      };
    });
    expect(points.length).toBeGreaterThanOrEqual(fails ? 22 : 16);
  });
});
