/**
 * What a project may not do to another, or to the cloud, over the API: each attack is numbered, refused, and changes nothing that
 * its victim sees. Attacks by packets are in `ovn.test.ts`, where there are guests.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { admin, alice, bob, carol, type Json, openWorld, type World } from './testing/world.ts';

let world: World;
/** What Alice has, what Bob has, and what is the cloud's. */
const of: Record<string, Json | undefined> = {};
const id = (name: string) => String(of[name]?.id);
const addressOf = (name: string) => String(of[name]?.fixed_ips?.[0]?.ip_address);

async function fill(token: string, who: string): Promise<void> {
  const make = async (name: string, path: string, member: string, body: object) => {
    of[`${who} ${name}`] = await world.make(token, path, member, body);
  };
  const mine = (name: string) => id(`${who} ${name}`);
  await make('net', 'networks', 'network', { name: 'net' });
  const network_id = mine('net');
  await make('subnet', 'subnets', 'subnet', { network_id, ip_version: 4, cidr: '10.1.0.0/24' });
  await make('group', 'security-groups', 'security_group', { name: 'web' });
  await make('rule', 'security-group-rules', 'security_group_rule', {
    ...{ security_group_id: mine('group'), direction: 'ingress', protocol: 'tcp' },
    ...{ port_range_min: 22, port_range_max: 22 },
  });
  await make('port', 'ports', 'port', { network_id, security_groups: [mine('group')] });
  await make('child', 'ports', 'port', { network_id });
  await make('spare', 'ports', 'port', { network_id });
  await make('trunk', 'trunks', 'trunk', { port_id: mine('child') });
  const gateway = { network_id: id('external') };
  await make('router', 'routers', 'router', { external_gateway_info: gateway });
  const plugged = await world.call(
    token,
    'PUT',
    `/v2.0/routers/${mine('router')}/add_router_interface`,
    { subnet_id: mine('subnet') },
  );
  expect(plugged.status).toBe(200);
  await make('floating', 'floatingips', 'floatingip', { floating_network_id: id('external') });
  await make('pool', 'subnetpools', 'subnetpool', {
    ...{ name: 'pool', prefixes: ['10.64.0.0/16'], default_prefixlen: 24 },
  });
  await make('addresses', 'address-groups', 'address_group', {
    ...{ name: 'a', addresses: ['192.0.2.0/24'] },
  });
  await make('scope', 'address-scopes', 'address_scope', { name: 's', ip_version: 4 });
}

/** Everything of Alice's, as she sees it. */
async function seen(): Promise<string> {
  const kinds = [
    ...['networks', 'subnets', 'ports', 'routers', 'floatingips', 'subnetpools', 'address-scopes'],
    ...['security-groups', 'security-group-rules', 'trunks', 'address-groups', 'rbac-policies'],
  ];
  const answers = await Promise.all(
    kinds.map((kind) => world.call(alice, 'GET', `/v2.0/${kind}?project_id=aaaa`)),
  );
  return JSON.stringify(answers.map(({ json }) => json));
}

beforeAll(async () => {
  world = await openWorld();
  const external = await world.call(admin, 'GET', '/v2.0/networks?router:external=true');
  of.external = external.json.networks?.[0];
  await fill(alice, 'alice');
  await fill(bob, 'bob');
  of['cloud policy'] = await world.make(admin, 'qos/policies', 'policy', { name: 'private' });
  of['cloud net'] = await world.make(admin, 'networks', 'network', {
    name: 'shared',
    shared: true,
  });
  of['cloud subnet'] = await world.make(admin, 'subnets', 'subnet', {
    ...{ network_id: id('cloud net'), ip_version: 4, cidr: '10.9.0.0/24' },
  });
});
afterAll(() => world.close());

interface Attack {
  readonly what: string;
  readonly by?: string;
  readonly call: () => readonly [method: string, path: string, body?: object];
  /** What it may be answered. */
  readonly answers: readonly number[];
}

