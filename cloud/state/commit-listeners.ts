/** What is to happen once a transaction has committed, and not at all when it has not. */
import type { Transaction } from 'kysely';
import { Failure } from '#common';
import type { AnyTransaction } from './state.ts';

type Work<T> = (transaction: Transaction<unknown>) => Promise<T>;

export class CommitListeners {
  /** By executor: all faces of one transaction share it. */
  private readonly waiting = new WeakMap<object, (() => void)[]>();

  add(transaction: AnyTransaction, run: () => void): void {
    const runs = this.waiting.get(transaction.getExecutor());
    if (runs === undefined)
      throw new Failure('bug', 'foreign-transaction', 'Transactions are begun by the state');
    runs.push(run);
  }

  /** `attempt` hands its work through `listen` to the database; a second attempt starts with no listeners. */
  async around<T>(attempt: (listen: (work: Work<T>) => Work<T>) => Promise<T>): Promise<T> {
    let runs: (() => void)[] = [];
    const result = await attempt((work) => (transaction) => {
      runs = [];
      this.waiting.set(transaction.getExecutor(), runs);
      return work(transaction);
    });
    for (const run of runs) run();
    return result;
  }
}
