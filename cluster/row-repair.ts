/** Mends bad and old copies that reads came upon: bounded, a few at a time, and what does not fit is the replicator's. */
import { isFailure } from '#common';
import type { Row, RowKey } from '#wire';
import type { Core } from './core.ts';
import type { Replica } from './replica.ts';
import { copyOf, nameOf, newestOf, payloadBytes } from './row-key.ts';

interface Task {
  readonly key: RowKey;
  readonly device: number;
}

export class RowRepair {
  private readonly core: Core;
  private readonly tasks = new Map<string, Task>();
  private running = 0;
  private closed = false;

  constructor(core: Core) {
    this.core = core;
  }

  /** The row of `key` on `device` is older than another, or bad. */
  later(key: RowKey, device: number): void {
    if (this.closed || this.tasks.size >= this.core.settings.repairsWaitingMax) return;
    this.tasks.set(`${device}\0${nameOf(key)}`, { key, device });
    this.work();
  }

  /** What waits and runs; for tests and health. */
  get pending(): number {
    return this.tasks.size + this.running;
  }

  close(): void {
    this.closed = true;
    this.tasks.clear();
  }

  private work(): void {
    while (this.running < this.core.settings.repairsInFlightMax) {
      const [name, task] = this.tasks.entries().next().value ?? [];
      if (name === undefined || task === undefined) return;
      this.tasks.delete(name);
      this.running += 1;
      void this.attempt(task).finally(() => {
        this.running -= 1;
        this.work();
      });
    }
  }

  private async attempt(task: Task): Promise<void> {
    let outcome = 'failed';
    try {
      outcome = await this.mend(task);
    } catch (error) {
      // A device that cannot be mended now is found again by the next read or by the replicator.
      this.core.log.debug({ err: error, device: task.device }, 'a read repair failed');
    }
    this.core.counters.repairs.inc({ what: 'row', outcome });
  }

  private async mend({ key, device }: Task): Promise<string> {
    const others = this.core.primariesOf(key.hash).filter((replica) => replica.device !== device);
    const row = newestOf(await Promise.all(others.map((replica) => readWhole(replica, key))));
    if (row === undefined) return 'nothing';
    const write = { ...copyOf(key, row, row.version), copied: true };
    const reply = await this.core
      .replica(device)
      .call('row', payloadBytes(write), (service) => service.acceptRow(write));
    return reply.outcome;
  }
}

/** A replica that is out of reach or bad itself has nothing to give. */
async function readWhole(replica: Replica, key: RowKey): Promise<Row | undefined> {
  try {
    return await replica.call('row', 0, (service) => service.readRow(key, { body: true }));
  } catch (error) {
    if (isFailure(error)) return undefined;
    throw error;
  }
}
