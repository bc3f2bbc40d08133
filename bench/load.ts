/** The main thread's side of the load: starts worker threads, splits jobs among them, adds up what they say. */
import { Worker } from 'node:worker_threads';
import { Failure } from '#common';
import type { NamedObject } from './lane.ts';
import type { Job, JobAnswer, JobDone, WorkerStart } from './load-worker.ts';
import { addTally, newTally, type Tally } from './tally.ts';
import type { ObjectWorkload } from './workload.ts';

export interface LoadResult {
  readonly tally: Tally;
  readonly elapsedS: number;
  /** Of the busiest worker. */
  readonly utilization: number;
  /** Some of the objects that a timed run wrote. */
  readonly written: readonly NamedObject[];
}

export class Load {
  readonly #workers: readonly Worker[];

  constructor(options: Omit<WorkerStart, 'worker'> & { readonly workers: number }) {
    const { workers, ...start } = options;
    this.#workers = Array.from({ length: workers }, (_, worker) => {
      const workerData: WorkerStart = { ...start, worker };
      return new Worker(new URL('./load-worker.ts', import.meta.url), { workerData });
    });
  }

  async timed(workload: ObjectWorkload, durationS: number): Promise<LoadResult> {
    return await this.#all((worker, count) => {
      const lanes = share(workload.concurrency, worker, count);
      return { kind: 'timed', workload, lanes, durationS };
    });
  }

  /** Does one operation on each of the objects; the caller looks at the errors. */
  async once(
    operation: 'read' | 'write' | 'delete',
    objects: readonly NamedObject[],
    concurrency: number,
  ): Promise<LoadResult> {
    return await this.#all((worker, count) => ({
      kind: 'once',
      operation,
      lanes: Math.max(1, share(concurrency, worker, count)),
      objects: objects.filter((_, at) => at % count === worker),
    }));
  }

  /** Says what timed deletes may delete. */
  async offer(objects: readonly NamedObject[]): Promise<void> {
    await this.#all((worker, count) => ({
      kind: 'offer',
      objects: objects.filter((_, at) => at % count === worker),
    }));
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  async #all(jobOf: (worker: number, count: number) => Job): Promise<LoadResult> {
    const count = this.#workers.length;
    const answers = await Promise.all(
      this.#workers.map((worker, at) => ask(worker, jobOf(at, count))),
    );
    const tally = newTally();
    for (const answer of answers) addTally(tally, answer.tally);
    return {
      tally,
      elapsedS: Math.max(...answers.map((answer) => answer.elapsedS)),
      utilization: Math.max(...answers.map((answer) => answer.utilization)),
      written: answers.flatMap((answer) => answer.written),
    };
  }
}

const share = (total: number, worker: number, count: number): number =>
  Math.floor(total / count) + (worker < total % count ? 1 : 0);

function ask(worker: Worker, job: Job): Promise<JobDone> {
  return new Promise((resolve, reject) => {
    const onError = (cause: unknown): void => {
      reject(new Failure('bug', 'bench-worker', 'A load thread failed', { cause }));
    };
    const onExit = (code: number): void => onError(new Error(`exit ${code}`));
    worker.once('error', onError);
    worker.once('exit', onExit);
    worker.once('message', (answer: JobAnswer) => {
      worker.off('error', onError);
      worker.off('exit', onExit);
      if ('done' in answer) resolve(answer.done);
      else onError(new Error(answer.failed));
    });
    worker.postMessage(job);
  });
}
