/** The real `openstack volume` command line, and NBD clients on what it attaches, against the running product. */
import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runOk, TestCloud } from '../support/cloud.ts';

let cloud: TestCloud;
let token: string | undefined;

interface Answer {
  readonly volumes: readonly { readonly status: string }[];
  readonly images: readonly { readonly status: string }[];
  readonly backups: readonly { readonly status: string }[];
}
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
      'volume snapshot create --volume many frozen',
      'volume host set --enable pileus@pileus',
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
    expect(answers[20]).toContain('not allowed on frozen storage backends');
    await values(['volume qos disassociate --all slow', 'volume qos delete slow']);
  });

  it('an image becomes a volume and a volume an image, without a copy', async () => {
    await runOk('qemu-img', ['create', '-q', '-f', 'qcow2', `${cloud.data}/small.qcow2`, '64M']);
    const create = ['image', 'create', '--disk-format', 'qcow2', '--container-format', 'bare'];
    await runOk('/usr/bin/openstack', [...create, '--file', `${cloud.data}/small.qcow2`, 'small'], {
      env: environment(),
    });
    await until('/image/v2/images?name=small', ({ images }) => images[0]?.status === 'active');
    expect(
      (await values(['volume create --image small --size 1 booted -f value -c bootable']))[0],
    ).toBe('true');
    await until(
      '/volume/v3/volumes/detail?name=booted',
      ({ volumes }) => volumes[0]?.status === 'available',
    );
    await values(['image create --volume booted golden']);
    await until('/image/v2/images?name=golden', ({ images }) => images[0]?.status === 'active');
    const answers = await values([
      'image show golden -f value -c size',
      'volume delete booted',
      'volume create --image golden --size 1 again -f value -c name',
    ]);
    expect(answers[0]).toBe('1073741824');
    await until(
      '/volume/v3/volumes/detail?name=again',
      ({ volumes }) => volumes[0]?.status === 'available',
    );
    const [, , left] = await values([
      'volume delete again',
      'image delete small golden',
      'image list --private -f value -c Name',
    ]);
    expect(left).toBe('');
  });

  it('encrypted volumes and backups', async () => {
    const flags = '--encryption-provider luks --encryption-control-location front-end';
    await values([
      `volume type create ${flags} --encryption-cipher aes-xts-plain64 secret`,
      'volume create --size 1 --type secret sealed',
    ]);
    await until(
      '/volume/v3/volumes/detail?name=sealed',
      ({ volumes }) => volumes[0]?.status === 'available',
    );
    expect((await values(['volume show sealed -f value -c encrypted']))[0]).toBe('True');
    await values(['volume backup create --name full sealed']);
    await until(
      '/volume/v3/backups/detail?name=full',
      ({ backups }) => backups[0]?.status === 'available',
    );
    await values(['volume backup create --incremental --name more sealed']);
    await until(
      '/volume/v3/backups/detail?name=more',
      ({ backups }) => backups[0]?.status === 'available',
    );
    await values(['volume backup restore more back']);
    await until(
      '/volume/v3/volumes/detail?name=back',
      ({ volumes }) => volumes[0]?.status === 'available',
    );
    const [incremental] = await values([
      'volume backup show more -f value -c is_incremental',
      'volume backup delete more',
      'volume delete sealed back',
    ]);
    expect(incremental).toBe('True');
    await until('/volume/v3/backups?name=more', ({ backups }) => backups.length === 0);
    await values(['volume backup delete full']);
    await until('/volume/v3/backups', ({ backups }) => backups.length === 0);
  });

  it('an attachment gives an NBD client the volume, and takes it away again', async () => {
    const [id = '', again] = await values([
      'volume create --size 1 disk -f value -c id',
      'volume show disk -f value -c id',
    ]);
    expect(again).toBe(id);
    const connector = { host: 'here', mountpoint: '/dev/vdb' };
    const wanted = {
      volume_uuid: id,
      instance_uuid: '11111111-2222-3333-4444-555555555555',
      connector,
    };
    const { attachment } = await volumeApi('POST', '/attachments', { attachment: wanted });
    const { uri } = attachment.connection_info.data;
    expect((await runOk('nbdinfo', ['--size', uri])).trim()).toBe(String(2 ** 30));
    const path = `/attachments/${attachment.id}`;
    await volumeApi('POST', `${path}/action`, { 'os-complete': null });
    expect(await values(['volume show disk -f value -c status'])).toEqual(['in-use', '']);
    await volumeApi('DELETE', path);
    await expect(runOk('nbdinfo', ['--size', uri])).rejects.toThrow();
    const after = await values(['volume show disk -f value -c status', 'volume delete disk']);
    expect(after[0]).toBe('available');
  });
});

/** What a compute service asks; the command line asks such a service first, so it can't be used for this alone. */
const volumeApi = (method: string, path: string, body?: object) =>
  api(method, `/volume/v3${path}`, body);

async function api(method: string, path: string, body?: object) {
  const issue = ['token', 'issue', '-f', 'value', '-c', 'id'];
  token ??= (await runOk('/usr/bin/openstack', issue, { env: environment() })).trim();
  const response = await fetch(`${new URL(cloud.info.endpoints.volume).origin}${path}`, {
    method,
    headers: {
      'X-Auth-Token': token,
      'OpenStack-API-Version': 'volume 3.70',
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    body: body === undefined ? null : JSON.stringify(body),
  });
  const text = await response.text();
  expect(response.ok, `${method} ${path}: ${response.status} ${text}`).toBe(true);
  return text === '' ? {} : JSON.parse(text);
}

/** Asks until the answer is as wanted; what takes longer than a minute is wrong. */
async function until(path: string, isThere: (answer: Answer) => boolean): Promise<void> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; ) {
    if (isThere(await api('GET', path))) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${path} has not come to what was wanted within a minute`);
}

describe('openstack secret', () => {
  it('stores, shows and deletes secrets; an encrypted volume’s key is one of them', async () => {
    const [stored = ''] = await openstack(['secret store --name pw --payload hunter2 -f value']);
    const ref = /http\S+/.exec(stored)?.[0];
    const answers = await values([
      `secret get ${ref} --payload -f value`,
      'volume type create --encryption-provider luks --encryption-cipher aes-xts-plain64 --encryption-key-size 256 sealed -f value -c name',
      'volume create --size 1 --type sealed safe -f value -c encrypted',
      'secret list --algorithm aes --mode xts --bit-length 256 -f value -c Name',
      'volume delete safe',
      `secret delete ${ref}`,
      'secret list -f value',
    ]);
    expect(answers[0]).toBe('hunter2');
    expect(answers[2]).toBe('True');
    expect(answers[3]).toMatch(/^volume-\S+$/);
    expect(answers[6]).toBe('');
  });
});
