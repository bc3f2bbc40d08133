/**
 * Tempest's tests of identity v3, without the file that mostly waits (for lockouts and for seconds to pass); that one as
 * well, all 138, with PILEUS_TEST_TEMPEST=all. None may fail.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCloud } from '../../support/cloud.ts';
import { runTempest, tempestSettings } from './tempest.ts';

const all = process.env.PILEUS_TEST_TEMPEST === 'all';
const regex = String.raw`tempest\.api\.identity\.(admin\.)?v3\.${all ? '' : String.raw`(?!test_users\.)`}`;

let cloud: TestCloud;
beforeAll(async () => {
  cloud = await TestCloud.start('tempest', tempestSettings);
});
afterAll(() => cloud.remove());

it(`passes tempest’s identity v3 tests (${all ? 'all' : 'those that do not wait'})`, async () => {
  const { passed, skipped, failed } = await runTempest(cloud.info, regex);
  expect(failed).toEqual([]);
  expect(skipped).toBe(0);
  expect(passed).toBeGreaterThanOrEqual(all ? 138 : 120);
});
