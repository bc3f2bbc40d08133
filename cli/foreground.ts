/** Runs a cloud in this process until a signal ends it. */
import { systemClock, systemRandom } from '#common';
import { openCloud } from './cloud.ts';
import type { CloudInfo, Lack } from './cloud-types.ts';
import { claimRunning, type DataFolder, releaseRunning } from './data-folder.ts';
import { watchIdleMemory } from './idle-memory.ts';
import type { StartChoice } from './start-check.ts';

/** After a signal everything is closed in order; a second signal, or this long, ends the process at once. */
const closeMsMax = 30_000;

export async function runCloud(
  folder: DataFolder,
  choice: StartChoice,
  ready: (info: CloudInfo, lacks: readonly Lack[]) => void,
): Promise<void> {
  claimRunning(folder);
  const stopped = firstSignal();
  try {
    const cloud = await openCloud(folder, choice, { random: systemRandom });
    ready(cloud.info, (await cloud.status()).lacks);
    const idleMemory = watchIdleMemory(systemClock);
    await stopped;
    idleMemory?.close();
    const limit = setTimeout(() => process.exit(1), closeMsMax);
    await cloud.close();
    clearTimeout(limit);
  } finally {
    releaseRunning(folder);
  }
  // Libraries may leave handles open; everything of ours is closed and synced by now.
  process.exit(0);
}

/** Resolves at the first signal to end; a second one ends the process at once. */
export function firstSignal(): Promise<void> {
  return new Promise((resolve) => {
    const stop = () => {
      for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => process.exit(1));
      resolve();
    };
    process.once('SIGTERM', stop);
    process.once('SIGINT', stop);
  });
}
