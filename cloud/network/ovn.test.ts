/** The whole way on real OVN: two hosts, guests as namespaces; what must pass passes, what must not does not. */
import { execFileSync, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemNet } from '#common';
import type { ServerPort } from './index.ts';
import { ask, attempt, type Guest, Lab, sh } from './testing/lab.ts';
import { admin, alice, bob, type Json, openWorld, type World } from './testing/world.ts';

const lab = new Lab(`t${process.pid.toString(36)}`);
let world: World;
let hosts: [string, string];
const made: Record<string, Json> = {};

const id = (name: string) => String(made[name]?.id);

async function eventually(
  what: string,
  holds: () => Promise<boolean>,
  withinMs = 15_000,
): Promise<void> {
  const until = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > until) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** A server's port on a host, and the guest at it. */
async function server(
  token: string,
  name: string,
  network: string,
  host: string,
): Promise<{ port: ServerPort; guest: Guest }> {
  const projectId = token.split('/')[0] ?? '';
  const { networks } = world;
  const created = await networks.servers.create({
    projectId,
    networkId: id(network),
    deviceId: `server-${name}`,
  });
  const port = await networks.servers.bind(created.id, host);
  const guest = lab.guest(name, host, port);
  await networks.hosts.get(host)?.plug({ ...port, deviceId: `server-${name}` });
  await networks.servers.waitUp([port.id], AbortSignal.timeout(15_000));
  return { port, guest };
}

const addressOf = (port: ServerPort) => port.fixedIps[0]?.address ?? '';

async function tenantNet(token: string, name: string, cidr: string): Promise<void> {
  made[name] = await world.make(token, 'networks', 'network', { name });
  made[`${name} subnet`] = await world.make(token, 'subnets', 'subnet', {
    network_id: id(name),
    ip_version: 4,
    cidr,
  });
}

const guests: Record<string, { port: ServerPort; guest: Guest }> = {};
const guest = (name: string) => {
  const found = guests[name];
  if (found === undefined) throw new Error(`no guest ${name}`);
  return found;
};

beforeAll(async () => {
  world = await openWorld('sqlite', { reconcileMs: 1_000 });
  hosts = lab.twoHosts();
  const plan = (at: 0 | 1, address: string) => ({
    folder: join(lab.folder, `h${at}`),
    hostname: hosts[at],
    namespace: hosts[at],
    tag: `${lab.tag}${at}`,
    uplink: { device: `up${at + 1}`, address, prefixLength: 24 },
    ...(at === 0 ? { external: '172.24.4.1/24' } : {}),
  });
  await world.networks.connect({
    net: systemNet,
    folder: lab.folder,
    hosts: [plan(0, '10.99.0.1'), plan(1, '10.99.0.2')],
    prepare: async () => undefined,
  });
  await tenantNet(alice, 'red', '10.1.0.0/24');
  await tenantNet(bob, 'blue', '10.1.0.0/24');
  guests.a = await server(alice, 'a', 'red', hosts[0]);
  guests.b = await server(alice, 'b', 'red', hosts[1]);
  guests.c = await server(bob, 'c', 'blue', hosts[1]);
}, 90_000);

afterAll(async () => {
  try {
    await world?.close();
  } finally {
    lab.close();
  }
}, 60_000);

describe('in one network', () => {
  test('DHCP gives each guest its address, route, MTU and the way to the metadata', async () => {
    for (const name of ['a', 'b', 'c']) {
      const { port, guest: one } = guest(name);
      const lease = await one.lease();
      expect(lease.ip).toBe(addressOf(port));
      expect(lease.mtu).toBe('1442');
      expect(lease.staticroutes).toContain('169.254.169.254');
    }
  });

  test('guests on two hosts talk, through the default group', async () => {
    expect(await guest('a').guest.reaches(addressOf(guest('b').port))).toBe(true);
    expect(await guest('b').guest.reaches(addressOf(guest('a').port))).toBe(true);
  });

  test("another project's guest with the same addresses hears nothing", async () => {
    const heard = await guest('c').guest.hears('icmp or arp', () =>
      guest('a').guest.reaches(addressOf(guest('c').port)),
    );
    expect(heard).toBe(false);
  });

  test('the metadata address answers, and knows who asks', async () => {
    world.networks.metadata.serve((_, response, who) =>
      response.end(`${who.deviceId} ${who.projectId}`),
    );
    for (const [name, project] of [
      ['a', 'aaaa'],
      ['b', 'aaaa'],
      ['c', 'bbbb'],
    ] as const) {
      const text =
        'import urllib.request; print(urllib.request.urlopen("http://169.254.169.254/x", timeout=4).read().decode())';
      await eventually(`metadata for ${name}`, async () => {
        const { out } = await attempt(
          `ip netns exec ${guest(name).guest.namespace} /usr/bin/python3 -c '${text}'`,
        );
        return out.trim() === `server-${name} ${project}`;
      });
    }
  });
});

