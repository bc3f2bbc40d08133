/**
 * One object store under measurement: its container is made and filled, workloads run on it in any order, and in the
 * end what was written is removed.
 *
 * A run: 1. what the workload needs is there (population, rows to list, objects to delete); 2. warm-up, not counted;
 * 3. the measured time, between two looks at the processes and at the data folder; 4. some of the bodies that were
 * written are read back and compared.
 */
import { Failure } from '#common';
import { Connection } from './connection.ts';
import { type Dialect, dialectOf } from './dialect.ts';
import { listedName, type NamedObject, populationName } from './lane.ts';
import { Load, type LoadResult } from './load.ts';
import { bytesOnDisk, type MachineUse, watchMachine } from './processes.ts';
import type { Row } from './result.ts';
import { objectRow } from './row.ts';
import { type ObjectTarget, openSession } from './session.ts';
import { type ObjectWorkload, populationOf } from './workload.ts';

const FILL_CONCURRENCY = 16;
const LIST_PAGE_ROWS = 10_000;
const SWEEPS_MAX = 1_000;

export interface ObjectBenchOptions {
  readonly container: string;
  readonly workers: number;
  readonly seed: number;
  /** Objects laid out for a run of nothing but deletes. */
  readonly deletes: number;
  /** Leave container and objects behind, and find them there next time. */
  readonly keep: boolean;
  readonly say: (line: string) => void;
}

export class ObjectBench {
  readonly #target: ObjectTarget;
  readonly #options: ObjectBenchOptions;
  readonly #load: Load;
  readonly #control: Connection;
  readonly #dialect: Dialect;
  readonly #present: Set<string>;

  private constructor(parts: {
    target: ObjectTarget;
    options: ObjectBenchOptions;
    load: Load;
    control: Connection;
    dialect: Dialect;
    present: Set<string>;
  }) {
    this.#target = parts.target;
    this.#options = parts.options;
    this.#load = parts.load;
    this.#control = parts.control;
    this.#dialect = parts.dialect;
    this.#present = parts.present;
  }

  static async open(target: ObjectTarget, options: ObjectBenchOptions): Promise<ObjectBench> {
    const session = await openSession(target);
    const control = new Connection(session.origin);
    const dialect = dialectOf(session, options.container);
    const made = await control.send(dialect.container('PUT'), true);
    // 409: an S3 bucket that is ours already.
    if (made.status >= 300 && made.status !== 409) {
      control.close();
      const facts = { container: options.container, status: made.status };
      throw new Failure('denied', 'bench-container', 'The container could not be made', { facts });
    }
    const present = new Set(await listNames(control, dialect));
    const { container, workers, seed } = options;
    const load = new Load({ session, container, workers, seed });
    return new ObjectBench({ target, options, load, control, dialect, present });
  }

  async run(workload: ObjectWorkload, round: number): Promise<Row> {
    const onlyDeletes = workload.mix.delete > 0 && workload.mix.write === 0;
    await this.#prepare(workload, onlyDeletes);
    // Deletes cannot be warmed up without using up what is to be deleted.
    if (workload.warmUpS > 0 && !onlyDeletes) await this.#load.timed(workload, workload.warmUpS);
    const startedAt = new Date();
    const diskBefore = bytesOnDisk(this.#target.server?.data_folder);
    const used = watchMachine(this.#target.server);
    const result = await this.#load.timed(workload, workload.durationS);
    const machine: MachineUse = used();
    const diskAfter = bytesOnDisk(this.#target.server?.data_folder);
    const readBack = await this.#readBack(result);
    const diskBytes =
      diskBefore === undefined || diskAfter === undefined ? undefined : diskAfter - diskBefore;
    const target = this.#target.name ?? this.#target.kind;
    return objectRow({ workload, target, round, startedAt, result, readBack, machine, diskBytes });
  }

  async close(): Promise<void> {
    try {
      if (!this.#options.keep) await this.#clean();
    } finally {
      await this.#load.close();
      this.#control.close();
    }
  }

  async #prepare(workload: ObjectWorkload, onlyDeletes: boolean): Promise<void> {
    const { mix, sizes, listed } = workload;
    const needed: NamedObject[] = [];
    if (mix.read > 0) {
      for (const { sizeBytes } of sizes) {
        for (let i = 0; i < populationOf(workload, sizeBytes); i++) {
          needed.push({ name: populationName(sizeBytes, i), sizeBytes });
        }
      }
    }
    for (let i = 0; i < listed.objects; i++)
      needed.push({ name: listedName(listed.sizeBytes, i), sizeBytes: listed.sizeBytes });
    await this.#fill(needed.filter(({ name }) => !this.#present.has(name)));
    for (const { name } of needed) this.#present.add(name);
    if (!onlyDeletes) return;
    const sizeBytes = sizes[0]?.sizeBytes ?? 0;
    const victims = Array.from({ length: this.#options.deletes }, (_, i) => ({
      name: `d${sizeBytes}/${i}`,
      sizeBytes,
    }));
    await this.#fill(victims);
    await this.#load.offer(victims);
  }

  async #fill(objects: readonly NamedObject[]): Promise<void> {
    if (objects.length === 0) return;
    this.#options.say(`writing ${objects.length} objects to work on`);
    const { tally } = await this.#load.once('write', objects, FILL_CONCURRENCY);
    if (tally.errors.size > 0) {
      const facts = {
        errors: [...tally.errors].map(([what, count]) => `${what}×${count}`).join(', '),
      };
      throw new Failure(
        'unreachable',
        'bench-fill',
        'The objects to work on could not be written',
        { facts },
      );
    }
  }

  async #readBack(result: LoadResult): Promise<LoadResult['tally'] | undefined> {
    if (result.written.length === 0) return undefined;
    return (await this.#load.once('read', result.written, FILL_CONCURRENCY)).tally;
  }

  async #clean(): Promise<void> {
    this.#options.say('removing what was written');
    for (let sweep = 0; sweep < SWEEPS_MAX; sweep++) {
      const names = await listNames(this.#control, this.#dialect);
      if (names.length === 0) break;
      // A failed delete shows in the next listing; the last word is the container's.
      await this.#load.once(
        'delete',
        names.map((name) => ({ name, sizeBytes: 0 })),
        FILL_CONCURRENCY,
      );
    }
    const removed = await this.#control.send(this.#dialect.container('DELETE'), true);
    if (removed.status >= 300 && removed.status !== 404) {
      this.#options.say(`the container ${this.#options.container} stays: status ${removed.status}`);
    }
  }
}

const LISTED_NAMES_MAX = 2_000_000;

async function listNames(control: Connection, dialect: Dialect): Promise<string[]> {
  const names: string[] = [];
  let after: string | undefined;
  do {
    const answer = await control.send(dialect.page(after, LIST_PAGE_ROWS), true);
    // Two targets may be two doors to one store: whoever is done first takes the container along.
    if (answer.status === 404) return names;
    if (answer.status >= 300 || !answer.body) {
      const facts = { status: answer.status };
      throw new Failure('unreachable', 'bench-listing', 'The container cannot be listed', {
        facts,
      });
    }
    const page = dialect.readPage(answer.body);
    for (const name of page.names) names.push(name);
    after = page.next;
  } while (after !== undefined && names.length < LISTED_NAMES_MAX);
  return names;
}
