/** The `openstack` client's network commands against a whole cloud, and the way from the machine to a router of it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run, runOk, TestCloud } from '../support/cloud.ts';

let cloud: TestCloud;

beforeAll(async () => {
  cloud = await TestCloud.start('network-client');
});

afterAll(() => cloud.remove());

const openrc = () => `. ${cloud.data}/openrc`;

/** Many commands in one client, since a client takes a second to start. */
async function openstack(commands: readonly string[]): Promise<string> {
  const text = commands.join('\n').replaceAll("'", "'\\''");
  const stdout = await runOk('sh', [
    '-c',
    `${openrc()}; printf '%s\\n' '${text}' | openstack 2>&1`,
  ]);
  return stdout;
}

describe('openstack network, subnet, router, port, floating ip, security group', () => {
  test('a project’s network from nothing to a floating IP', async () => {
    const said = await openstack([
      'network create --tag a red -f value -c mtu',
      'subnet pool create --pool-prefix 10.20.0.0/16 --default-prefix-length 24 pool -f value -c default_prefixlen',
      'subnet create --network red --subnet-pool pool s1 -f value -c cidr',
      'subnet set --dns-nameserver 9.9.9.9 s1',
      'router create --external-gateway public r -f value -c status',
      'router add subnet r s1',
      'router add route --route destination=10.77.0.0/16,gateway=10.20.0.9 r -f value -c routes',
      'security group create --stateless web -f value -c name',
      'security group rule create --protocol tcp --dst-port 22:23 --remote-ip 10.0.0.0/8 web -f value -c port_range_max',
      'address group create --address 192.0.2.0/24 ag -f value -c addresses',
      'security group rule create --protocol tcp --dst-port 443 --remote-address-group ag web -f value -c protocol',
      'port create --network red --security-group web --allowed-address ip-address=10.20.0.50 --dns-name web p -f value -c binding_vnic_type',
      'floating ip create --port p public -f value -c fixed_ip_address',
      'network qos policy create slow -f value -c name',
      'network qos rule create --type bandwidth-limit --max-kbps 1000 slow -f value -c max_kbps',
      'port set --qos-policy slow p',
      'port create --network red child -f value -c name',
      'network trunk create --parent-port p --subport port=child,segmentation-type=vlan,segmentation-id=7 tr -f value -c name',
      'network rbac create --type network --action access_as_shared --target-project service red -f value -c action',
      'address scope create scope -f value -c ip_version',
      'network list -f value -c Name',
      'port list --network red -f value -c Name',
      'security group rule list web -f value -c ID',
      'network auto allocated topology create -f value -c name',
      'network delete red',
    ]);
    for (const expected of [
      '1442',
      '10.20.0.0/24',
      'ACTIVE',
      '10.77.0.0/16',
      '192.0.2.0/24',
      'normal',
      '1000',
      'access_as_shared',
      'public',
      'NetworkInUse|still in use',
    ])
      expect(said).toMatch(new RegExp(expected));
    expect(said).not.toMatch(/unrecognized|Traceback|HTTP 5/);
  }, 120_000);

  test('everything goes again, and what is not there says so', async () => {
    const said = await openstack([
      'network trunk delete tr',
      'port delete child p',
      'router remove route --route destination=10.77.0.0/16,gateway=10.20.0.9 r -f value -c routes',
      'router remove subnet r s1',
      'network delete red',
      'security group delete web',
      'network segment list',
      'network list -f value -c Name',
    ]);
    expect(said).not.toMatch(/^red$/m);
    expect(said).toMatch(/public/);
    expect(said).toMatch(/501.*not implemented/);
  }, 120_000);

  test('the machine reaches a router of the cloud', async () => {
    const stdout = await runOk('sh', [
      '-c',
      `${openrc()}; openstack router show r -f json -c external_gateway_info`,
    ]);
    const address = /"ip_address": "([\d.]+)"/.exec(stdout)?.[1] ?? '';
    let reached = false;
    for (let attempt = 0; attempt < 20 && !reached; attempt++)
      reached = (await run('ping', ['-c', '1', '-W', '1', address])).code === 0;
    expect(reached).toBe(true);
  }, 60_000);
});
