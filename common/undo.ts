/** A stack of undo steps: what was half made is taken back in reverse order unless `keep` was called. */

export class Undo {
  private steps: (() => Promise<void> | void)[] = [];

  /** Registers how to take back what was just done. */
  add(step: () => Promise<void> | void): void {
    this.steps.push(step);
  }

  /** Everything succeeded: forget the steps. */
  keep(): void {
    this.steps = [];
  }

  /** Takes back, last first; every step runs even when one fails, and the failures come back together. */
  async run(): Promise<void> {
    const steps = this.steps.reverse();
    this.steps = [];
    const failures: unknown[] = [];
    for (const step of steps) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'Some undo steps failed');
  }
}