const attack = (
  what: string,
  answers: readonly number[],
  call: Attack['call'],
  by = bob,
): Attack => ({
  ...{ what, answers, call, by },
});

/** Kinds of which Bob knows an id of Alice's. */
const kinds = [
  ['networks', 'network', 'net'],
  ['subnets', 'subnet', 'subnet'],
  ['ports', 'port', 'port'],
  ['routers', 'router', 'router'],
  ['floatingips', 'floatingip', 'floating'],
  ['security-groups', 'security_group', 'group'],
  ['subnetpools', 'subnetpool', 'pool'],
  ['address-groups', 'address_group', 'addresses'],
  ['address-scopes', 'address_scope', 'scope'],
  ['trunks', 'trunk', 'trunk'],
] as const;

const another = kinds.flatMap(([path, member, name]) => [
  attack(`read ${path} by id`, [404], () => ['GET', `/v2.0/${path}/${id(`alice ${name}`)}`]),
  attack(`change ${path}`, [404], () => [
    'PUT',
    `/v2.0/${path}/${id(`alice ${name}`)}`,
    { [member]: path === 'floatingips' ? { description: 'mine' } : { name: 'mine' } },
  ]),
  attack(`delete ${path}`, [404], () => ['DELETE', `/v2.0/${path}/${id(`alice ${name}`)}`]),
  attack(`tag ${path}`, [404], () => ['PUT', `/v2.0/${path}/${id(`alice ${name}`)}/tags/mine`]),
  attack(`give ${path} to another project`, [400, 403], () => [
    'PUT',
    `/v2.0/${path}/${id(`bob ${name}`)}`,
    { [member]: { project_id: 'aaaa' } },
  ]),
]);

const post = (path: string, member: string, body: object) =>
  ['POST', `/v2.0/${path}`, { [member]: body }] as const;
const put = (path: string, member: string, name: string, body: object) =>
  ['PUT', `/v2.0/${path}/${id(name)}`, { [member]: body }] as const;
const action = (path: string, name: string, verb: string, body: object) =>
  ['PUT', `/v2.0/${path}/${id(name)}/${verb}`, body] as const;
const port = (body: object) => post('ports', 'port', body);
const ownPort = (body: object) => put('ports', 'port', 'bob spare', body);
const fixed = (name: string) => ({
  network_id: id('bob net'),
  fixed_ips: [{ subnet_id: id(name) }],
});
const ruled = (body: object) =>
  post('security-group-rules', 'security_group_rule', { direction: 'ingress', ...body });

