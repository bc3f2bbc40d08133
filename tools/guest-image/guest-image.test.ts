import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildConfigDrive } from '../../compute-hooks/metadata/config-drive.ts';

import { BOOT_MS, COMMAND_MS, Guest } from './guest.ts';

const run = promisify(execFile);

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

describe('guest image', () => {
  let folder = '';
  let disk = '';
  let webPort = 0;
  let sshPort = 0;
  let guest: Guest;
  const file = (name: string): string => join(folder, name);

  function boot(): Guest {
    const forward = `hostfwd=tcp:127.0.0.1:${webPort}-:80,hostfwd=tcp:127.0.0.1:${sshPort}-:22`;
    return new Guest([
      ...['-device', 'virtio-rng-pci'],
      ...['-drive', `file=${disk},if=virtio,format=qcow2`],
      ...['-drive', `file=${file('data.raw')},if=virtio,format=raw`],
      ...['-drive', `file=${file('config.iso')},if=virtio,format=raw,readonly=on`],
      ...['-nic', `user,model=virtio-net-pci,${forward}`],
    ]);
  }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'guest-image-'));
    [webPort, sshPort] = [await freePort(), await freePort()];
    await run(join(import.meta.dirname, 'build.sh'), [file('base.qcow2')]);
    disk = file('disk.qcow2');
    const overlay = [
      'create',
      '-q',
      '-f',
      'qcow2',
      '-F',
      'qcow2',
      '-b',
      file('base.qcow2'),
      disk,
      '300M',
    ];
    await run('qemu-img', overlay);
    writeFileSync(file('data.raw'), '');
    truncateSync(file('data.raw'), 64 * 1024 * 1024);
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test key', '-f', file('key')]);
    const publicKey = readFileSync(file('key.pub'), 'utf8');
    const metaData = {
      uuid: '11111111-2222-4333-8444-555555555555',
      hostname: 'walker.example',
      name: 'not the hostname',
      public_keys: { mine: publicKey },
      meta: { 'pileus-disks': 'format', 'odd "key"\n': [1, true, null, { deep: 'é' }] },
    };
    const drive = buildConfigDrive(
      new Map([
        ['openstack/latest/meta_data.json', JSON.stringify(metaData)],
        ['openstack/latest/user_data', '#!/bin/sh\necho "ran as $(id -un)" >>/root/ran\nexit 3\n'],
      ]),
    );
    writeFileSync(file('config.iso'), drive);
    guest = boot();
  }, BOOT_MS + COMMAND_MS);

  afterAll(async () => {
    await guest?.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  it('boots, and says on the console what it found', { timeout: BOOT_MS }, async () => {
    const line = await guest.saw(/pileus-guest ready .* in [\d.]+s\r\n/, BOOT_MS);
    expect(line).toContain('hostname=walker ');
    expect(line).toContain('instance=11111111-2222-4333-8444-555555555555 source=config-drive');
    expect(line).toContain('address=10.0.2.15 mounts=/mnt/vdb');
  });

  it('runs user-data as root and reports its status', async () => {
    await guest.saw(/pileus-guest user-data finished status=3 /, COMMAND_MS);
    await guest.login();
    expect(await guest.shell('cat /root/ran')).toBe('ran as root');
  });

  it('answers by HTTP', async () => {
    const answer = await fetch(`http://127.0.0.1:${webPort}/`);
    const page = await answer.text();
    expect(page).toContain('hostname=walker\ninstance=11111111-2222-4333-8444-555555555555\n');
  });

  it('lets the key of the metadata in by ssh, and no password', { timeout: BOOT_MS }, async () => {
    const options = ['-p', `${sshPort}`, '-o', 'StrictHostKeyChecking=no', '-o', 'BatchMode=yes'];
    options.push('-o', `UserKnownHostsFile=${file('hosts')}`, '-o', 'LogLevel=ERROR');
    const key = ['-o', 'IdentitiesOnly=yes', '-i', file('key')];
    const inside = await run('ssh', [...options, ...key, 'root@127.0.0.1', 'hostname; id -u']);
    expect(inside.stdout).toBe('walker\n0\n');
    const without = run('ssh', [
      ...options,
      '-o',
      'PubkeyAuthentication=no',
      'root@127.0.0.1',
      'true',
    ]);
    await expect(without).rejects.toThrow(/Permission denied/);
  });

  it('formats and mounts the blank disk as it was told, and fills its own with its file system', async () => {
    expect(await guest.shell('grep /mnt/vdb /proc/mounts')).toMatch(
      /^\/dev\/vdb \/mnt\/vdb ext4 rw/,
    );
    const rootKiB = Number(await guest.shell("df -k / | awk 'END { print $2 }'"));
    expect(rootKiB).toBeGreaterThan(250 * 1024);
    await guest.shell('echo kept >/mnt/vdb/kept; echo kept >/root/kept');
  });

  it('powers off, and after a boot everything is still there', {
    timeout: 2 * BOOT_MS,
  }, async () => {
    expect(await guest.poweroff()).toBe(0);
    truncateSync(file('data.raw'), 128 * 1024 * 1024);
    guest = boot();
    await guest.saw(/pileus-guest ready hostname=walker .*mounts=\/mnt\/vdb in/, BOOT_MS);
    await guest.login();
    expect(await guest.shell('cat /root/kept /mnt/vdb/kept')).toBe('kept\nkept');
    // Once for an instance, however often it boots.
    expect(await guest.shell('cat /root/ran')).toBe('ran as root');
    // The data disk doubled while the guest was off.
    const dataKiB = Number(await guest.shell("df -k /mnt/vdb | awk 'END { print $2 }'"));
    expect(dataKiB).toBeGreaterThan(100 * 1024);
    expect(await guest.poweroff()).toBe(0);
  });
});
