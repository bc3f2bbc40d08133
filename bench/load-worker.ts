/**
 * The thread that makes load. Connections, and the names that were written, stay from job to job, so that a
 * warm-up warms what the measurement uses. One job at a time; each is answered by one message.
 */

import assert from 'node:assert/strict';
import { performance } from 'node:perf_hooks';
import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '#common';
import { repeatable } from './bodies.ts';
import { Connection } from './connection.ts';
import { dialectOf } from './dialect.ts';
import { type LaneContext, type NamedObject, runLane, runOnce, WrittenNames } from './lane.ts';
import type { Session } from './session.ts';
import { addTally, newTally, type Tally } from './tally.ts';
import type { ObjectWorkload } from './workload.ts';

export interface WorkerStart {
  readonly session: Session;
  readonly container: string;
  readonly worker: number;
  readonly seed: number;
}

export type Job =
  | {
      readonly kind: 'timed';
      readonly workload: ObjectWorkload;
      readonly lanes: number;
      readonly durationS: number;
    }
  | {
      readonly kind: 'once';
      readonly operation: 'read' | 'write' | 'delete';
      readonly lanes: number;
      readonly objects: readonly NamedObject[];
    }
  /** These objects are there and may be deleted by the next timed job. */
  | { readonly kind: 'offer'; readonly objects: readonly NamedObject[] };

export interface JobDone {
  readonly tally: Tally;
  readonly elapsedS: number;
  /** Share of the time that this thread's event loop was busy. */
  readonly utilization: number;
  /** After a timed job: some of the objects it wrote and did not delete. */
  readonly written: readonly NamedObject[];
}

export type JobAnswer = { readonly done: JobDone } | { readonly failed: string };

const SAMPLE_MAX = 100;
const port = parentPort;
assert(port, 'load-worker.ts runs as a worker thread');
const start = workerData as WorkerStart;
const dialect = dialectOf(start.session, start.container);
const connections: Connection[] = [];
let names = new WrittenNames(start.worker, []);

port.on('message', (job: Job) => {
  runJob(job).then(
    (done) => port.postMessage({ done } satisfies JobAnswer),
    (error: unknown) => port.postMessage({ failed: messageOf(error) } satisfies JobAnswer),
  );
});

async function runJob(job: Job): Promise<JobDone> {
  const began = performance.now();
  const idle = performance.eventLoopUtilization();
  const tally = newTally();
  if (job.kind === 'offer') names = new WrittenNames(start.worker, job.objects);
  else if (job.kind === 'timed') await runTimed(job, tally);
  else await runEach(job, tally);
  return {
    tally,
    elapsedS: (performance.now() - began) / 1000,
    utilization: performance.eventLoopUtilization(idle).utilization,
    written: job.kind === 'timed' && job.workload.mix.write > 0 ? names.sample(SAMPLE_MAX) : [],
  };
}

async function runTimed(job: Extract<Job, { kind: 'timed' }>, tally: Tally): Promise<void> {
  const until = performance.now() + job.durationS * 1000;
  const lanes = Array.from({ length: job.lanes }, async (_, index) => {
    const own = newTally();
    const lane: LaneContext = {
      connection: connectionAt(index),
      dialect,
      workload: job.workload,
      names,
      draw: repeatable(start.seed + index * 7919 + start.worker * 104_729),
      tally: own,
    };
    await runLane(lane, until);
    addTally(tally, own);
  });
  await Promise.all(lanes);
}

async function runEach(job: Extract<Job, { kind: 'once' }>, tally: Tally): Promise<void> {
  const lanes = Array.from({ length: job.lanes }, async (_, index) => {
    const share = job.objects.filter((_, at) => at % job.lanes === index);
    await runOnce({ connection: connectionAt(index), dialect, tally }, job.operation, share);
  });
  await Promise.all(lanes);
}

function connectionAt(index: number): Connection {
  const found = connections[index] ?? new Connection(start.session.origin);
  connections[index] = found;
  return found;
}
