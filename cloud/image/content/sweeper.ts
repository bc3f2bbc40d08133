/** Clears up, now and then, what nobody is working on any more: transfers whose lease ran out, bytes that nothing refers to, old tasks. */
import type { Timer } from '#common';
import type { ImageCore } from '../core.ts';
import { removeExpiredTasks } from '../tasks/task-rows.ts';
import { deleteDropped } from './contents.ts';
import { dropUnfilled, endTransfers } from './transfers.ts';

export class Sweeper {
  private readonly core: ImageCore;
  private timer: Timer | undefined;
  private sweeping: Promise<void> | undefined;
  private closed = false;

  constructor(core: ImageCore) {
    this.core = core;
  }

  /** This process was started anew: whoever sent it bytes before has to begin again. */
  async open(): Promise<void> {
    await this.core.change((tx) => endTransfers(this.core, tx, { heldBefore: true }));
    this.schedule(0);
  }

  async close(): Promise<void> {
    this.closed = true;
    this.timer?.cancel();
    await this.sweeping;
  }

  private schedule(delayMs: number): void {
    if (this.closed) return;
    this.timer = this.core.clock.after(delayMs, () => {
      this.sweeping = this.sweep().finally(() => this.schedule(this.core.settings.sweepMs));
    });
  }

  private async sweep(): Promise<void> {
    const { core } = this;
    try {
      await core.change(async (tx) => {
        await endTransfers(core, tx, {});
        await dropUnfilled(tx);
      });
      await removeExpiredTasks(core);
      await deleteDropped(core);
    } catch (error) {
      // The next sweep repeats it.
      if (!this.closed) core.log.error({ err: error }, 'cannot sweep images');
    }
  }
}