const references = [
  attack('a port on another’s network', [404], () => port({ network_id: id('alice net') })),
  attack('a port with an address of another’s subnet', [400, 404], () =>
    port(fixed('alice subnet')),
  ),
  attack('a port with another’s group', [404], () =>
    port({ network_id: id('bob net'), security_groups: [id('alice group')] }),
  ),
  attack('another’s group on one’s port', [404], () =>
    ownPort({ security_groups: [id('alice group')] }),
  ),
  attack('a subnet in another’s network', [404], () =>
    post('subnets', 'subnet', {
      ...{ network_id: id('alice net'), ip_version: 4, cidr: '10.7.0.0/24' },
    }),
  ),
  attack('a subnet from another’s pool', [404], () =>
    post('subnets', 'subnet', {
      ...{ network_id: id('bob net'), ip_version: 4, subnetpool_id: id('alice pool') },
    }),
  ),
  attack('a pool in another’s scope', [404], () =>
    put('subnetpools', 'subnetpool', 'bob pool', { address_scope_id: id('alice scope') }),
  ),
  attack('one’s router into another’s subnet', [404], () =>
    action('routers', 'bob router', 'add_router_interface', { subnet_id: id('alice subnet') }),
  ),
  attack('one’s router onto another’s port', [404], () =>
    action('routers', 'bob router', 'add_router_interface', { port_id: id('alice spare') }),
  ),
  attack('another’s router into one’s subnet', [404], () =>
    action('routers', 'alice router', 'add_router_interface', { subnet_id: id('bob subnet') }),
  ),
  attack('another’s subnet off its router', [404], () =>
    action('routers', 'alice router', 'remove_router_interface', { subnet_id: id('alice subnet') }),
  ),
  attack('routes in another’s router', [404], () =>
    action('routers', 'alice router', 'add_extraroutes', {
      router: { routes: [{ destination: '0.0.0.0/1', nexthop: '10.1.0.9' }] },
    }),
  ),
  attack('a gateway to another’s network', [400, 404], () =>
    put('routers', 'router', 'bob router', {
      external_gateway_info: { network_id: id('alice net') },
    }),
  ),
  attack('a gateway without SNAT', [403], () =>
    put('routers', 'router', 'bob router', {
      external_gateway_info: { network_id: id('external'), enable_snat: false },
    }),
  ),
  attack('a gateway with an address of one’s choice', [403], () =>
    put('routers', 'router', 'bob router', {
      external_gateway_info: {
        network_id: id('external'),
        external_fixed_ips: [{ ip_address: '172.24.4.9' }],
      },
    }),
  ),
  attack('another’s floating IP to one’s port', [404], () =>
    put('floatingips', 'floatingip', 'alice floating', { port_id: id('bob spare') }),
  ),
  attack('one’s floating IP to another’s port', [404], () =>
    put('floatingips', 'floatingip', 'bob floating', { port_id: id('alice port') }),
  ),
  attack('a floating IP with an address that another has', [403, 409], () =>
    post('floatingips', 'floatingip', {
      floating_network_id: id('external'),
      floating_ip_address: of['alice floating']?.floating_ip_address,
    }),
  ),
  attack('a floating IP of a network of one’s own', [400, 404], () =>
    post('floatingips', 'floatingip', { floating_network_id: id('bob net') }),
  ),
  attack('a way in through another’s floating IP', [404], () =>
    post(`floatingips/${id('alice floating')}/port_forwardings`, 'port_forwarding', {
      ...{ protocol: 'tcp', external_port: 22, internal_port: 22 },
      ...{ internal_port_id: id('bob spare'), internal_ip_address: '10.1.0.5' },
    }),
  ),
  attack('a way through one’s floating IP to another’s port', [404], () =>
    post(`floatingips/${id('bob floating')}/port_forwardings`, 'port_forwarding', {
      ...{ protocol: 'tcp', external_port: 22, internal_port: 22 },
      ...{ internal_port_id: id('alice port'), internal_ip_address: '10.1.0.5' },
    }),
  ),
  attack('a rule in another’s group', [404], () => ruled({ security_group_id: id('alice group') })),
  attack('another’s rule deleted', [404], () => [
    'DELETE',
    `/v2.0/security-group-rules/${id('alice rule')}`,
  ]),
  attack('a rule for members of another’s group', [404], () =>
    ruled({ security_group_id: id('bob group'), remote_group_id: id('alice group') }),
  ),
  attack('a rule for another’s address group', [404], () =>
    ruled({ security_group_id: id('bob group'), remote_address_group_id: id('alice addresses') }),
  ),
  attack('addresses into another’s address group', [404], () =>
    action('address-groups', 'alice addresses', 'add_addresses', {
      address_group: { addresses: ['0.0.0.0/0'] },
    }),
  ),
  attack('another’s port as one’s trunk', [404], () =>
    post('trunks', 'trunk', { port_id: id('alice port') }),
  ),
  attack('another’s port as a subport', [404], () =>
    action('trunks', 'bob trunk', 'add_subports', {
      sub_ports: [{ port_id: id('alice spare'), segmentation_type: 'vlan', segmentation_id: 7 }],
    }),
  ),
  attack('another’s trunk emptied', [404], () =>
    action('trunks', 'alice trunk', 'remove_subports', { sub_ports: [] }),
  ),
  attack('a policy of quality that is not shared', [404], () =>
    ownPort({ qos_policy_id: id('cloud policy') }),
  ),
];

