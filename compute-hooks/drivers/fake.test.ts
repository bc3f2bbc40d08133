import { systemClock } from '#common';
import { driverContract } from './driver.contract.ts';
import type { GuestDisk } from './driver.ts';
import { FakeHypervisor } from './fake.ts';

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

driverContract('The fake', async () => {
  const hypervisor = new FakeHypervisor({ clock: systemClock });
  const other = new FakeHypervisor({ clock: systemClock });
  return {
    hypervisor,
    spec: async (number) => ({
      id: idOf(number),
      name: `guest-${number}`,
      vcpus: 1,
      memoryMib: 64,
      disks: [{ ...diskOf(0), bootIndex: 0 }],
      ports: [],
      configDrive: undefined,
    }),
    disk: async (number) => diskOf(number),
    other: async () => other,
    restarted: async () => hypervisor,
    kill: async (id) => hypervisor.endByItself(id),
    close: async () => {},
  };
});
