/**
 * A lane is one simulated client: a connection and a closed loop that draws an operation, does it, and counts it.
 * Reads choose from the population that was written before the run. Writes go to names of the lane's own thread,
 * round and round; deletes take the oldest of them that is still there.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, systemCodeOf } from '#common';
import { bodyOf } from './bodies.ts';
import type { Connection } from './connection.ts';
import type { Dialect } from './dialect.ts';
import { recordError, type Tally } from './tally.ts';
import {
  type ObjectWorkload,
  type OperationKind,
  operationKinds,
  populationOf,
  type SizeShare,
  writtenNamesOf,
} from './workload.ts';

/** After a failed operation a lane rests, so that a dead server does not make a busy loop. */
const AFTER_ERROR_MS = 10;
/** Pages of one list operation; a server with tiny pages must not hold a lane for ever. */
const PAGES_MAX = 10_000;
const PAGE_ROWS_MAX = 10_000;

export interface NamedObject {
  readonly name: string;
  readonly sizeBytes: number;
}

export const populationName = (sizeBytes: number, index: number): string =>
  `r${sizeBytes}/${index}`;

export const listedName = (sizeBytes: number, index: number): string => `l${sizeBytes}/${index}`;

/** Names that one thread writes and deletes; shared by its lanes. */
export class WrittenNames {
  readonly #worker: number;
  readonly #next = new Map<number, number>();
  /** In the order of writing; what was written twice is there once. */
  readonly #present: Map<string, NamedObject>;

  /** `present` were written before the run and may be deleted in it. */
  constructor(worker: number, present: readonly NamedObject[]) {
    this.#worker = worker;
    this.#present = new Map(present.map((object) => [object.name, object]));
  }

  take(sizeBytes: number): NamedObject {
    const at = this.#next.get(sizeBytes) ?? 0;
    this.#next.set(sizeBytes, at + 1);
    const name = `w${sizeBytes}/${this.#worker}-${at % writtenNamesOf(sizeBytes)}`;
    this.#present.delete(name); // nobody may delete it while it is written again
    return { name, sizeBytes };
  }

  written(object: NamedObject): void {
    this.#present.set(object.name, object);
  }