const powers = [
  attack('a port of a network that is shared, with a MAC of one’s choice', [403], () =>
    port({ network_id: id('cloud net'), mac_address: 'fa:16:3e:00:00:01' }),
  ),
  attack('… with an address of one’s choice', [403], () =>
    port({ network_id: id('cloud net'), fixed_ips: [{ ip_address: '10.9.0.77' }] }),
  ),
  attack('… with addresses that others have', [403], () =>
    port({
      network_id: id('cloud net'),
      allowed_address_pairs: [{ ip_address: '10.9.0.0/24' }],
    }),
  ),
  attack('… without port security', [403], () =>
    port({ network_id: id('cloud net'), port_security_enabled: false }),
  ),
  attack('… as its DHCP server', [403], () =>
    port({ network_id: id('cloud net'), device_owner: 'network:dhcp' }),
  ),
  attack('… as its router', [403], () =>
    port({ network_id: id('cloud net'), device_owner: 'network:router_interface' }),
  ),
  attack('a subnet in a network that is shared', [403, 404], () =>
    post('subnets', 'subnet', {
      ...{ network_id: id('cloud net'), ip_version: 4, cidr: '10.8.0.0/24' },
    }),
  ),
  attack('a port bound to a host', [403], () =>
    port({ network_id: id('bob net'), 'binding:host_id': 'controller' }),
  ),
  attack('a port bound by a profile', [403], () =>
    ownPort({ 'binding:profile': { parent_name: id('alice port'), tag: 1 } }),
  ),
  attack('a port for another project', [403, 404], () =>
    port({ network_id: id('bob net'), project_id: 'aaaa' }),
  ),
  attack('a port that takes the place of another’s address', [409], () =>
    port({ network_id: id('bob net'), fixed_ips: [{ ip_address: '10.1.0.1' }] }),
  ),
  attack('a network for another project', [403], () =>
    post('networks', 'network', { name: 'n', project_id: 'aaaa' }),
  ),
  attack('a network for all', [403], () => post('networks', 'network', { shared: true })),
  attack('one’s network made one for all', [403], () =>
    put('networks', 'network', 'bob net', { shared: true }),
  ),
  attack('an external network', [403], () =>
    post('networks', 'network', { 'router:external': true }),
  ),
  attack('one’s network made external', [403], () =>
    put('networks', 'network', 'bob net', { 'router:external': true }),
  ),
  attack('a network on a wire of the cloud', [403], () =>
    post('networks', 'network', {
      'provider:network_type': 'flat',
      'provider:physical_network': 'public',
    }),
  ),
  attack('a network with another’s number', [403], () =>
    post('networks', 'network', {
      'provider:network_type': 'geneve',
      'provider:segmentation_id': 1,
    }),
  ),
  attack('the external network changed', [403, 404], () =>
    put('networks', 'network', 'external', { name: 'mine' }),
  ),
  attack('the external network deleted', [403, 404], () => [
    'DELETE',
    `/v2.0/networks/${id('external')}`,
  ]),
  attack('a pool for all', [403], () =>
    post('subnetpools', 'subnetpool', { name: 'p', prefixes: ['10.0.0.0/8'], shared: true }),
  ),
  attack('the pool that all use by default', [403], () =>
    put('subnetpools', 'subnetpool', 'bob pool', { is_default: true }),
  ),
  attack('a scope for all', [403], () =>
    post('address-scopes', 'address_scope', { name: 's', ip_version: 4, shared: true }),
  ),
  attack('another’s network shared with oneself', [404], () =>
    post('rbac-policies', 'rbac_policy', {
      ...{ object_type: 'network', object_id: id('alice net') },
      ...{ action: 'access_as_shared', target_tenant: 'bbbb' },
    }),
  ),
  attack('one’s network forced on all', [403], () =>
    post('rbac-policies', 'rbac_policy', {
      ...{ object_type: 'network', object_id: id('bob net') },
      ...{ action: 'access_as_shared', target_tenant: '*' },
    }),
  ),
  attack('a router of one’s choice of place', [403], () =>
    post('routers', 'router', { name: 'r', distributed: true }),
  ),
  attack('a policy of quality', [403], () => post('qos/policies', 'policy', { name: 'fast' })),
  attack('a larger quota', [403], () => ['PUT', '/v2.0/quotas/bbbb', { quota: { port: -1 } }]),
  attack('another’s quota', [403, 404], () => ['GET', '/v2.0/quotas/aaaa']),
  attack('a quota taken away', [403], () => ['DELETE', '/v2.0/quotas/aaaa']),
  attack('how full networks are', [403], () => [
    'GET',
    `/v2.0/network-ip-availabilities/${id('alice net')}`,
  ]),
  attack('another’s topology', [400, 403, 404], () => [
    'GET',
    '/v2.0/auto-allocated-topology/aaaa',
  ]),
  attack('anything by who may only read', [403], () => post('networks', 'network', {}), carol),
  attack(
    'a deletion by who may only read',
    [403],
    () => ['DELETE', `/v2.0/networks/${id('alice net')}`],
    carol,
  ),
  attack(
    'a subnet deleted by who may only read',
    [403],
    () => ['DELETE', `/v2.0/subnets/${id('alice subnet')}`],
    carol,
  ),
  attack(
    'a port made by who may only read',
    [403],
    () => port({ network_id: id('alice net') }),
    carol,
  ),
  attack(
    'a port deleted by who may only read',
    [403],
    () => ['DELETE', `/v2.0/ports/${id('alice spare')}`],
    carol,
  ),
  attack(
    'a port changed by who may only read',
    [403],
    () => put('ports', 'port', 'alice spare', { port_security_enabled: false }),
    carol,
  ),
  attack(
    'a way in opened by who may only read',
    [403],
    () =>
      post(`floatingips/${id('alice floating')}/port_forwardings`, 'port_forwarding', {
        ...{ protocol: 'tcp', external_port: 22, internal_port: 22 },
        ...{ internal_port_id: id('alice port'), internal_ip_address: addressOf('alice port') },
      }),
    carol,
  ),
  attack('anything without a token', [401], () => ['GET', '/v2.0/networks'], ''),
  attack('a match in OVN’s language as an address', [400], () =>
    ownPort({ allowed_address_pairs: [{ ip_address: '10.1.0.9 || 1' }] }),
  ),
  attack('a match in OVN’s language as a protocol', [400], () =>
    ruled({ security_group_id: id('bob group'), protocol: 'tcp || ip' }),
  ),
];

