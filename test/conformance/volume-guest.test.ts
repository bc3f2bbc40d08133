/**
 * A guest boots in QEMU from a clone of an image's volume by NBD; it gets a second disk, its own disk grows under it, snapshots are taken while it writes,
 * and a clone of the snapshot boots and has what the guest had synced. The guest is the project's own (`tools/guest-image`).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ServiceWorld, startServiceWorld } from '../../block-gateway/testing/service-world.ts';
import { runOk } from '../support/cloud.ts';

const build = join(import.meta.dirname, '../../tools/guest-image/build.sh');
const mib = 1024 * 1024;
const patienceMs = 240_000;

/** A guest with its serial console and its monitor. */
class Guest {
  private readonly child: ChildProcess;
  private readonly monitorPath: string;
  private monitor: Socket | undefined;
  private answers = '';
  printed = '';

  constructor(world: ServiceWorld, volume: string, name: string) {
    this.monitorPath = join(world.folder, `${name}.qmp`);
    const disk = {
      driver: 'nbd',
      'node-name': 'disk0',
      server: { type: 'unix', path: world.socketPath },
      export: volume,
      'reconnect-delay': 30,
    };
    this.child = spawn('qemu-system-x86_64', [
      ...['-nodefaults', '-display', 'none', '-m', '256', '-machine', 'q35,accel=tcg'],
      ...['-serial', 'stdio', '-qmp', `unix:${this.monitorPath},server=on,wait=off`],
      ...['-device', 'pcie-root-port,id=port0'],
      ...['-blockdev', JSON.stringify(disk), '-device', 'virtio-blk-pci,drive=disk0'],
    ]);
    this.child.stdout?.on('data', (text: Buffer) => {
      this.printed += text.toString('latin1');
    });
    this.child.stderr?.on('data', (text: Buffer) => {
      this.printed += text.toString('latin1');
    });
  }

  async until(words: string | RegExp): Promise<void> {
    const endMs = performance.now() + patienceMs;
    while (performance.now() < endMs) {
      if (typeof words === 'string' ? this.printed.includes(words) : words.test(this.printed))
        return;
      await sleep(100);
    }
    throw new Error(`The guest did not say ${words}: ${this.printed.slice(-2000)}`);
  }

  async login(): Promise<void> {
    await this.until('login:');
    this.child.stdin?.write('root\n');
    await this.until(/:~# /);
  }

  /** What a command prints. */
  async run(command: string): Promise<string> {
    this.printed = '';
    this.child.stdin?.write(`${command}; echo en""d-$?\n`);
    await this.until(/end-\d+/);
    expect(this.printed).toContain('end-0');
    return this.printed;
  }

  async ask(execute: string, args: object = {}): Promise<void> {
    if (this.monitor === undefined) {
      this.monitor = connect({ path: this.monitorPath });
      this.monitor.on('data', (text: Buffer) => {
        this.answers += text.toString();
      });
      this.monitor.write('{"execute":"qmp_capabilities"}\n');
      await sleep(300);
    }
    this.answers = '';
    this.monitor.write(`${JSON.stringify({ execute, arguments: args })}\n`);
    const endMs = performance.now() + patienceMs;
    while (!/"(return|error)"/.test(this.answers) && performance.now() < endMs) await sleep(50);
    expect(this.answers).toContain('"return"');
  }

  async kill(): Promise<void> {
    this.monitor?.destroy();
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill('SIGKILL');
    await new Promise((resolve) => this.child.once('close', resolve));
  }
}

describe('a guest on volumes', () => {
  let world: ServiceWorld;
  const guests: Guest[] = [];
  const boot = (volume: string, name: string) => {
    const guest = new Guest(world, volume, name);
    guests.push(guest);
    return guest;
  };
  beforeAll(async () => {
    world = await startServiceWorld();
    await runOk(build, [join(world.folder, 'guest.qcow2')]);
  }, 180_000);
  afterAll(async () => {
    for (const guest of guests) await guest.kill();
    await world.close();
  });

  it('boots from a clone, takes a disk, grows, and lives on in a snapshot', async () => {
    const { volumes } = world;
    const project = 'p';
    const from = { file: join(world.folder, 'guest.qcow2') };
    const base = await volumes.create({ name: 'image', project, from, sealed: true });
    const disk = await volumes.create({ name: 'disk', project, from: { volume: base.id } });
    const guest = boot(disk.id, 'first');
    await guest.login();

    const data = await volumes.create({ name: 'data', project, sizeBytes: 32 * mib });
    await guest.ask('blockdev-add', {
      driver: 'nbd',
      'node-name': 'data0',
      server: { type: 'unix', path: world.socketPath },
      export: data.id,
    });
    await guest.ask('device_add', {
      driver: 'virtio-blk-pci',
      drive: 'data0',
      bus: 'port0',
      id: 'd0',
    });
    await guest.run('while [ ! -e /sys/block/vdb ]; do sleep 1; done');
    expect(await guest.run('cat /sys/block/vdb/size')).toContain('65536');
    // The guest leaves disks to whoever attached them.
    await guest.run('while [ ! -e /dev/vdb ]; do sleep 1; done');
    expect(await guest.run('mkfs.ext4 -q /dev/vdb && mount /dev/vdb /mnt && df /mnt')).toContain(
      '/mnt',
    );
    await guest.run('umount /mnt');
    await guest.run('dd if=/dev/urandom of=/dev/vdb bs=1M count=8 && sync');
    const sum = /([0-9a-f]{32})/.exec(
      await guest.run('dd if=/dev/vdb bs=1M count=8 2>/dev/null | md5sum'),
    );

    const larger = disk.sizeBytes + 64 * mib;
    await volumes.extend(disk.id, larger);
    // The protocol has no word for a new size: QEMU hears of it when it connects again.
    volumes.reconnect(disk.id);
    await guest.run('echo 3 > /proc/sys/vm/drop_caches; ls -lR /etc > /dev/null');
    await guest.ask('block_resize', { 'node-name': 'disk0', size: larger });
    await guest.run(`while [ $(cat /sys/block/vda/size) != ${larger / 512} ]; do sleep 1; done`);

    const writing = guest.run('dd if=/dev/zero of=/dev/vdb bs=64k seek=256 count=200 conv=fsync');
    const snapshot = await volumes.snapshot(data.id, { name: 'while writing' });
    const system = await volumes.snapshot(disk.id, { name: 'running' });
    await writing;
    await guest.kill();

    const again = await volumes.create({
      name: 'again',
      project,
      from: { volume: disk.id, snapshot: system.id },
    });
    const second = boot(again.id, 'second');
    await second.login();
    expect(await second.run('cat /sys/block/vda/size')).toContain(String(larger / 512));
    const { volume, release } = await volumes.openReadOnly(data.id, { snapshot: snapshot.id });
    const content = Buffer.alloc(8 * mib);
    for (let at = 0; at < content.length; at += mib) await volume.read(at, mib, content, at);
    await release();
    const { createHash } = await import('node:crypto');
    expect(createHash('md5').update(content).digest('hex')).toBe(sum?.[1]);
  });
});
