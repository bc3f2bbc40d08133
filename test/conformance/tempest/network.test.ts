/**
 * Tempest's tests of networks: those that delete no subnets (Debian's client waits ten seconds after each); every one of them with
 * PILEUS_TEST_TEMPEST=all (about ten minutes). None may fail. What is skipped asks for extensions that `GET /v2.0/extensions` does not
 * name (agents' schedulers, metering, DVR), or for servers.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCloud } from '../../support/cloud.ts';
import { Keystone } from '../../support/keystone.ts';
import { runTempest } from './tempest.ts';

const all = process.env.PILEUS_TEST_TEMPEST === 'all';
const quick =
  '(test_(security_groups|subnetpools_extensions|versions|extensions|networks_negative|service_providers))';
const regex = String.raw`^tempest\.api\.network\.${all ? '' : quick}`;

let cloud: TestCloud;
beforeAll(async () => {
  cloud = await TestCloud.start('tempest-network');
});
afterAll(() => cloud.remove());

it(`passes tempest’s network tests (${all ? 'all' : 'those that do not wait'})`, async () => {
  const keystone = await Keystone.open(cloud.info);
  const get = async (path: string): Promise<unknown> => {
    const answer = await fetch(`${cloud.info.endpoints.api}/network/v2.0/${path}`, {
      headers: { 'x-auth-token': keystone.token },
    });
    expect(answer.status).toBe(200);
    return await answer.json();
  };
  const { extensions } = (await get('extensions')) as { extensions: { alias: string }[] };
  const { networks } = (await get('networks?router:external=true')) as {
    networks: { id: string }[];
  };
  const { passed, failed } = await runTempest(cloud.info, regex, {
    service_available: { neutron: true, nova: false, cinder: false, glance: false },
    network: {
      public_network_id: networks[0]?.id ?? '',
      floating_network_name: 'public',
      project_network_cidr: '10.100.0.0/16',
    },
    'network-feature-enabled': {
      api_extensions: extensions.map(({ alias }) => alias).join(','),
      port_admin_state_change: true,
    },
  });
  expect(failed).toEqual([]);
  expect(passed).toBeGreaterThanOrEqual(all ? 200 : 30);
});