  /** Some of what is there, spread over all of it. */
  sample(max: number): NamedObject[] {
    const step = Math.max(1, Math.floor(this.#present.size / max));
    return [...this.#present.values()].filter((_, at) => at % step === 0).slice(0, max);
  }

  takeForDelete(): NamedObject | undefined {
    const [oldest] = this.#present.values();
    if (oldest) this.#present.delete(oldest.name);
    return oldest;
  }
}

export interface LaneContext {
  readonly connection: Connection;
  readonly dialect: Dialect;
  readonly workload: ObjectWorkload;
  readonly names: WrittenNames;
  readonly draw: () => number;
  readonly tally: Tally;
}

/** Runs operations until `untilMs` (of performance.now) or until there is nothing left to delete. */
export async function runLane(lane: LaneContext, untilMs: number): Promise<void> {
  const onlyDeletes = operationKinds.every(
    (kind) => kind === 'delete' || lane.workload.mix[kind] === 0,
  );
  while (performance.now() < untilMs) {
    let kind = drawKind(lane);
    const victim = kind === 'delete' ? lane.names.takeForDelete() : undefined;
    if (kind === 'delete' && victim === undefined) {
      if (onlyDeletes) return;
      kind = 'write'; // nothing is there to delete yet
    }
    await measured(lane, kind, () => perform(lane, kind, victim));
  }
}

/** Runs one operation on each of the objects, once; used to fill, to read back and to clean up. */
export async function runOnce(
  lane: Pick<LaneContext, 'connection' | 'dialect' | 'tally'>,
  kind: 'read' | 'write' | 'delete',
  objects: readonly NamedObject[],
): Promise<void> {
  for (const object of objects) {
    await measured(lane, kind, async () => {
      if (kind === 'write') return await write(lane, object);
      if (kind === 'delete') return await remove(lane, object);
      return await read(lane, object, true);
    });
  }
}

/** What an operation answered: bytes of payload, or what was wrong. */
type Outcome = number | { readonly wrong: string };

async function measured(
  lane: Pick<LaneContext, 'tally'>,
  kind: OperationKind,
  operation: () => Promise<Outcome>,
): Promise<void> {
  const started = performance.now();
  let outcome: Outcome;
  try {
    outcome = await operation();
  } catch (error) {
    outcome = { wrong: systemCodeOf(error) ?? messageOf(error).slice(0, 80) };
  }
  if (typeof outcome === 'number') {
    const tally = lane.tally.operations[kind];
    tally.count++;
    tally.bytes += outcome;
    tally.latency.record(Math.max(1, Math.round((performance.now() - started) * 1000)));
  } else {
    recordError(lane.tally, kind, `${kind} ${outcome.wrong}`);
    await sleep(AFTER_ERROR_MS);
  }
}

async function perform(
  lane: LaneContext,
  kind: OperationKind,
  victim: NamedObject | undefined,
): Promise<Outcome> {
  if (kind === 'list') return await list(lane);
  if (kind === 'delete' && victim) return await remove(lane, victim);
  const sizeBytes = drawSize(lane.workload.sizes, lane.draw());
  if (kind === 'write') {
    const object = lane.names.take(sizeBytes);
    const outcome = await write(lane, object);
    if (typeof outcome === 'number') lane.names.written(object);
    return outcome;
  }
  const index = Math.floor(lane.draw() * populationOf(lane.workload, sizeBytes));
  const verify = lane.tally.operations.read.count % lane.workload.verifyEvery === 0;
  return await read(lane, { name: populationName(sizeBytes, index), sizeBytes }, verify);
}

type Reach = Pick<LaneContext, 'connection' | 'dialect' | 'tally'>;

async function read(lane: Reach, object: NamedObject, verify: boolean): Promise<Outcome> {
  const answer = await lane.connection.send(lane.dialect.object('GET', object.name), verify);
  if (answer.status !== 200) return { wrong: `status ${answer.status}` };
  if (answer.bytes !== object.sizeBytes) return corrupt(lane, 'length');
  if (answer.body) {
    if (!answer.body.equals(bodyOf(object.name, object.sizeBytes))) return corrupt(lane, 'body');
    lane.tally.verified++;
  }
  return answer.bytes;
}

function corrupt(lane: Reach, what: string): Outcome {
  lane.tally.corrupt++;
  return { wrong: `wrong ${what}` };
}

async function write(lane: Reach, object: NamedObject): Promise<Outcome> {
  const body = bodyOf(object.name, object.sizeBytes);
  const answer = await lane.connection.send(lane.dialect.object('PUT', object.name, body), false);
  return answer.status === 200 || answer.status === 201
    ? object.sizeBytes
    : { wrong: `status ${answer.status}` };
}

async function remove(lane: Reach, object: NamedObject): Promise<Outcome> {
  const answer = await lane.connection.send(lane.dialect.object('DELETE', object.name), false);
  return answer.status === 204 || answer.status === 200 ? 0 : { wrong: `status ${answer.status}` };
}

async function list(lane: LaneContext): Promise<Outcome> {
  let [rows, bytes] = [0, 0];
  const { listed, listRows } = lane.workload;
  let isFirstRound = listed.objects > listRows;
  let after = isFirstRound
    ? listedName(listed.sizeBytes, Math.floor(lane.draw() * listed.objects))
    : undefined;
  for (let page = 0; page < PAGES_MAX && rows < listRows; page++) {
    const limit = Math.min(PAGE_ROWS_MAX, listRows - rows);
    const answer = await lane.connection.send(lane.dialect.page(after, limit), true);
    if (answer.status !== 200 || !answer.body) return { wrong: `status ${answer.status}` };
    bytes += answer.bytes;
    const found = lane.dialect.readPage(answer.body);
    rows += found.names.length;
    after = found.next;
    if (after !== undefined) continue;
    // One that began near the end goes on at the beginning.
    if (!isFirstRound) break;
    isFirstRound = false;
  }
  lane.tally.rows += rows;
  return bytes;
}

function drawKind(lane: LaneContext): OperationKind {
  const { mix } = lane.workload;
  let left = lane.draw() * (mix.read + mix.write + mix.list + mix.delete);
  for (const kind of operationKinds) {
    left -= mix[kind];
    if (left < 0) return kind;
  }
  return operationKinds.find((kind) => mix[kind] > 0) ?? 'read';
}

function drawSize(sizes: readonly SizeShare[], drawn: number): number {
  let left = drawn * sizes.reduce((sum, share) => sum + share.weight, 0);
  for (const share of sizes) {
    left -= share.weight;
    if (left < 0) return share.sizeBytes;
  }
  return sizes.at(-1)?.sizeBytes ?? 0;
}
