/** The real `openstack server` command line and its like against the running product, with a real guest under QEMU. */
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestCloud } from '../support/cloud.ts';

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
      'server show web -f value -c status',
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
    expect(answers.slice(0, 1)).toEqual(['small']);
    expect(answers[2]).toMatch(/hw:x.*y/);
    expect(answers[4]).toBe('mine');
    expect(answers[5]).toBe('ACTIVE');
    expect(answers[8]).toBe('/dev/vdb');
    expect(answers[9]).toBe('in-use');
    expect(answers[11]).toBe('PAUSED');
    expect(answers[14]).toMatch(/a.*b/);
    expect(answers[16]).toBe('up');
    expect(answers[17]).toMatch(/nova available/);
    expect(answers[18]).toBe('enabled');
    expect(answers.slice(19, 21)).toEqual(['rack', 'apart']);

    await until('console log show web', /login:/);
    const end = await openstack([
      'server delete --wait web',
      'server list -f value',
      'limits show --absolute -f value',
    ]);
    expect(end[1]).toBe('');
    await until('volume show data -f value -c status', /available/);
  }, 240_000);
});
