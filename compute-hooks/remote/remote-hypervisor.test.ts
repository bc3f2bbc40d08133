/** The fake in another process, as it were: asked over calls, it passes the driver's exam. */
import { Duplex, PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { createLogger, Failure, systemClock } from '#common';
import { Asking, serveCalls } from '#wire';
import { driverContract } from '../drivers/driver.contract.ts';
import type { GuestDisk, GuestSpec } from '../drivers/driver.ts';
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

const specOfNumber = (number: number): GuestSpec => ({
  id: idOf(number),
  name: `guest-${number}`,
  vcpus: 1,
  memoryMib: 64,
  disks: [{ ...diskOf(0), bootIndex: 0 }],
  ports: [],
  configDrive: Buffer.from('a drive'),
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
    return new RemoteHypervisor(asking, { clock, log });
  };
  const fake = new FakeHypervisor({ clock });
  const hypervisor = behind(fake);
  return {
    hypervisor,
    spec: async (number) => specOfNumber(number),
    disk: async (number) => diskOf(number),
    other: async () => behind(new FakeHypervisor({ clock })),
    restarted: async () => behind(fake),
    kill: async (id) => fake.endByItself(id),
    close: async () => {
      for (const close of closing) close();
    },
  };
});

it('hears of guests that end after a watch was broken off, and of those that ended meanwhile', async () => {
  const log = createLogger({ level: 'silent' });
  const clock = systemClock;
  const fake = new FakeHypervisor({ clock });
  const calls = hypervisorCalls(fake);
  const breaking: (() => void)[] = [];
  const [near, far] = wire();
  const serving = serveCalls(
    far,
    {
      ...calls,
      watch: (args, context) => {
        const broken = new Promise<never>((_resolve, reject) =>
          breaking.push(() =>
            reject(new Failure('unreachable', 'watch-broken', 'A watch breaks off')),
          ),
        );
        return Promise.race([calls.watch?.(args, context), broken]);
      },
    },
    { clock, log },
  );
  const asking = new Asking(near, { clock });
  const hypervisor = new RemoteHypervisor(asking, { clock, log });
  const heard: string[] = [];
  hypervisor.watch(({ id, power }) => {
    if (power === 'off') heard.push(id);
  });
  for (const number of [1, 2]) await fake.start(specOfNumber(number));
  await expect.poll(() => breaking.length).toBe(1);
  breaking[0]?.();
  fake.endByItself(idOf(1));
  await expect.poll(() => heard).toContain(idOf(1));
  await expect.poll(() => breaking.length).toBe(2);
  fake.endByItself(idOf(2));
  await expect.poll(() => heard).toContain(idOf(2));
  asking.close();
  serving.close();
});
