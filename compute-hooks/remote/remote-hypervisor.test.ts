/** The fake in another process, as it were: asked over calls, it passes the driver's exam. */
import { Duplex, PassThrough } from 'node:stream';
import { createLogger, systemClock } from '#common';
import { Asking, serveCalls } from '#wire';
import { driverContract } from '../drivers/driver.contract.ts';
import type { GuestDisk } from '../drivers/driver.ts';
import { FakeHypervisor } from '../drivers/fake.ts';
import { RemoteHypervisor } from './remote-hypervisor.ts';
import { hypervisorCalls } from './serve-hypervisor.ts';

const idOf = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;

const diskOf = (number: number): GuestDisk => ({
  id: idOf(1000 + number),
  device: `vd${'abcdef'[number] ?? 'z'}`,
  bootIndex: undefined,
  socketPath: '/run/nbd.sock',
  exportName: `export-${number}`,
  readOnly: false,
  serial: idOf(number),
});

/** Two ends of one wire. */
function wire(): [Duplex, Duplex] {
  const [there, back] = [new PassThrough(), new PassThrough()];
  return [
    Duplex.from({ readable: there, writable: back }),
    Duplex.from({ readable: back, writable: there }),
  ];
}

driverContract('A hypervisor by calls', async () => {
  const log = createLogger({ level: 'silent' });
  const clock = systemClock;
  const closing: (() => void)[] = [];
  const behind = (driver: FakeHypervisor): RemoteHypervisor => {
    const [near, far] = wire();
    const serving = serveCalls(far, hypervisorCalls(driver), { clock, log });
    const asking = new Asking(near, { clock });
    closing.push(
      () => asking.close(),
      () => serving.close(),
    );
    return new RemoteHypervisor(asking);
  };
  const fake = new FakeHypervisor({ clock });
  const hypervisor = behind(fake);
  return {
    hypervisor,
    spec: async (number) => ({
      id: idOf(number),
      name: `guest-${number}`,
      vcpus: 1,
      memoryMib: 64,
      disks: [{ ...diskOf(0), bootIndex: 0 }],
      ports: [],
      configDrive: Buffer.from('a drive'),
    }),
    disk: async (number) => diskOf(number),
    other: async () => behind(new FakeHypervisor({ clock })),
    restarted: async () => behind(fake),
    kill: async (id) => fake.endByItself(id),
    close: async () => {
      for (const close of closing) close();
    },
  };
});
