/** One at a time per key, within this process: spares those who would lose the race for a row the work of losing it. */

export class KeyedLocks {
  private readonly tails = new Map<string, Promise<void>>();

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.tails.get(key);
    const mine = Promise.withResolvers<void>();
    this.tails.set(key, mine.promise);
    try {
      await before;
      return await work();
    } finally {
      mine.resolve();
      if (this.tails.get(key) === mine.promise) this.tails.delete(key);
    }
  }
}