describe('forged frames get nowhere', () => {
  const hex = (text: string) => text.replaceAll(':', '');
  const ipHex = (text: string) =>
    text
      .split('.')
      .map((part) => Number(part).toString(16).padStart(2, '0'))
      .join('');

  /** A ping as it would be on the wire. */
  function echo(fromMac: string, toMac: string, from: string, to: string): string {
    const header = `45000 01c0001000040010000${ipHex(from)}${ipHex(to)}`.replaceAll(' ', '');
    const words = header.match(/.{4}/g)?.map((word) => parseInt(word, 16)) ?? [];
    let sum = words.reduce((total, word) => total + word, 0);
    sum = (sum & 0xffff) + (sum >> 16);
    const checked = `${header.slice(0, 20)}${(~sum & 0xffff).toString(16).padStart(4, '0')}${header.slice(24)}`;
    return `${hex(toMac)}${hex(fromMac)}0800${checked}0800f7fd00010001`;
  }

  function arp(fromMac: string, saysMac: string, saysIp: string, askIp: string): string {
    return `ffffffffffff${hex(fromMac)}08060001080006040002${hex(saysMac)}${ipHex(saysIp)}ffffffffffff${ipHex(askIp)}`;
  }

  test('another MAC, another address, ARP for others; while an honest frame passes', async () => {
    const [a, b] = [guest('a'), guest('b')];
    const [ma, mb, ia, ib] = [
      a.port.macAddress,
      b.port.macAddress,
      addressOf(a.port),
      addressOf(b.port),
    ];
    const forged: Record<string, [string, string]> = {
      'another MAC': ['icmp[icmptype] == 8', echo('02:00:00:00:00:99', mb, ia, ib)],
      'another address': ['icmp[icmptype] == 8', echo(ma, mb, '10.1.0.77', ib)],
      'ARP for the gateway': ['arp src host 10.1.0.1', arp(ma, ma, '10.1.0.1', ib)],
      'ARP with another MAC': [`arp src host ${ia}`, arp(ma, '02:00:00:00:00:99', ia, ib)],
    };
    for (const [name, [filter, frame]] of Object.entries(forged))
      expect([name, await b.guest.hears(filter, () => a.guest.forge(frame))]).toEqual([
        name,
        false,
      ]);
    expect(
      await b.guest.hears('icmp[icmptype] == 8', () => a.guest.forge(echo(ma, mb, ia, ib))),
    ).toBe(true);
  }, 30_000);

  test('a DHCP server in a guest is not heard, nor a router', async () => {
    const [a, b] = [guest('a'), guest('b')];
    const ma = hex(a.port.macAddress);
    const offer =
      `ffffffffffff${ma}0800` +
      `450000 1c0001000040110000${ipHex(addressOf(a.port))}ffffffff`.replaceAll(' ', '') +
      '0043004400080000';
    expect(await b.guest.hears('udp port 68', () => a.guest.forge(offer))).toBe(false);
    // A router advertisement from the link-local address that the MAC makes.
    const lla = sh(`ip -n ${a.guest.namespace} -6 -o address show dev eth0 scope link`).match(
      /fe80::[0-9a-f:]+/,
    )?.[0];
    expect(lla).toBeDefined();
    const text = `
import socket, struct
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
for _ in range(3): s.sendto(bytes([134,0,0,0,64,0,7,8]) + bytes(8), ("ff02::1", 0, 0, socket.if_nametoindex("eth0")))
`;
    fs.writeFileSync(join(lab.folder, 'ra.py'), text);
    const send = () =>
      attempt(`ip netns exec ${a.guest.namespace} /usr/bin/python3 ${join(lab.folder, 'ra.py')}`);
    expect((await send()).ok).toBe(true);
    expect(await b.guest.hears('icmp6 and ip6[40] == 134', send)).toBe(false);
  }, 30_000);

  test('other ways to seem somebody else: VLAN tags, IPv6, neighbour discovery, DHCPv6, names of the gateway', async () => {
    const [a, b] = [guest('a'), guest('b')];
    const [ma, mb] = [hex(a.port.macAddress), hex(b.port.macAddress)];
    const [ia, ib] = [addressOf(a.port), addressOf(b.port)];
    const honest = echo(a.port.macAddress, b.port.macAddress, ia, ib);
    /** IPv6 with this next header and payload; checksums are left out, since what is dropped is dropped before them. */
    const six = (to: string, from: string, next: string, payload: string) =>
      `${to}${ma}86dd60000000${(payload.length / 2).toString(16).padStart(4, '0')}${next}ff${from}${'ff02'.padEnd(31, '0')}1${payload}`;
    const stranger = `fe80${'0'.repeat(12)}0000000000000099`;
    const advertisement = `8800000020000000${stranger}0201020000000099`;
    const everybody = '333300000001';
    const forged: Record<string, [string, string]> = {
      'a VLAN tag before an honest frame': [
        'vlan',
        `${honest.slice(0, 24)}81000007${honest.slice(24)}`,
      ],
      'an IPv6 address of another': ['ip6 src fe80::99', six(everybody, stranger, '3b', '')],
      'neighbour advertisement for another': [
        'icmp6 and ip6[40] == 136',
        six(everybody, stranger, '3a', advertisement),
      ],
      'a DHCPv6 answer': [
        'udp port 546',
        six(everybody, stranger, '11', '022302220008000000000000'.slice(0, 16)),
      ],
      'the MAC of the gateway': [
        'icmp[icmptype] == 8',
        echo('fa:16:3e:00:00:01', b.port.macAddress, ia, ib),
      ],
      'the address of the gateway': [
        'src host 10.1.0.1',
        echo(a.port.macAddress, b.port.macAddress, '10.1.0.1', ib),
      ],
      'the metadata address': [
        'src host 169.254.169.254',
        echo(a.port.macAddress, b.port.macAddress, '169.254.169.254', ib),
      ],
      'a protocol that is none of these': ['ether proto 0x88b5', `${mb}02000000009988b500`],
    };
    for (const [name, [filter, frame]] of Object.entries(forged))
      expect([name, await b.guest.hears(filter, () => a.guest.forge(frame))]).toEqual([
        name,
        false,
      ]);
  }, 60_000);

  test('whoever forges for another network is not heard there, nor answered as its guest', async () => {
    const [a, c] = [guest('a'), guest('c')];
    const frame = echo(a.port.macAddress, c.port.macAddress, addressOf(a.port), addressOf(c.port));
    expect(await c.guest.hears('icmp[icmptype] == 8', () => a.guest.forge(frame))).toBe(false);
  });
});

