/**
 * The exam of a workflow: its process "dies" at every point where that could leave a difference, and the next one must bring
 * the operation to its end. The death is simulated (from that point on nothing is written any more), so that an exam of
 * dozens of points takes seconds; `kill-nine.test.ts` shows with real processes that the simulation tells the truth.
 */
import { Failure } from '#common';
import type { Operation, Operations } from '../index.ts';

export interface ExamRoom {
  readonly operations: Operations;
  close(): Promise<void>;
}

/** Everything one run of the workflow stands on, fresh each time. */
export interface ExamWorld {
  /** Opens operations with the workflow under examination, always as the same owner; `reached` must be handed on. */
  open(reached: (point: string) => void): Promise<ExamRoom>;
  /** Begins the operation; returns its id. */
  start(operations: Operations): Promise<string>;
  /** What must hold at the end, whatever happened on the way. */
  check(operation: Operation, diedAt: string): Promise<void>;
  remove(): Promise<void>;
}

export interface Exam {
  readonly points: readonly string[];
}

const endMsMax = 30_000;

/** Runs once undisturbed to learn the points, then once for each of them. */
export async function examineWorkflow(world: () => Promise<ExamWorld>): Promise<Exam> {
  const points = await inWorld(world, async (fresh) => {
    const seen = new Set<string>();
    const room = await fresh.open((point) => seen.add(point));
    const id = await fresh.start(room.operations);
    const ended = await room.operations.outcome(id, AbortSignal.timeout(endMsMax));
    await room.close();
    await fresh.check(ended, 'nowhere');
    return [...seen];
  });
  for (const point of points) await inWorld(world, (fresh) => dieAt(fresh, point));
  return { points };
}

async function dieAt(world: ExamWorld, point: string): Promise<void> {
  let died: () => void = () => {};
  const dead = new Promise<void>((resolve) => {
    died = resolve;
  });
  let alive = true;
  const doomed = await world.open((here) => {
    if (alive && here !== point) return;
    alive = false;
    died();
    // As when the lease is lost: the runner writes nothing from here on, nor does any other of this process.
    throw new Failure('closed', 'lease-lost', 'The process has died, as the exam wants it');
  });
  const id = await world.start(doomed.operations);
  await dead;
  await doomed.close();
  const next = await world.open(() => {});
  const ended = await next.operations.outcome(id, AbortSignal.timeout(endMsMax));
  await next.close();
  await world.check(ended, point);
}

async function inWorld<T>(
  world: () => Promise<ExamWorld>,
  work: (fresh: ExamWorld) => Promise<T>,
): Promise<T> {
  const fresh = await world();
  try {
    return await work(fresh);
  } finally {
    await fresh.remove();
  }
}
