/** The real `openstack volume` command line, and NBD clients on what it attaches, against the running product. */
import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runOk, TestCloud } from '../support/cloud.ts';

let cloud: TestCloud;
beforeAll(async () => {
  cloud = await TestCloud.start('openstack-volume');
});
afterAll(() => cloud.remove());

const environment = () => ({
  PATH: '/usr/bin:/bin',
  OS_CLIENT_CONFIG_FILE: `${cloud.data}/clouds.yaml`,
  OS_CLOUD: 'pileus',
  // With newer ones the client refuses to make snapshots without --force.
  OS_VOLUME_API_VERSION: '3.65',
  // Answers come out in the order of what was asked.
  PYTHONUNBUFFERED: '1',
});

/** Runs commands through one interactive `openstack`, whose start costs more than all of them; one list of lines each. */
async function openstack(commands: readonly string[]): Promise<string[]> {
  const border = cloud.info.endpoints.identity;
  const child = spawn('/usr/bin/openstack', [], { env: environment() });
  let out = '';
  child.stdout.on('data', (bytes) => {
    out += bytes;
  });
  child.stderr.on('data', (bytes) => {
    out += bytes;
  });
  const closed = new Promise((resolve) => child.on('close', resolve));
  // What the shell itself knows is the border between two answers; the pause lets what was begun be done.
  const ask = (command: string) =>
    `${command}\n! sleep 0.3\nconfiguration show -f value -c auth.auth_url\n`;
  child.stdin.end(commands.map(ask).join(''));
  await closed;
  return out.split(border).map((part) => part.trim());
}

/** The same, with the last line of each answer. */
const values = async (commands: readonly string[]) =>
  (await openstack(commands)).map((answer) => answer.split('\n').at(-1) ?? '');

describe('openstack volume', () => {
  it('a day of volumes, snapshots and copies', async () => {
    const answers = await values([
      'volume create --size 1 --description first --property colour=blue one -f value -c name',
      'volume show one -f value -c status',
      'volume snapshot create --volume one s1 -f value -c name',
      'volume snapshot list -f value -c Name -c Status',
      'volume create --snapshot s1 two -f value -c size',
      'volume create --source one --size 2 three -f value -c size',
      'volume set --size 3 --name trio --property colour=red three',
      'volume list -f value -c Name -c Size',
      'volume show trio -f value -c size -c properties',
      'volume set --read-only one',
      'volume set --bootable two',
      'volume show two -f value -c bootable',
      'volume snapshot set --name s1b --property x=y s1',
      'volume snapshot show s1b -f value -c properties',
      'volume snapshot unset --property x s1b',
      'volume unset --property colour one',
      'volume delete one',
      'volume snapshot delete s1b',
      'volume delete trio two',
    ]);
    expect(answers[0]).toBe('one');
    expect(answers[1]).toBe('available');
    expect(answers[3]).toBe('s1 available');
    expect(answers[4]).toBe('1');
    expect(answers[5]).toBe('2');
    expect(answers[7]).toBe('one 1');
    expect(answers[8]).toBe('3');
    expect(answers[11]).toBe('true');
    expect(answers[13]).toBe("{'x': 'y'}");
    // A volume with snapshots stays; afterwards it goes.
    expect(answers[16]).toContain('1 of 1 volumes failed to delete');
    expect((await values(['volume delete one', 'volume list -f value -c Name']))[1]).toMatch(
      /^(one)?$/,
    );
  });

  it('types, QoS, transfers, groups, quotas, services', async () => {
    const made = 'volume type create --property multiattach=<is>\u00a0True shared -f value -c name';
    const multiattach = made.replace('\u00a0', ' ').split(/ (?!True)/);
    // The interactive shell takes `>` for a redirection.
    expect(await runOk('/usr/bin/openstack', multiattach, { env: environment() })).toBe('shared\n');
    const answers = await values([
      'volume type show shared -f value -c name',
      'volume type set --property volume_backend_name=pileus shared',
      'volume type show shared -f value -c properties',
      'volume qos create --consumer front-end --property total_iops_sec=500 slow -f value -c name',
      'volume qos associate slow shared',
      'volume qos list -f value -c Name -c Associations',
      'volume create --size 1 --type shared many -f value -c multiattach',
      'volume transfer request create --name gift many -f value -c name',
      'volume show many -f value -c status',
      'volume transfer request delete gift',
      'volume group type create pair -f value -c Name',
      'volume group create --name g pair shared -f value -c Name',
      'volume group list -f value -c Name -c Status',
      'volume group delete g',
      'volume group type delete pair',
      'quota set --volumes 77 admin',
      'volume service list -f value -c Binary -c State',
      'volume host set --disable pileus@pileus',
      'availability zone list --volume -f value',
      'volume message list -f value -c ID',
      'volume delete many',
    ]);
    expect(answers[0]).toBe('shared');
    expect(answers[2]).toContain("'volume_backend_name': 'pileus'");
    expect(answers[5]).toBe("slow ['shared']");
    expect(answers[6]).toBe('True');
    expect(answers[7]).toBe('gift');
    expect(answers[8]).toBe('awaiting-transfer');
    expect(answers[10]).toBe('pair');
    expect(answers[12]).toBe('available g');
    expect(answers[16]).toContain('cinder-backup up');
    expect(answers[18]).toBe('nova available');
    await values(['volume qos disassociate --all slow', 'volume qos delete slow']);
  });
});
