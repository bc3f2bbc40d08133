/** What the API promises, on both engines of the state. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { engines } from '../state/testing/engines.ts';
import { admin, alice, bob, carol, type Json, openWorld, type World } from './testing/world.ts';

describe.each(engines)('networks on %s', (engine) => {
  let world: World;
  let net: Json;
  let subnet: Json;
  const call = (...args: Parameters<World['call']>) => world.call(...args);
  const make = (...args: Parameters<World['make']>) => world.make(...args);
  const typeOf = (json: Json) => String(json.NeutronError?.type);

  beforeAll(async () => {
    world = await openWorld(engine);
    net = await make(alice, 'networks', 'network', { name: 'red' });
    subnet = await make(alice, 'subnets', 'subnet', {
      network_id: net.id,
      ip_version: 4,
      cidr: '10.0.0.0/28',
    });
  }, 30_000);
  afterAll(() => world.close());

  test('a network and a subnet are as the reference fills them in', () => {
    expect(net).toMatchObject({
      name: 'red',
      admin_state_up: true,
      mtu: 1442,
      port_security_enabled: true,
      shared: false,
      'router:external': false,
      project_id: 'aaaa',
      tenant_id: 'aaaa',
      revision_number: 0,
      tags: [],
    });
    expect(net).not.toHaveProperty('provider:network_type');
    expect(subnet).toMatchObject({
      cidr: '10.0.0.0/28',
      gateway_ip: '10.0.0.1',
      enable_dhcp: true,
      allocation_pools: [{ start: '10.0.0.2', end: '10.0.0.14' }],
      dns_nameservers: [],
      host_routes: [],
      ip_version: 4,
      ipv6_ra_mode: null,
    });
  });

  test('addresses are given out once, whoever asks at the same time, until none is left', async () => {
    const answers = await Promise.all(
      Array.from({ length: 14 }, () =>
        call(alice, 'POST', '/v2.0/ports', { port: { network_id: net.id } }),
      ),
    );
    const made = answers.filter(({ status }) => status === 201).map(({ json }) => json.port);
    const refused = answers.filter(({ status }) => status !== 201);
    // Thirteen addresses, one of which is the metadata port's.
    expect(new Set(made.map((port) => port?.fixed_ips?.[0]?.ip_address)).size).toBe(12);
    expect(refused.map(({ status, json }) => [status, typeOf(json)])).toEqual([
      [409, 'IpAddressGenerationFailure'],
      [409, 'IpAddressGenerationFailure'],
    ]);
    for (const port of made)
      expect((await call(alice, 'DELETE', `/v2.0/ports/${port?.id}`)).status).toBe(204);
    const again = await make(alice, 'ports', 'port', { network_id: net.id, name: 'again' });
    expect((await call(alice, 'DELETE', `/v2.0/ports/${again.id}`)).status).toBe(204);
  });

  test('many at once are made together or not at all', async () => {
    const ports = (names: string[]) => ({
      ports: names.map((name) => ({ network_id: net.id, name })),
    });
    const { json, status } = await call(alice, 'POST', '/v2.0/ports', ports(['x', 'y']));
    expect([status, (json.ports as unknown as Json[]).map((port) => port.name)]).toEqual([
      201,
      ['x', 'y'],
    ]);
    const bad = {
      ports: [
        { network_id: net.id, name: 'z' },
        { network_id: net.id, fixed_ips: [{ ip_address: '10.0.0.99' }] },
      ],
    };
    expect((await call(alice, 'POST', '/v2.0/ports', bad)).status).toBe(400);
    expect((await call(alice, 'GET', '/v2.0/ports?name=z')).json.ports).toEqual([]);
    for (const name of ['x', 'y']) {
      const found = (await call(alice, 'GET', `/v2.0/ports?name=${name}`)).json.ports?.[0];
      await call(alice, 'DELETE', `/v2.0/ports/${found?.id}`);
    }
  });

  test('revisions count, and If-Match refuses what is old', async () => {
    const path = `/v2.0/networks/${net.id}`;
    const held = (await call(alice, 'GET', path)).json.network;
    const old = { 'if-match': `revision_number=${Number(held?.revision_number) - 1}` };
    expect((await call(alice, 'PUT', path, { network: { description: 'x' } }, old)).status).toBe(
      412,
    );
    const { json } = await call(alice, 'PUT', path, { network: { description: 'x' } });
    expect(json.network?.revision_number).toBe(Number(held?.revision_number) + 1);
  });

  test('filters, fields, order, pages and tags', async () => {
    for (const name of ['p1', 'p2', 'p3'])
      await make(alice, 'ports', 'port', { network_id: net.id, name });
    const names = async (query: string) =>
      (
        (await call(alice, 'GET', `/v2.0/ports?device_owner=&${query}`)).json
          .ports as unknown as Json[]
      ).map((port) => port.name);
    expect(await names('sort_key=name&sort_dir=desc')).toEqual(['p3', 'p2', 'p1']);
    expect(await names('name=p1&name=p2&sort_key=name')).toEqual(['p1', 'p2']);
    const first = (
      await call(
        alice,
        'GET',
        '/v2.0/ports?device_owner=&limit=2&sort_key=name&fields=name&fields=id',
      )
    ).json;
    expect(Object.keys(first.ports?.[0] ?? {}).sort()).toEqual(['id', 'name']);
    const next = new URL(String(first.ports_links?.[0]?.href));
    expect(
      (await call(alice, 'GET', `${next.pathname.replace('/network', '')}${next.search}`)).json
        .ports?.[0]?.name,
    ).toBe('p3');
    expect((await call(alice, 'GET', '/v2.0/ports?nonsense=1')).status).toBe(400);
    const { json } = await call(alice, 'GET', '/v2.0/ports?name=p1');
    const address = json.ports?.[0]?.fixed_ips?.[0]?.ip_address;
    expect(await names(`fixed_ips=ip_address=${address}`)).toEqual(['p1']);
    const path = `/v2.0/ports/${json.ports?.[0]?.id}/tags`;
    expect((await call(alice, 'PUT', `${path}/blue`)).status).toBe(201);
    expect(await names('tags=blue')).toEqual(['p1']);
    expect(await names('not-tags=blue&sort_key=name')).toEqual(['p2', 'p3']);
    expect((await call(alice, 'DELETE', `${path}/red`)).status).toBe(404);
    for (const port of (await call(alice, 'GET', '/v2.0/ports')).json.ports as unknown as Json[])
      await call(alice, 'DELETE', `/v2.0/ports/${port.id}`);
  });

  test('shared by RBAC: used by the other project, and not taken back while it is used', async () => {
    const policy = await make(alice, 'rbac-policies', 'rbac_policy', {
      object_type: 'network',
      object_id: net.id,
      action: 'access_as_shared',
      target_tenant: 'bbbb',
    });
    expect((await call(bob, 'GET', `/v2.0/networks/${net.id}`)).json.network?.shared).toBe(true);
    const port = await make(bob, 'ports', 'port', { network_id: net.id });
    expect((await call(alice, 'DELETE', `/v2.0/rbac-policies/${policy.id}`)).status).toBe(409);
    await call(bob, 'DELETE', `/v2.0/ports/${port.id}`);
    expect((await call(alice, 'DELETE', `/v2.0/rbac-policies/${policy.id}`)).status).toBe(204);
    expect((await call(bob, 'GET', `/v2.0/networks/${net.id}`)).status).toBe(404);
  });

  test('router, floating IP, and what cannot go while it is needed', async () => {
    const external = (await call(alice, 'GET', '/v2.0/networks?router:external=true')).json
      .networks?.[0];
    const router = await make(alice, 'routers', 'router', {
      name: 'r',
      external_gateway_info: { network_id: external?.id },
    });
    expect(router.external_gateway_info).toMatchObject({ enable_snat: true });
    const leg = (
      await call(alice, 'PUT', `/v2.0/routers/${router.id}/add_router_interface`, {
        subnet_id: subnet.id,
      })
    ).json;
    expect(leg).toMatchObject({ id: router.id, subnet_id: subnet.id, subnet_ids: [subnet.id] });
    const port = await make(alice, 'ports', 'port', { network_id: net.id });
    const floating = await make(alice, 'floatingips', 'floatingip', {
      floating_network_id: external?.id,
      port_id: port.id,
    });
    expect(floating).toMatchObject({
      router_id: router.id,
      fixed_ip_address: port.fixed_ips?.[0]?.ip_address,
      status: 'ACTIVE',
    });
    const refusals: [string, string, unknown, string][] = [
      [
        'PUT',
        `/v2.0/routers/${router.id}/remove_router_interface`,
        { subnet_id: subnet.id },
        'RouterInterfaceInUseByFloatingIP',
      ],
      [
        'PUT',
        `/v2.0/routers/${router.id}`,
        { router: { external_gateway_info: {} } },
        'RouterExternalGatewayInUseByFloatingIp',
      ],
      ['DELETE', `/v2.0/routers/${router.id}`, undefined, 'RouterInUse'],
      ['DELETE', `/v2.0/subnets/${subnet.id}`, undefined, 'SubnetInUse'],
      ['DELETE', `/v2.0/networks/${net.id}`, undefined, 'NetworkInUse'],
      ['DELETE', `/v2.0/ports/${leg.port_id}`, undefined, 'ServerPortInUse'],
      [
        'PUT',
        `/v2.0/routers/${router.id}`,
        { router: { routes: [{ destination: '10.9.0.0/24', nexthop: '10.77.0.1' }] } },
        'BadRequest',
      ],
    ];
    for (const [method, path, body, type] of refusals) {
      const { status, json } = await call(alice, method, path, body);
      expect([path, status >= 400, typeOf(json)]).toEqual([path, true, type]);
    }
    for (const path of [`floatingips/${floating.id}`, `ports/${port.id}`])
      expect((await call(alice, 'DELETE', `/v2.0/${path}`)).status).toBe(204);
    expect(
      (
        await call(alice, 'PUT', `/v2.0/routers/${router.id}/remove_router_interface`, {
          subnet_id: subnet.id,
        })
      ).status,
    ).toBe(200);
    expect((await call(alice, 'DELETE', `/v2.0/routers/${router.id}`)).status).toBe(204);
  });

  test('quotas count what is there and no more', async () => {
    await call(admin, 'PUT', '/v2.0/quotas/bbbb', { quota: { network: 2 } });
    const one = await make(bob, 'networks', 'network', { name: '1' });
    await make(bob, 'networks', 'network', { name: '2' });
    const { status, json } = await call(bob, 'POST', '/v2.0/networks', { network: { name: '3' } });
    expect([status, typeOf(json), json.NeutronError?.message]).toEqual([
      409,
      'OverQuota',
      "Quota exceeded for resources: ['network'].",
    ]);
    expect((await call(bob, 'GET', '/v2.0/quotas/bbbb/details.json')).json.quota?.network).toEqual({
      limit: 2,
      used: 2,
      reserved: 0,
    });
    await call(bob, 'DELETE', `/v2.0/networks/${one.id}`);
    await make(bob, 'networks', 'network', { name: '3' });
    expect((await call(admin, 'DELETE', '/v2.0/quotas/bbbb')).status).toBe(204);
  });

  test('subnets from pools, IPv6 by the MAC, provider networks once', async () => {
    const pool = await make(alice, 'subnetpools', 'subnetpool', {
      name: 'pool',
      prefixes: ['10.8.0.0/16'],
      default_prefixlen: 24,
    });
    const made = await make(alice, 'networks', 'network', { name: 'pooled' });
    const cut = async () =>
      (
        await make(alice, 'subnets', 'subnet', {
          network_id: made.id,
          ip_version: 4,
          subnetpool_id: pool.id,
        })
      ).cidr;
    expect([await cut(), await cut()]).toEqual(['10.8.0.0/24', '10.8.1.0/24']);
    await make(alice, 'subnets', 'subnet', {
      network_id: made.id,
      ip_version: 6,
      cidr: 'fd00:1::/64',
      ipv6_ra_mode: 'slaac',
      ipv6_address_mode: 'slaac',
    });
    const port = await make(admin, 'ports', 'port', {
      network_id: made.id,
      project_id: 'aaaa',
      mac_address: 'fa:16:3e:01:02:03',
    });
    expect((port.fixed_ips as unknown as Json[]).map((fixed) => fixed.ip_address)).toContain(
      'fd00:1::f816:3eff:fe01:203',
    );
    const vlan = {
      'provider:network_type': 'vlan',
      'provider:physical_network': 'lan',
      'provider:segmentation_id': 7,
    };
    await make(admin, 'networks', 'network', vlan);
    expect((await call(admin, 'POST', '/v2.0/networks', { network: vlan })).status).toBe(409);
  });

  test('trunks, QoS, address groups, automatic topology', async () => {
    const parent = await make(alice, 'ports', 'port', { network_id: net.id });
    const child = await make(alice, 'ports', 'port', { network_id: net.id });
    const trunk = await make(alice, 'trunks', 'trunk', {
      port_id: parent.id,
      sub_ports: [{ port_id: child.id, segmentation_type: 'vlan', segmentation_id: 5 }],
    });
    expect(
      (await call(alice, 'GET', `/v2.0/ports/${parent.id}`)).json.port?.trunk_details?.trunk_id,
    ).toBe(trunk.id);
    expect((await call(alice, 'DELETE', `/v2.0/ports/${child.id}`)).status).toBe(409);
    expect((await call(alice, 'DELETE', `/v2.0/trunks/${trunk.id}`)).status).toBe(204);
    const policy = await make(admin, 'qos/policies', 'policy', { name: 'slow', shared: true });
    await make(admin, `qos/policies/${policy.id}/bandwidth_limit_rules`, 'bandwidth_limit_rule', {
      max_kbps: 1000,
    });
    expect(
      (await call(alice, 'PUT', `/v2.0/ports/${parent.id}`, { port: { qos_policy_id: policy.id } }))
        .status,
    ).toBe(200);
    expect((await call(admin, 'DELETE', `/v2.0/qos/policies/${policy.id}`)).status).toBe(409);
    const group = await make(alice, 'address-groups', 'address_group', {
      name: 'far',
      addresses: ['192.0.2.0/24'],
    });
    expect(
      (
        await call(alice, 'PUT', `/v2.0/address-groups/${group.id}/add_addresses`, {
          addresses: ['198.51.100.7/32'],
        })
      ).json.address_group?.addresses,
    ).toHaveLength(2);
    const topology = (await call(bob, 'GET', '/v2.0/auto-allocated-topology/bbbb')).json
      .auto_allocated_topology;
    expect(
      (await call(bob, 'GET', '/v2.0/auto-allocated-topology/bbbb')).json.auto_allocated_topology
        ?.id,
    ).toBe(topology?.id);
    expect((await call(bob, 'DELETE', '/v2.0/auto-allocated-topology/bbbb')).status).toBe(204);
  });

  test('attacks from the API are refused, each in the words of its refusal', async () => {
    const secret = await make(alice, 'networks', 'network', { name: 'secret' });
    const inner = await make(alice, 'subnets', 'subnet', {
      network_id: secret.id,
      ip_version: 4,
      cidr: '10.5.0.0/24',
    });
    const port = await make(alice, 'ports', 'port', { network_id: secret.id });
    const group = (await call(alice, 'GET', '/v2.0/security-groups')).json.security_groups?.[0];
    const router = await make(alice, 'routers', 'router', { name: 'mine' });
    const own = await make(bob, 'networks', 'network', { name: 'own' });
    const mine = await make(bob, 'subnets', 'subnet', {
      network_id: own.id,
      ip_version: 4,
      cidr: '10.6.0.0/24',
    });
    const theirs = await make(bob, 'routers', 'router', { name: 'theirs' });
    const external = (await call(bob, 'GET', '/v2.0/networks?router:external=true')).json
      .networks?.[0];
    const attacks: [string, string, string, string, unknown, number][] = [
      ["see another project's network", bob, 'GET', `networks/${secret.id}`, undefined, 404],
      ['change it', bob, 'PUT', `networks/${secret.id}`, { network: { name: 'x' } }, 404],
      ['delete it', bob, 'DELETE', `networks/${secret.id}`, undefined, 404],
      ['put a port on it', bob, 'POST', 'ports', { port: { network_id: secret.id } }, 404],
      [
        'put a subnet on it',
        bob,
        'POST',
        'subnets',
        { subnet: { network_id: secret.id, ip_version: 4, cidr: '10.7.0.0/24' } },
        404,
      ],
      ["see another's port", bob, 'GET', `ports/${port.id}`, undefined, 404],
      [
        "turn off another's port security",
        bob,
        'PUT',
        `ports/${port.id}`,
        { port: { port_security_enabled: false } },
        404,
      ],
      [
        "lead a floating IP to another's port",
        bob,
        'POST',
        'floatingips',
        { floatingip: { floating_network_id: external?.id, port_id: port.id } },
        404,
      ],
      [
        "use another's security group",
        bob,
        'POST',
        'ports',
        { port: { network_id: own.id, security_groups: [group?.id] } },
        404,
      ],
      [
        "add a rule to another's group",
        bob,
        'POST',
        'security-group-rules',
        { security_group_rule: { security_group_id: group?.id, direction: 'ingress' } },
        404,
      ],
      [
        "name another's group in a rule",
        bob,
        'POST',
        'security-group-rules',
        {
          security_group_rule: {
            security_group_id: (await call(bob, 'GET', '/v2.0/security-groups')).json
              .security_groups?.[0]?.id,
            direction: 'ingress',
            remote_group_id: group?.id,
          },
        },
        404,
      ],
      [
        "join another's subnet to an own router",
        bob,
        'PUT',
        `routers/${theirs.id}/add_router_interface`,
        { subnet_id: inner.id },
        404,
      ],
      [
        "join another's port to an own router",
        bob,
        'PUT',
        `routers/${theirs.id}/add_router_interface`,
        { port_id: port.id },
        404,
      ],
      [
        "join an own subnet to another's router",
        bob,
        'PUT',
        `routers/${router.id}/add_router_interface`,
        { subnet_id: mine.id },
        404,
      ],
      [
        "share another's network with oneself",
        bob,
        'POST',
        'rbac-policies',
        {
          rbac_policy: {
            object_type: 'network',
            object_id: secret.id,
            action: 'access_as_shared',
            target_tenant: 'bbbb',
          },
        },
        404,
      ],
      [
        'share with everybody',
        bob,
        'POST',
        'rbac-policies',
        {
          rbac_policy: {
            object_type: 'network',
            object_id: own.id,
            action: 'access_as_shared',
            target_tenant: '*',
          },
        },
        403,
      ],
      [
        'make a network that leads out',
        bob,
        'POST',
        'networks',
        { network: { 'router:external': true } },
        403,
      ],
      [
        'choose a VLAN',
        bob,
        'POST',
        'networks',
        {
          network: {
            'provider:network_type': 'vlan',
            'provider:physical_network': 'lan',
            'provider:segmentation_id': 9,
          },
        },
        403,
      ],
      [
        'make a network for another project',
        bob,
        'POST',
        'networks',
        { network: { project_id: 'aaaa' } },
        403,
      ],
      [
        'choose a floating address',
        bob,
        'POST',
        'floatingips',
        { floatingip: { floating_network_id: external?.id, floating_ip_address: '172.24.4.200' } },
        403,
      ],
      [
        'choose an address of the external network',
        bob,
        'POST',
        'ports',
        { port: { network_id: external?.id, fixed_ips: [{ ip_address: '172.24.4.9' }] } },
        403,
      ],
      [
        'bind a port to a host',
        bob,
        'POST',
        'ports',
        { port: { network_id: own.id, 'binding:host_id': 'h' } },
        403,
      ],
      [
        'turn SNAT off',
        bob,
        'POST',
        'routers',
        { router: { external_gateway_info: { network_id: external?.id, enable_snat: false } } },
        403,
      ],
      ['raise an own quota', bob, 'PUT', 'quotas/bbbb', { quota: { network: 1000 } }, 403],
      ["read another's quota", bob, 'GET', 'quotas/aaaa', undefined, 403],
      ['look at an agent', bob, 'GET', 'agents/x', undefined, 403],
      ['make things as a reader', carol, 'POST', 'networks', { network: {} }, 403],
      [
        'take an address outside',
        alice,
        'POST',
        'ports',
        { port: { network_id: secret.id, fixed_ips: [{ ip_address: '10.99.0.1' }] } },
        400,
      ],
      [
        'take the broadcast address',
        alice,
        'POST',
        'ports',
        {
          port: {
            network_id: secret.id,
            fixed_ips: [{ subnet_id: inner.id, ip_address: '10.5.0.255' }],
          },
        },
        400,
      ],
      [
        'a MAC for many',
        alice,
        'POST',
        'ports',
        { port: { network_id: secret.id, mac_address: 'ff:ff:ff:ff:ff:ff' } },
        400,
      ],
      [
        'an overlapping subnet',
        alice,
        'POST',
        'subnets',
        { subnet: { network_id: secret.id, ip_version: 4, cidr: '10.5.0.128/25' } },
        400,
      ],
      [
        'a gateway in the pool',
        alice,
        'POST',
        'subnets',
        {
          subnet: {
            network_id: secret.id,
            ip_version: 4,
            cidr: '10.4.0.0/24',
            allocation_pools: [{ start: '10.4.0.1', end: '10.4.0.9' }],
          },
        },
        400,
      ],
      [
        'actions of flows by a DHCP option',
        alice,
        'POST',
        'ports',
        {
          port: {
            network_id: secret.id,
            extra_dhcp_opts: [{ opt_name: 'mtu', opt_value: '1400); output; next;' }],
          },
        },
        400,
      ],
      [
        'the same in a text',
        alice,
        'POST',
        'ports',
        {
          port: {
            network_id: secret.id,
            extra_dhcp_opts: [{ opt_name: 'domain-name', opt_value: 'a"); output; #' }],
          },
        },
        400,
      ],
      [
        'an OVN match by a name',
        alice,
        'PUT',
        `ports/${port.id}`,
        { port: { dns_name: 'x" || 1 == 1 || "' } },
        400,
      ],
      [
        'a rule that is no rule',
        alice,
        'POST',
        'security-group-rules',
        {
          security_group_rule: {
            security_group_id: group?.id,
            direction: 'ingress',
            protocol: 'tcp && 1',
          },
        },
        400,
      ],
      ['NUL in a name', alice, 'POST', 'networks', { network: { name: 'a\0b' } }, 400],
      [
        'an attribute that nobody knows',
        alice,
        'POST',
        'networks',
        { network: { __proto__x: 1 } },
        400,
      ],
      ["an id of one's own", alice, 'POST', 'networks', { network: { id: secret.id } }, 400],
      ['a list where an object is', alice, 'POST', 'networks', { network: [] }, 400],
      [
        'a thousand at once',
        alice,
        'POST',
        'networks',
        { networks: Array.from({ length: 1000 }, () => ({})) },
        400,
      ],
      ['no token', '', 'GET', 'networks', undefined, 401],
    ];
    for (const [what, who, method, path, body, status] of attacks) {
      const answer = await call(who, method, `/v2.0/${path}`, body);
      expect([what, answer.status]).toEqual([what, status]);
      expect(typeOf(answer.json).length).toBeGreaterThan(3);
    }
    const seen = (await call(bob, 'GET', `/v2.0/ports?network_id=${secret.id}`)).json.ports;
    expect(seen).toEqual([]);
  });
});
