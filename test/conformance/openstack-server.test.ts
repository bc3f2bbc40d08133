/** The real `openstack server` command line and its like against the running product, with a real guest under QEMU. */
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run, runOk, TestCloud } from '../support/cloud.ts';
import { ConsoleClient } from '../support/console-client.ts';

let cloud: TestCloud;
beforeAll(async () => {
  cloud = await TestCloud.start('openstack-server', 'image:\n  guest: true\n');
}, 180_000);
afterAll(async () => {
  // Guests outlive the program by design: none is to outlive a test that failed.
  const guests = join(cloud.data, 'guests');
  for (const id of fs.readdirSync(guests)) {
    const pid = join(guests, id, 'pid');
    if (fs.existsSync(pid)) process.kill(Number(fs.readFileSync(pid, 'utf8')), 'SIGKILL');
  }
  await cloud.remove();
});

const environment = () => ({
  PATH: '/usr/bin:/bin',
  OS_CLIENT_CONFIG_FILE: `${cloud.data}/clouds.yaml`,
  OS_CLOUD: 'pileus',
  OS_COMPUTE_API_VERSION: '2.90',
  OS_PLACEMENT_API_VERSION: '1.28',
  PYTHONUNBUFFERED: '1',
});

/** Runs commands through one interactive `openstack`, whose start costs more than all of them; one answer each. */
async function openstack(commands: readonly string[]): Promise<string[]> {
  const border = cloud.info.endpoints.identity;
  const child = spawn('/usr/bin/openstack', [], { env: environment() });
  let out = '';
  const take = (bytes: Buffer) => {
    out += bytes;
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const closed = new Promise((resolve) => child.on('close', resolve));
  const ask = (command: string) => `${command}\nconfiguration show -f value -c auth.auth_url\n`;
  child.stdin.end(commands.map(ask).join(''));
  await closed;
  return out.split(border).map((part) => part.trim().split('\n').at(-1) ?? '');
}

/** Asks again until the answer is this. */
async function until(command: string, wanted: RegExp): Promise<void> {
  await expect
    .poll(async () => (await openstack([command]))[0], { timeout: 120_000, interval: 500 })
    .toMatch(wanted);
}

/** A session on the serial line, from the prompt to a command's answer; the address is good once. */
async function logsIn(address: string): Promise<void> {
  const line = new ConsoleClient(address);
  // An empty word asks for the prompt again, should it have come before.
  await expect.poll(() => line.ready).toBe(true);
  line.say('\n');
  await line.hear(/login: /);
  line.say('root\n');
  await line.hear(/# /);
  line.say('echo $((6 * 7))\n');
  await line.hear(/\n42\r/);
  line.close();
  await line.closed;
  expect(await new ConsoleClient(address).closed).toBe(1006);
}

const oneKind = new RegExp(`${String.fromCharCode(1)}{2}`);

/** RFB's handshake with the guest's screen, as a viewer does it. */
async function showsScreen(address: string): Promise<void> {
  expect(await (await fetch(address)).text()).toMatch(/console\.js/);
  const { protocol, host, searchParams } = new URL(address);
  const scheme = protocol === 'https:' ? 'wss:' : 'ws:';
  const screen = new ConsoleClient(
    `${scheme}//${host}/compute-console/websockify${searchParams.get('path')}`,
  );
  await screen.hear(/RFB 003\.008\n/);
  screen.say('RFB 003.008\n');
  // One kind of security: none, the token was it. Then the verdict, and what the screen is called.
  await screen.hear(oneKind);
  screen.say('\x01');
  await screen.hear(/\0{4}/);
  screen.say('\x01');
  await screen.hear(/QEMU/);
  screen.close();
}

describe('openstack server', () => {
  it('keys, sizes and a guest from its making to its end', async () => {
    await until('image show pileus-guest -f value -c status', /active/);
    const answers = await openstack([
      'flavor create --ram 128 --vcpus 1 --disk 1 small -f value -c name',
      'flavor set --property hw:x=y small',
      'flavor show small -f value -c properties',
      'keypair create mine --private-key /dev/null -f value -c name',
      'keypair list -f value -c Name',
      'server create --image pileus-guest --flavor small --nic none --config-drive True --wait web -f value -c status',
      'server show web -f value -c addresses -c status',
      'volume create --size 1 data -f value -c name',
      'server add volume web data -f value -c Device',
      'volume show data -f value -c status',
      'server pause web',
    ]);
    expect(answers.slice(0, 1)).toEqual(['small']);
    expect(answers[2]).toMatch(/hw:x.*y/);
    expect(answers[4]).toBe('mine');
    expect(answers[5]).toBe('ACTIVE');
    expect(answers[8]).toBe('/dev/vdb');
    expect(answers[9]).toBe('in-use');
    await until('server show web -f value -c status', /PAUSED/);
    const more = await openstack([
      'server unpause web',
      'server set --property a=b web',
      'server show web -f value -c properties',
      'server event list web -f value -c Action',
      'hypervisor list -f value -c State',
      'availability zone list --compute -f value',
      'compute service list -f value -c Status',
      'aggregate create --zone here rack -f value -c name',
      'server group create --policy anti-affinity apart -f value -c name',
    ]);
    expect(more[2]).toMatch(/a.*b/);
    expect(more[4]).toBe('up');
    expect(more[5]).toMatch(/nova available/);
    expect(more[6]).toBe('enabled');
    expect(more.slice(7, 9)).toEqual(['rack', 'apart']);

    const [provider = '', id = ''] = await openstack([
      'resource provider list -f value -c uuid',
      'server show web -f value -c id',
    ]);
    const placed = await openstack([
      `resource provider inventory list ${provider} -f value -c resource_class -c used --sort-column resource_class --sort-descending`,
      'allocation candidate list --resource VCPU=1 --resource MEMORY_MB=128 -f value',
      'allocation candidate list --resource VCPU=1000000 -f value',
      `resource provider allocation show ${id} -f value -c resources`,
      'resource class create CUSTOM_OWN',
    ]);
    expect(placed[0]).toMatch(/DISK_GB 1$/);
    expect(placed[1]).toContain(`VCPU=1,MEMORY_MB=128 ${provider}`);
    expect(placed[2]).toBe('');
    expect(placed[3]).toMatch(/'MEMORY_MB': 128, 'VCPU': 1/);
    expect(placed[4]).toMatch(/HTTP 501/);

    await until('console log show web', /login:/);
    const consoles = await openstack([
      'console url show --serial web -f value -c url',
      'console url show --novnc web -f value -c url',
      'console url show --spice web',
    ]);
    await logsIn(consoles[0] ?? '');
    await showsScreen(consoles[1] ?? '');
    expect(consoles[2]).toMatch(/Unavailable console type spice-html5/);
    const end = await openstack([
      'server delete --wait web',
      'server list -f value',
      'limits show --absolute -f value',
    ]);
    expect(end[1]).toBe('');
    await until('volume show data -f value -c status', /available/);
  }, 240_000);

  it('is reached by ssh at its floating IP, finds its metadata and gets out', async () => {
    const key = join(cloud.data, 'guest-key');
    await runOk('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    await until('image show pileus-guest -f value -c status', /active/);
    const answers = await openstack([
      'flavor create --ram 128 --vcpus 1 --disk 1 tiny -f value -c name',
      `keypair create --public-key ${key}.pub reached -f value -c name`,
      'network create inside -f value -c name',
      'subnet create --network inside --subnet-range 10.9.0.0/24 inside -f value -c gateway_ip',
      'router create --external-gateway public out -f value -c name',
      'router add subnet out inside',
      'security group create ssh -f value -c name',
      'security group rule create --protocol tcp --dst-port 22 ssh -f value -c port_range_max',
      'server create --image pileus-guest --flavor tiny --network inside --security-group ssh --key-name reached --wait reached -f value -c status',
      'port list --server reached -f value -c ID',
      'floating ip create public -f value -c floating_ip_address',
    ]);
    expect([answers[3], answers[8]]).toEqual(['10.9.0.1', 'ACTIVE']);
    const address = answers[10] ?? '';
    await openstack([`server add floating ip reached ${address}`]);
    const inGuest = (command: string) =>
      run('ssh', [
        ...['-i', key, '-o', 'BatchMode=yes', '-o', 'ConnectTimeout=3'],
        ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'],
        ...[`root@${address}`, command],
      ]);
    const hostname = async () => (await inGuest('cat /etc/hostname')).stdout.trim();
    await expect.poll(hostname, { timeout: 120_000, interval: 500 }).toBe('reached');
    const found = await inGuest(
      'wget -qO- http://169.254.169.254/openstack/latest/meta_data.json; ping -c 1 -W 5 172.24.4.1',
    );
    expect(found.stdout).toMatch(/"name": ?"reached"/);
    expect(found.stdout).toMatch(/ 0% packet loss/);
    await openstack([`floating ip delete ${address}`, 'server delete --wait reached']);
    expect((await inGuest('true')).code).not.toBe(0);
  }, 300_000);
});