describe('other carriers', () => {
  test.each(['gre', 'vxlan'])(
    'guests on two hosts talk over a %s network',
    async (type) => {
      const segment = { 'provider:network_type': type, 'provider:segmentation_id': 77 };
      made[type] = await world.make(admin, 'networks', 'network', {
        project_id: 'aaaa',
        ...segment,
      });
      await world.make(alice, 'subnets', 'subnet', {
        network_id: id(type),
        ip_version: 4,
        cidr: '10.3.0.0/24',
      });
      const near = await server(alice, `${type}1`, type, hosts[0]);
      const far = await server(alice, `${type}2`, type, hosts[1]);
      guests[`${type}1`] = near;
      guests[`${type}2`] = far;
      for (const { guest: one, port } of [near, far])
        expect((await one.lease()).ip).toBe(addressOf(port));
      await eventually('they talk', () => near.guest.reaches(addressOf(far.port)));
      expect(
        sh(`ip netns exec ${hosts[0]} ovs-vsctl --db=unix:${lab.folder}/h0/db.sock show`),
      ).toContain(`type: ${type}`);
    },
    40_000,
  );
});

describe('to the world and from it', () => {
  const fromHost = () => `ip netns exec ${hosts[0]}`;

  test('a router with a gateway leads out by SNAT, a floating IP leads in', async () => {
    const external = (await world.call(alice, 'GET', '/v2.0/networks?router:external=true')).json
      .networks?.[0];
    made.router = await world.make(alice, 'routers', 'router', {
      external_gateway_info: { network_id: external?.id },
    });
    await world.call(alice, 'PUT', `/v2.0/routers/${id('router')}/add_router_interface`, {
      subnet_id: id('red subnet'),
    });
    const { guest: b, port } = guest('b');
    await eventually('way out', () => b.reaches('172.24.4.1'));
    made.floating = await world.make(alice, 'floatingips', 'floatingip', {
      floating_network_id: external?.id,
      port_id: port.id,
    });
    b.serve(80, 'b');
    // Nothing lets it in yet.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(await ask(fromHost(), String(made.floating?.floating_ip_address), 80)).toBeUndefined();
  }, 40_000);

  test('a rule opens a port within a second, and its end closes it for connections that stand', async () => {
    const groups = (await world.call(alice, 'GET', '/v2.0/security-groups?name=default')).json
      .security_groups;
    const rule = await world.make(alice, 'security-group-rules', 'security_group_rule', {
      security_group_id: groups?.[0]?.id,
      direction: 'ingress',
      protocol: 'tcp',
      port_range_min: 80,
      port_range_max: 80,
    });
    const address = String(made.floating?.floating_ip_address);
    let answer: string | undefined;
    await eventually(
      'the port opens',
      async () => {
        answer = await ask(fromHost(), address, 80);
        return answer !== undefined;
      },
      5_000,
    );
    expect(answer).toBe('b 172.24.4.1');
    // A connection that stands: one line every 0.2 s, and the time when answers stop.
    const text = `
import socket,time
s=socket.create_connection(("${address}",80),2); s.settimeout(1.5)
print("open", flush=True)
try:
    while True:
        s.sendall(b"x"); s.recv(100); last=time.time(); time.sleep(0.1)
except OSError: print("silent", last, flush=True)
`;
    const talk = spawn('ip', ['netns', 'exec', hosts[0], '/usr/bin/python3', '-c', text]);
    let said = '';
    talk.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await eventually('the connection stands', async () => said.includes('open'));
    const removedAt = Date.now() / 1_000;
    await world.call(alice, 'DELETE', `/v2.0/security-group-rules/${rule.id}`);
    await eventually('the connection is cut', async () => said.includes('silent'), 10_000);
    const last = Number(/silent ([\d.]+)/.exec(said)?.[1]);
    expect(last - removedAt).toBeLessThan(1);
  }, 40_000);

  test('a rate holds for a floating IP, and for what goes through a gateway', async () => {
    const { guest: a } = guest('a');
    const { guest: b } = guest('b');
    // Twelve times what may pass at once.
    const lost = async (one: Guest) => {
      const { out } = await one.run('ping -q -c 400 -i 0.002 -s 1400 -W 1 172.24.4.1');
      return Number(/([\d.]+)% packet loss/.exec(out)?.[1]);
    };
    const policy = await world.make(admin, 'qos/policies', 'policy', {
      name: 'slow',
      shared: true,
    });
    await world.make(
      admin,
      `qos/policies/${policy.id}/bandwidth_limit_rules`,
      'bandwidth_limit_rule',
      {
        max_kbps: 400,
        max_burst_kbps: 400,
        direction: 'egress',
      },
    );
    const floating = `/v2.0/floatingips/${id('floating')}`;
    const router = `/v2.0/routers/${id('router')}`;
    const limitFloating = (qos_policy_id: unknown) =>
      world.call(alice, 'PUT', floating, { floatingip: { qos_policy_id } });
    expect(await lost(b)).toBeLessThan(20);
    expect((await limitFloating(policy.id)).status).toBe(200);
    await eventually('the floating IP is slow', async () => (await lost(b)) > 50);
    expect(await lost(a)).toBeLessThan(20);
    await limitFloating(null);
    await eventually('and is not', async () => (await lost(b)) < 20);

    const shown = (await world.call(alice, 'GET', router)).json.router;
    const network_id = shown?.external_gateway_info?.network_id;
    const limitGateway = (qos_policy_id: unknown) =>
      world.call(alice, 'PUT', router, {
        router: { external_gateway_info: { network_id, qos_policy_id } },
      });
    expect((await limitGateway(policy.id)).status).toBe(200);
    const gone = await world.call(admin, 'DELETE', `/v2.0/qos/policies/${policy.id}`);
    expect(gone.status).toBe(409);
    await eventually('the gateway is slow', async () => (await lost(a)) > 50);
    await limitGateway(null);
    await eventually('and is not', async () => (await lost(a)) < 20);
  }, 60_000);

  test('a DSCP mark stands on what leaves a port, and a rate holds both ways', async () => {
    const [a, b] = [guest('a'), guest('b')];
    const policy = await world.make(admin, 'qos/policies', 'policy', { name: 'm', shared: true });
    const rule = (type: string, values: object) =>
      world.make(admin, `qos/policies/${policy.id}/${type}_rules`, `${type}_rule`, values);
    await rule('dscp_marking', { dscp_mark: 26 });
    const port = `/v2.0/ports/${a.port.id}`;
    const set = (qos_policy_id: unknown) =>
      world.call(alice, 'PUT', port, { port: { qos_policy_id } });
    const marked = () =>
      b.guest.hears('icmp[icmptype] == 8 and ip[1] >> 2 == 26', () =>
        a.guest.reaches(addressOf(b.port)),
      );
    expect(await marked()).toBe(false);
    await set(policy.id);
    await eventually('the mark is there', marked);
    const lost = async (one: Guest, to: ServerPort) => {
      const { out } = await one.run(`ping -q -c 300 -i 0.002 -s 1300 -W 1 ${addressOf(to)}`);
      return Number(/([\d.]+)% packet loss/.exec(out)?.[1]);
    };
    for (const direction of ['egress', 'ingress']) {
      expect(await lost(a.guest, b.port)).toBeLessThan(20);
      const limit = await rule('bandwidth_limit', {
        ...{ max_kbps: 400, max_burst_kbps: 400 },
        direction,
      });
      await eventually(`${direction} is slow`, async () => (await lost(a.guest, b.port)) > 50);
      await world.call(
        admin,
        'DELETE',
        `/v2.0/qos/policies/${policy.id}/bandwidth_limit_rules/${limit.id}`,
      );
      await eventually('and is not', async () => (await lost(a.guest, b.port)) < 20);
    }
    await set(null);
  }, 60_000);

  test('a port forwarding leads a single port in', async () => {
    const external = (await world.call(alice, 'GET', '/v2.0/networks?router:external=true')).json
      .networks?.[0];
    const groups = (await world.call(alice, 'GET', '/v2.0/security-groups?name=default')).json
      .security_groups;
    await world.make(alice, 'security-group-rules', 'security_group_rule', {
      security_group_id: groups?.[0]?.id,
      direction: 'ingress',
      protocol: 'tcp',
      port_range_min: 8080,
      port_range_max: 8080,
    });
    const floating = await world.make(alice, 'floatingips', 'floatingip', {
      floating_network_id: external?.id,
    });
    const { guest: a, port } = guest('a');
    a.serve(8_080, 'a');
    await world.make(alice, `floatingips/${floating.id}/port_forwardings`, 'port_forwarding', {
      protocol: 'tcp',
      external_port: 2_222,
      internal_port: 8_080,
      internal_port_id: port.id,
      internal_ip_address: addressOf(port),
    });
    await eventually(
      'the forwarded port answers',
      async () =>
        (await ask(fromHost(), String(floating.floating_ip_address), 2_222))?.startsWith('a ') ===
        true,
    );
  }, 40_000);
});

