import { type ChildProcess, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLogger, systemClock, systemNet } from '#common';
import { driverContract } from '../driver.contract.ts';
import type { GuestDisk } from '../driver.ts';
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

driverContract('QEMU', async () => {
  const folder = fs.mkdtempSync(join(tmpdir(), 'pileus-qemu-'));
  const disks = new Disks(folder);
  const openDriver = (guests = 'guests') =>
    new Qemu({
      folder: join(folder, guests),
      accelerator: 'auto',
      consoleBytesMax: 1024 * 1024,
      net: systemNet,
      clock: systemClock,
      log: silentLogger,
    });
  let driver = openDriver();
  const other = openDriver('others');
  return {
    hypervisor: driver,
    spec: async (number) => ({
      id: idOf(number),
      name: `guest-${number}`,
      vcpus: 1,
      memoryMib: 64,
      disks: [await disks.disk(0)],
      ports: [],
      configDrive: Buffer.alloc(2048),
    }),
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
