/** Lets compare-and-sets on one row of one process wait for each other, so that they don't take each other's ballots. */
import { Failure } from '#common';

export class RowLocks {
  private readonly tails = new Map<string, Promise<unknown>>();
  private readonly waitingMax: number;
  private waiting = 0;

  constructor(waitingMax: number) {
    this.waitingMax = waitingMax;
  }

  async within<T>(name: string, work: () => Promise<T>): Promise<T> {
    if (this.waiting >= this.waitingMax)
      throw new Failure('busy', 'too-many-waiting', 'Too many updates wait already', {
        facts: { waiting: this.waiting },
      });
    const before = this.tails.get(name);
    const run = before === undefined ? work() : before.then(work, work);
    this.tails.set(name, run);
    this.waiting += 1;
    try {
      return await run;
    } finally {
      this.waiting -= 1;
      if (this.tails.get(name) === run) this.tails.delete(name);
    }
  }
}