const nb = (...args: string[]) =>
  execFileSync(
    'ovn-nbctl',
    ['--no-leader-only', '--timeout=5', `--db=unix:${join(lab.folder, 'c', 'ovn.sock')}`, ...args],
    { encoding: 'utf8' },
  );

describe('what is lost heals', () => {
  test('rows that somebody deletes, changes or adds', async () => {
    const before = world.networks.status().drift?.mended ?? 0;
    nb('ls-del', `pileus-${id('red')}`);
    nb('--', 'lr-del', `pileus-${id('router')}`);
    nb('ls-add', 'stranger');
    nb('--all', 'destroy', 'DHCP_Options');
    await eventually('the rows are back', async () => {
      const shown = nb('show');
      return (
        shown.includes(`pileus-${id('red')}`) &&
        shown.includes(`pileus-${id('router')}`) &&
        !shown.includes('stranger') &&
        nb('list', 'DHCP_Options').includes('10.1.0.0/24')
      );
    });
    await eventually('guests talk again', () =>
      guest('a').guest.reaches(addressOf(guest('b').port)),
    );
    expect(world.networks.status().drift?.mended).toBeGreaterThan(before);
  }, 40_000);

  test('daemons that are killed', async () => {
    for (const [folder, name] of [
      ['c', 'northd'],
      ['h0', 'controller'],
      ['h1', 'vswitchd'],
      ['c', 'central'],
    ] as const) {
      const file = join(lab.folder, folder, `${name}.pid`);
      const pid = Number(fs.readFileSync(file, 'utf8'));
      process.kill(pid, 'SIGKILL');
      await eventually(
        `${name} is back`,
        async () =>
          fs.existsSync(file) &&
          Number(fs.readFileSync(file, 'utf8')) !== pid &&
          fs.existsSync(`/proc/${fs.readFileSync(file, 'utf8').trim()}`),
      );
    }
    await eventually(
      'guests talk again',
      () => guest('b').guest.reaches(addressOf(guest('a').port)),
      30_000,
    );
    const fresh = await world.make(alice, 'networks', 'network', { name: 'after' });
    await eventually('changes arrive', async () => nb('show').includes(String(fresh.id)), 20_000);
  }, 90_000);
});

