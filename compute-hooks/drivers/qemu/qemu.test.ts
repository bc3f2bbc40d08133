import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { silentLogger, systemClock, systemNet } from '#common';
import { driverContract } from '../driver.contract.ts';
import type { GuestDisk, GuestSpec } from '../driver.ts';
import { Qemu } from './qemu.ts';

const idOf = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;

/** Disks that QEMU's own NBD server serves; what guests do on them is asked elsewhere. */
class Disks {
  private readonly servers = new Map<number, ChildProcess>();
  private readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  async disk(number: number): Promise<GuestDisk> {
    const socketPath = join(this.folder, `nbd${number}`);
    if (!this.servers.has(number)) {
      const file = join(this.folder, `disk${number}`);
      fs.writeFileSync(file, Buffer.alloc(1024 * 1024));
      const args = ['-k', socketPath, '-f', 'raw', '-t', '-e', '8', '-x', 'disk', file];
      this.servers.set(number, spawn('qemu-nbd', args, { stdio: 'inherit' }));
      while (!fs.existsSync(socketPath)) await sleep(20);
    }
    return {
      id: idOf(1000 + number),
      device: `vd${'abcdef'[number] ?? 'z'}`,
      bootIndex: number === 0 ? 0 : undefined,
      socketPath,
      exportName: 'disk',
      readOnly: false,
      serial: idOf(number),
    };
  }

  close(): void {
    for (const server of this.servers.values()) server.kill('SIGKILL');
  }
}

const newFolder = () => fs.mkdtempSync(join(tmpdir(), 'pileus-qemu-'));

const openQemu = (folder: string, accelerator: 'auto' | 'tcg') =>
  new Qemu({
    folder,
    accelerator,
    consoleBytesMax: 1024 * 1024,
    net: systemNet,
    clock: systemClock,
    log: silentLogger,
  });

const specOf = (number: number, disks: readonly GuestDisk[]): GuestSpec => ({
  id: idOf(number),
  name: `guest-${number}`,
  vcpus: 1,
  memoryMib: 64,
  disks,
  ports: [],
  configDrive: Buffer.alloc(2048),
});

driverContract('QEMU', async () => {
  const folder = newFolder();
  const disks = new Disks(folder);
  const openDriver = (guests = 'guests') => openQemu(join(folder, guests), 'auto');
  let driver = openDriver();
  const other = openDriver('others');
  return {
    hypervisor: driver,
    spec: async (number) => specOf(number, [await disks.disk(0)]),
    disk: (number) => disks.disk(number),
    other: async () => other,
    restarted: async () => {
      await driver.close();
      driver = openDriver();
      return driver;
    },
    kill: async (id) => {
      process.kill(Number(fs.readFileSync(join(folder, 'guests', id, 'pid'), 'utf8')), 'SIGKILL');
    },
    close: async () => {
      await driver.close();
      await other.close();
      disks.close();
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
});

test('memory that finds no room is told so, and its guest goes on', async () => {
  const folder = newFolder();
  const driver = openQemu(folder, 'tcg');
  const spec = specOf(1, []);
  const never = new AbortController().signal;
  try {
    await driver.start(spec, never);
    fs.symlinkSync('/nowhere/at/all', join(folder, spec.id, 'memory.state.half'));
    await expect(driver.suspend(spec.id, never)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await driver.power(spec.id)).toBe('running');
    const full = new Duplex({
      read() {},
      write: (_chunk, _encoding, done) => done(new Error('no room there')),
    });
    const sending = driver.send(spec.id, full, { signal: never, progress: () => {} });
    await expect(sending).rejects.toThrow('no room there');
    expect(await driver.power(spec.id)).toBe('running');
    await driver.suspend(spec.id, never);
    expect(await driver.power(spec.id)).toBe('off');
    // What is left of the file is not enough for QEMU, and cannot be read at all then.
    const kept = join(folder, spec.id, 'memory.state');
    fs.renameSync(kept, `${kept}.whole`);
    fs.mkdirSync(kept);
    await expect(driver.wake(spec, never)).rejects.toMatchObject({ code: 'EISDIR' });
    fs.rmdirSync(kept);
    fs.renameSync(`${kept}.whole`, kept);
    await driver.wake(spec, never);
    expect(await driver.power(spec.id)).toBe('running');
  } finally {
    await driver.remove(spec.id);
    await driver.close();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}, 30_000);
