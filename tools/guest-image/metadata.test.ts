import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BOOT_MS, COMMAND_MS, Guest } from './guest.ts';

const run = promisify(execFile);

const cloudConfig = `#cloud-config
hostname: from-config
packages:
  - nothing
ssh_authorized_keys:
  - ssh-ed25519 AAAAconfig config key
runcmd:
  - echo "one: two" >>/root/ran
  - [ sh, -c, "echo 'a, b' >>/root/ran" ]
`;

/** The EC2 tree as a service that knows no OpenStack paths shows it. */
const ec2 = new Map<string, string | Buffer>([
  ['/latest/meta-data/instance-id', 'i-00000001'],
  ['/latest/meta-data/hostname', 'from-ec2.example'],
  ['/latest/meta-data/public-keys/', '0=mine'],
  ['/latest/meta-data/public-keys/0/openssh-key', 'ssh-ed25519 AAAAec2 ec2 key'],
  ['/latest/user-data', gzipSync(cloudConfig)],
]);

const openstack = new Map<string, string | Buffer>([
  [
    '/openstack/latest/meta_data.json',
    '{"uuid": "0f-os", "name": "from-openstack", "public_keys": {"k": "ssh-ed25519 AAAAos os\\n"}}',
  ],
  ['/openstack/latest/user_data', 'neither kind'],
]);

/** Boots from base.qcow2 on a network where `pages` answer at the metadata address, and without a config drive. */
async function bootWith(
  pages: Map<string, string | Buffer>,
  folder: string,
): Promise<[Guest, Server]> {
  const server = createServer((request, response) => {
    const page = pages.get(request.url ?? '');
    response.writeHead(page === undefined ? 404 : 200, { connection: 'close' }).end(page ?? '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  // QEMU runs a program for each connection to the forwarded address; this one joins it to the server.
  const joiner = join(folder, `join-${address.port}`);
  const script = `#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/${address.port}\ncat <&3 &\ncat >&3\n`;
  writeFileSync(joiner, script);
  chmodSync(joiner, 0o755);
  const disk = join(folder, `${address.port}.qcow2`);
  const base = join(folder, 'base.qcow2');
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', base, disk]);
  const net = 'net=169.254.0.0/16,host=169.254.0.2,dns=169.254.0.3,dhcpstart=169.254.0.50';
  const guest = new Guest([
    ...['-device', 'virtio-rng-pci', '-drive', `file=${disk},if=virtio,format=qcow2`],
    ...['-nic', `user,model=virtio-net-pci,${net},guestfwd=tcp:169.254.169.254:80-cmd:${joiner}`],
  ]);
  return [guest, server];
}

describe('guest image and the metadata service', () => {
  let folder = '';
  const running: [Guest, Server][] = [];
  const boot = async (pages: Map<string, string | Buffer>): Promise<Guest> => {
    const started = await bootWith(pages, folder);
    running.push(started);
    return started[0];
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'guest-metadata-'));
    await run(join(import.meta.dirname, 'build.sh'), [join(folder, 'base.qcow2')]);
  }, BOOT_MS);

  afterAll(async () => {
    for (const [guest, server] of running) {
      await guest.kill();
      server.close();
    }
    rmSync(folder, { recursive: true, force: true });
  });

  it('takes the EC2 tree and gzipped cloud-config', { timeout: BOOT_MS }, async () => {
    const guest = await boot(ec2);
    const line = await guest.saw(/pileus-guest ready .*\r\n/, BOOT_MS);
    expect(line).toContain('hostname=from-config instance=i-00000001 source=metadata');
    await guest.saw(/pileus-guest cloud-config ignores packages\r\n/, COMMAND_MS);
    await guest.saw(/pileus-guest user-data finished status=0 /, COMMAND_MS);
    await guest.login();
    expect(await guest.shell('cat /root/ran')).toBe('one: two\na, b');
    const keys = 'ssh-ed25519 AAAAec2 ec2 key\nssh-ed25519 AAAAconfig config key';
    expect(await guest.shell('cat /root/.ssh/authorized_keys')).toBe(keys);
    await guest.kill();
  });

  it('prefers the OpenStack tree, and says when user-data is of no kind it runs', {
    timeout: BOOT_MS,
  }, async () => {
    const guest = await boot(new Map([...ec2, ...openstack]));
    const line = await guest.saw(/pileus-guest ready .*\r\n/, BOOT_MS);
    expect(line).toContain('hostname=from-openstack instance=0f-os source=metadata');
    await guest.saw(/pileus-guest user-data is neither /, COMMAND_MS);
    await guest.login();
    expect(await guest.shell('cat /root/.ssh/authorized_keys')).toBe('ssh-ed25519 AAAAos os');
  });
});
