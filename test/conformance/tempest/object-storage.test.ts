/**
 * Tempest's tests of object storage: what stages do, container sync with its worker included; with PILEUS_TEST_TEMPEST=all every
 * one of them (about a minute and a half). None may fail: Swift's own gate fails the one that needs a running sync.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCloud } from '../../support/cloud.ts';
import { Keystone } from '../../support/keystone.ts';
import { runTempest } from './tempest.ts';

const all = process.env.PILEUS_TEST_TEMPEST === 'all';
const some =
  'test_(container_sync|object_formpost|object_temp_url|object_version|account_bulk|container_quotas|crossdomain)';
const regex = String.raw`tempest\.api\.object_storage\.${all ? '' : some}`;

let cloud: TestCloud;
beforeAll(async () => {
  cloud = await TestCloud.start('tempest-swift');
  await cloud.down();
  // Tempest signs forms with sha1, and syncs the cloud with itself.
  const settings = [
    'image:',
    '  guest: false',
    'swift:',
    '  digests: sha1 sha256 sha512',
    `  syncRealms: realm1=key realm1/name1=${cloud.info.endpoints.swift}`,
    '  syncIntervalMs: 1000',
    '',
  ];
  fs.writeFileSync(join(cloud.data, 'settings.yaml'), settings.join('\n'));
  const keystone = await Keystone.open(await cloud.restart());
  await keystone.ensure('role', 'ResellerAdmin');
});
afterAll(() => cloud.remove());

it(`passes tempest’s object storage tests (${all ? 'all' : 'some'})`, async () => {
  const { passed, failed } = await runTempest(cloud.info, regex);
  expect(failed).toEqual([]);
  expect(passed).toBeGreaterThanOrEqual(all ? 137 : 18);
});
