import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildConfigDrive } from './config-drive.ts';

/** Generous, because a loaded machine emulates slowly; nothing here asserts how long a boot takes. */
const BOOT_MS = 120_000;
const COMMAND_MS = 30_000;

const run = promisify(execFile);

/** One guest: its process, and everything its serial console has printed. */
class Guest {
  #console = '';
  #readTo = 0;
  readonly #process: ChildProcess;
  readonly #ended: Promise<number | null>;

  constructor(args: readonly string[]) {
    const fixed = [
      '-accel',
      'tcg',
      '-m',
      '256',
      '-display',
      'none',
      '-serial',
      'stdio',
      '-no-reboot',
    ];
    this.#process = spawn('qemu-system-x86_64', [...fixed, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#process.stdout?.on('data', (bytes: Buffer) => {
      this.#console += bytes.toString('latin1');
    });
    this.#ended = new Promise((resolve) => this.#process.once('exit', resolve));
  }

  /** Waits for text anywhere on this boot's console: lines of the boot, the login prompt and user-data mix freely. */
  async saw(pattern: RegExp, timeoutMs: number): Promise<string> {
    return (await this.#find(pattern, 0, timeoutMs))[0];
  }

  /** Waits for text after everything answered before, and returns its match. */
  async #answer(pattern: RegExp): Promise<RegExpExecArray> {
    const found = await this.#find(pattern, this.#readTo, COMMAND_MS);
    this.#readTo += found.index + found[0].length;
    return found;
  }

  async #find(pattern: RegExp, from: number, timeoutMs: number): Promise<RegExpExecArray> {
    const deadline = performance.now() + timeoutMs;
    while (performance.now() < deadline && this.#process.exitCode === null) {
      const found = pattern.exec(this.#console.slice(from));
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`the console never said ${pattern}; it said:\n${this.#console}`);
  }

  async login(): Promise<void> {
    await this.#answer(/login: /);
    this.#process.stdin?.write('root\n');
    await this.#answer(/root@[^:]+:~# /);
  }

  /** Runs a shell command on the serial console and returns what it printed. */
  async shell(command: string): Promise<string> {
    // The marker is split in what is typed, so that the echo of the typed line is not taken for the answer.
    this.#process.stdin?.write(`echo BEG''IN; ${command}; echo "EN""D $?"\n`);
    const [, output, status] = await this.#answer(/BEGIN\r\n(.*?)END (\d+)\r\n/s);
    if (status !== '0') throw new Error(`${command}: status ${status}: ${output}`);
    return (output ?? '').replaceAll('\r', '').trim();
  }

  async poweroff(): Promise<number | null> {
    this.#process.stdin?.write('poweroff\n');
    return await this.#ended;
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode === null) this.#process.kill('SIGKILL');
    await this.#ended;
  }
}

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
    const build = join(dirname(fileURLToPath(import.meta.url)), 'build.sh');
    await run(build, [file('base.qcow2')]);
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
    const publicKey = execFileSync('cat', [file('key.pub')], { encoding: 'utf8' });
    const metaData = {
      uuid: '11111111-2222-4333-8444-555555555555',
      hostname: 'walker.example',
      name: 'not the hostname',
      public_keys: { mine: publicKey },
      meta: { 'odd "key"\n': [1, true, null, { deep: 'é' }] },
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

  it('formats and mounts the blank disk, and fills its own with its file system', async () => {
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
