/** What the S3 dialect does by itself: lifecycle rules and inventories, each a paced worker. */
import { type RunningWorker, startWorker } from '#common';
import type { ReportContext } from './inventory/report.ts';
import { inventoryWork } from './inventory/worker.ts';
import type { LifecycleContext } from './lifecycle/context.ts';
import { lifecycleWork } from './lifecycle/worker.ts';

// Requests come first: at most a quarter of the time is spent here while there is work.
const restRatio = 3;
const inventoryIdleMs = 60_000;

/** Returns how to stop. */
export function startS3Work(context: LifecycleContext & ReportContext): () => Promise<void> {
  const { clock, log, settings } = context;
  // Shortened days are for trying rules, and nobody tries for an hour.
  const restS = Math.min(settings.lifecycleRestS, Math.max(1, settings.lifecycleDayS / 2));
  const pace = { clock, log, restRatio };
  const workers: readonly RunningWorker[] = [
    startWorker(lifecycleWork(context), { ...pace, idleMs: restS * 1000 }),
    startWorker(inventoryWork(context), {
      ...pace,
      idleMs: settings.lifecycleDayS < 3_600 ? 1_000 : inventoryIdleMs,
    }),
  ];
  return async () => {
    await Promise.all(workers.map((worker) => worker.stop()));
  };
}
