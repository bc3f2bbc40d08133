/** Servers: the compute API, the scheduler, and the drivers that run guests. */
export type { ComputeCaller } from './caller.ts';
export { type Compute, type ComputeOptions, createCompute } from './compute-service.ts';
export type { ComputeHost } from './core.ts';
export type { Hypervisor } from './drivers/driver.ts';
export { FakeHypervisor } from './drivers/fake.ts';
export { runningGuests } from './drivers/qemu/processes.ts';
export { type Member, type Members, membersOf } from './members.ts';
export { computeMigrations } from './migrations/index.ts';
export type {
  BootImages,
  DiskEngine,
  HostNetwork,
  ServerPort,
  ServerPorts,
  ServerVolumes,
  ServiceCalls,
} from './neighbours.ts';
export { RemoteHypervisor } from './remote/remote-hypervisor.ts';
export { hypervisorCalls } from './remote/serve-hypervisor.ts';
export { type ComputeSettings, computeSettings } from './settings.ts';

/** QEMU's driver is loaded only where guests run. */
export const loadQemu = () => import('./drivers/qemu/qemu.ts');
