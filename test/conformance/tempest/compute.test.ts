/**
 * Tempest's tests of servers over the driver that only keeps the books: a selection that takes few servers, all of them with
 * PILEUS_TEST_TEMPEST=all. None may fail but what is named here.
 */
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCloud } from '../../support/cloud.ts';
import { runTempest } from './tempest.ts';

const all = process.env.PILEUS_TEST_TEMPEST === 'all';

/** Services' older doors in the compute API, gone since 2.36; and what is refused: swapping volumes, x509, switching hosts, limits nobody counts. */
const absent = [
  ...['floating_ips', 'test_networks\\.', 'test_tenant_networks', 'test_extensions'],
  ...['volumes\\.test_volumes_', 'volumes\\.test_volume_snapshots', 'test_volume_swap'],
  ...['test_update_attached_volume', 'keypairsv22_create_list_show_with_type'],
  ...['test_hosts_negative', 'test_update_all_quota', 'test_update_default_quotas'],
  ...['usage_tenant_with_empty_tenant_id', 'UpdateMultiattach', 'AttachVolumeMultiAttach'],
  // Names are compared by a part, not by expressions; there is one version of the API.
  ...['by_name_regex', 'test_list_api_versions'],
  // Consoles of guests that are not there; networks' own metadata ports.
  ...['test_novnc', 'live_migration_serial_console', 'test_auto_allocate_network'],
  ...['bfv_blank_volume', 'test_delete_saving_image'],
];
const everything = `^(?!.*(${absent.join('|')})).*tempest\\.api\\.compute`;
const selection = [
  ...['keypairs\\.test_keypairs\\.', 'flavors\\.', 'servers\\.test_server_metadata\\.'],
  'admin\\.test_(aggregates|flavors|hypervisor|hosts|quotas)\\.',
];
const regex = all
  ? everything
  : `^(?!.*(${absent.join('|')})).*tempest\\.api\\.compute\\.(${selection.join('|')})`;

let cloud: TestCloud;
beforeAll(async () => {
  cloud = await TestCloud.start(
    'tempest-compute',
    'image:\n  guest: false\ncompute:\n  hypervisor: fake\n  hosts: 2\n',
  );
}, 120_000);
afterAll(async () => {
  await cloud.remove();
});

const openstack = (...args: string[]): string =>
  execFileSync('/usr/bin/openstack', [...args, '-f', 'value', '-c', 'id'], {
    env: { OS_CLIENT_CONFIG_FILE: `${cloud.data}/clouds.yaml`, OS_CLOUD: 'pileus' },
    encoding: 'utf8',
  }).trim();

it(`passes tempest’s compute tests (${all ? 'all' : 'a selection'})`, async () => {
  const blank = join(cloud.data, '..', 'blank.raw');
  fs.writeFileSync(blank, Buffer.alloc(1024 * 1024));
  const image = (name: string) =>
    openstack('image', 'create', '--public', '--disk-format', 'raw', '--file', blank, name);
  const flavor = (name: string, size: string) =>
    openstack('flavor', 'create', '--ram', `${Number(size) * 64}`, '--disk', size, name);
  const { passed, failed } = await runTempest(cloud.info, regex, {
    service_available: { nova: true, glance: true, neutron: true, cinder: true },
    compute: {
      image_ref: image('one'),
      image_ref_alt: image('two'),
      flavor_ref: flavor('one', '1'),
      flavor_ref_alt: flavor('two', '2'),
      ...{ build_interval: 1, build_timeout: 120, min_compute_nodes: 2, hypervisor_type: 'fake' },
      ...{ min_microversion: '2.1', max_microversion: '2.93' },
    },
    'compute-feature-enabled': {
      ...{ resize: true, pause: true, suspend: true, shelve: true, rescue: true, snapshot: true },
      ...{ cold_migration: true, live_migration: true, volume_backed_live_migration: true },
      ...{ block_migration_for_live_migration: false, console_output: true, config_drive: true },
      ...{ interface_attach: true, personality: false, change_password: false, swap_volume: false },
      ...{ enable_instance_password: true, vnc_console: true, serial_console: true },
      ...{ volume_multiattach: false, attach_encrypted_volume: false, stable_rescue: true },
    },
    network: { public_network_id: openstack('network', 'show', 'public') },
    volume: { build_interval: 1, catalog_type: 'volumev3', storage_protocol: 'nbd' },
    image: { build_interval: 1 },
  });
  expect(failed).toEqual([]);
  expect(passed).toBeGreaterThanOrEqual(all ? 250 : 40);
}, 900_000);