describe('what OVN refuses', () => {
  test('is shown on the resource, and stops nothing else', async () => {
    const port = async (name: string) => {
      made[name] = await world.make(alice, 'ports', 'port', { network_id: id('red'), name });
    };
    await port('parent');
    await port('child');
    const sub_ports = [
      { port_id: id('child'), segmentation_type: 'vlan', segmentation_id: 7 },
    ] as const;
    made.trunk = await world.make(alice, 'trunks', 'trunk', { port_id: id('parent'), sub_ports });
    await world.rewrite(id('trunk'), { sub_ports: [{ ...sub_ports[0], segmentation_id: 5_000 }] });
    await world.rewrite(id('blue subnet'), { dns_nameservers: 'none' });
    const fresh = await world.make(bob, 'networks', 'network', { name: 'while refused' });
    const statusOf = async (kind: 'network' | 'port', of: unknown) => {
      const { json } = await world.call(admin, 'GET', `/v2.0/${kind}s/${of}`);
      return json[kind]?.status as unknown;
    };
    await eventually('all else is rendered', async () => nb('show').includes(String(fresh.id)));
    await eventually(
      'the port says so',
      async () => (await statusOf('port', id('child'))) === 'ERROR',
    );
    expect(await statusOf('port', id('parent'))).toBe('DOWN');
    const { drift } = world.networks.status();
    expect(drift?.setAside.map(({ subject }) => subject.id).sort()).toEqual(
      [id('child'), id('blue subnet')].sort(),
    );
    await world.rewrite(id('trunk'), { sub_ports });
    await world.rewrite(id('blue subnet'), { dns_nameservers: [] });
    await eventually(
      'all is well again',
      async () => world.networks.status().drift?.inSync === true,
    );
    expect(await statusOf('port', id('child'))).toBe('DOWN');
  }, 30_000);
});

test('nothing is left afterwards', async () => {
  for (const { port } of Object.values(guests))
    for (const host of hosts) await world.networks.hosts.get(host)?.unplug(port.id);
  expect(
    await world.call(admin, 'GET', '/v2.0/agents').then(({ json }) => json.agents?.length),
  ).toBe(4);
  await world.networks.close();
  expect(sh('ip netns list')).not.toContain(`pm-${lab.tag}`);
  for (const host of hosts) expect(sh(`ip -n ${host} -br link`)).not.toMatch(/p[xi]-|tap|pmo/);
  expect(sh(`ps -eo args | grep -c '[ ]${lab.folder}' || true`).trim()).toBe('0');
}, 40_000);