const attacks = [...another, ...references, ...powers].map((one, at) => ({
  ...one,
  number: at + 1,
}));

test.each(attacks)('$number: $what', async ({ by, call, answers }) => {
  const before = await seen();
  const [method, path, body] = call();
  const { status, json } = await world.call(by ?? bob, method, path, body);
  expect(answers, JSON.stringify(json).slice(0, 300)).toContain(status);
  expect(await seen()).toBe(before);
});

test('lists and filters show nothing of another', async () => {
  const paths = kinds.flatMap(([path, , name]) => [
    `/v2.0/${path}`,
    `/v2.0/${path}?project_id=aaaa`,
    `/v2.0/${path}?id=${id(`alice ${name}`)}`,
  ]);
  for (const path of paths) {
    const { status, json } = await world.call(bob, 'GET', path);
    expect(status, path).toBe(200);
    const hers = Object.entries(of).filter(([name]) => name.startsWith('alice '));
    const text = JSON.stringify(json);
    for (const [name] of hers) expect(text, `${path}: ${name}`).not.toContain(id(name));
  }
});

test('many at a time get no more than the quota', async () => {
  await world.call(admin, 'PUT', '/v2.0/quotas/bbbb', { quota: { network: 4 } });
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => world.call(bob, 'POST', '/v2.0/networks', { network: {} })),
  );
  expect(answers.filter(({ status }) => status === 201)).toHaveLength(3);
  expect(answers.filter(({ status }) => status === 409)).toHaveLength(17);
});
