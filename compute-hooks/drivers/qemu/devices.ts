/** What is asked of a guest's monitor about its devices and its state. */
import { isFailure } from '#common';
import type { Places } from '../driver.ts';
import type { Monitor } from './monitor.ts';

export async function hasDevice(monitor: Monitor, name: string): Promise<boolean> {
  return (await deviceNames(monitor)).includes(name);
}

/** It has left and was not told to go on. */
export async function isStill(monitor: Monitor): Promise<boolean> {
  const { status } = (await monitor.run('query-status')) as { status: string };
  return status === 'postmigrate' || status === 'finish-migrate';
}

/** Device → slot, as QEMU knows it: what `query-pci` tells is right only when the guest's firmware has numbered the buses. */
export async function placesOf(monitor: Monitor): Promise<Places> {
  const places: Record<string, string> = {};
  for (const name of await deviceNames(monitor)) {
    const at = { path: `/machine/peripheral/${name}`, property: 'parent_bus' };
    const slot = /\/(slot\d+)\//.exec(String(await monitor.run('qom-get', at)))?.[1];
    if (slot !== undefined) places[name] = slot;
  }
  return places;
}

async function deviceNames(monitor: Monitor): Promise<string[]> {
  const entries = (await monitor.run('qom-list', { path: '/machine/peripheral' })) as {
    readonly name: string;
  }[];
  return entries.map(({ name }) => name).filter((name) => /^(disk|port)-/.test(name));
}

export async function missingIsFine(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isFailure(error, 'missing') && !isFailure(error, 'conflict')) throw error;
  }
}

/** A guest may end, or have been asked already, while it is being asked. */
export async function whileRunning(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isFailure(error, 'closed') && !isFailure(error, 'conflict')) throw error;
  }
}
