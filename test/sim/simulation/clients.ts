/** Clients of a front: they write, read, append, create, delete and list, and remember what they were told. */
import type { RowValue, StoredRow } from '#cluster';
import { isFailure, type Random, type VirtualClock } from '#common';
import type { Operation, Value } from '../../support/linearizability.ts';
import { type Front, paces } from './front.ts';
import { Bodies, type Register } from './registers.ts';

export interface ClientParts {
  readonly time: VirtualClock;
  readonly random: Random;
  readonly front: Front;
  readonly registers: readonly Register[];
  readonly bodies: Bodies;
  readonly report: (violation: string) => void;
  /** What became of a change is not known. */
  readonly onDoubt: (register: Register) => void;
}

const nothing = Buffer.alloc(0);
const textMax = 400;
const togetherMs = 10_000;
/** The first few names are in everybody's way. */
const crowded = 4;
/** With more changes of which nobody was told, the search for an order would not end. */
const openMax = 4;

export function rowOf(text: string): RowValue {
  // Part of it lies in the body, so that a body never goes with another version's meta unnoticed.
  return { meta: Buffer.from(text), bytes: text.length, body: Buffer.from(text.slice(-20)) };
}

export class Client {
  private readonly parts: ClientParts;
  /** Between two operations, on average. */
  thinkMs = 20_000;
  /** What part of the names it has to do with: others are left alone long enough to be forgotten once they are deleted. */
  share = 1;
  isPaused = false;
  private isBusy = false;
  private writes = 0;
  operations = 0;
  private readonly name: string;

  constructor(name: string, parts: ClientParts) {
    this.name = name;
    this.parts = parts;
  }

  get isIdle(): boolean {
    return !this.isBusy;
  }

  /** Never ends. */
  async run(): Promise<void> {
    const { time, random } = this.parts;
    for (;;) {
      await time.sleep(-Math.log(1 - random.unit()) * this.thinkMs);
      // Often several at the same moment.
      if (random.below(2) === 0) await time.sleep(togetherMs - (time.monotonicMs() % togetherMs));
      if (this.isPaused) continue;
      this.isBusy = true;
      try {
        await this.something();
      } finally {
        this.isBusy = false;
      }
    }
  }

  private async something(): Promise<void> {
    const { random, registers } = this.parts;
    const among = random.below(3) === 0 ? crowded : registers.length;
    const register = registers[Math.floor(random.below(among) * this.share)];
    if (register === undefined || register.isFull) return;
    this.operations += 1;
    const kind = random.below(20);
    if (kind < 5) await this.get(register);
    else if (kind < 9) await this.put(register, this.text());
    else if (kind < 11) await this.remove(register);
    else if (kind < 14) await this.putBody(register);
    else if (kind < 16) await this.list(register.partition);
    else if (register.isAvailable) await this.put(register, this.text());
    else if (kind < 18) await this.append(register);
    else await this.createOnly(register);
  }

  /** Nobody was told what became of a change: one looks several times and goes on from there, while others do so too. */
  async look(register: Register): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    try {
      for (let times = 0; times < 4 && !this.isPaused && !register.isFull; times++) {
        this.operations += 1;
        // Changes that depend on what is there, from several sides at once, are ballots against ballots.
        const changes = times === 0 && !register.isAvailable && register.openChanges < openMax;
        if (changes && this.parts.random.below(3) === 0) await this.append(register);
        else await this.get(register);
      }
    } finally {
      this.isBusy = false;
    }
  }

  private text(): string {
    return `${this.name}.${++this.writes}`;
  }

  /** `apply`: what it did, given the answer; `maybe`: what it did if nobody knows. */
  private async record<T>(
    register: Register,
    what: string,
    steps: {
      readonly run: () => Promise<T | 'died'>;
      readonly apply: (answer: T) => Operation['apply'];
      readonly maybe?: Operation['apply'];
      readonly say?: (answer: T) => string;
    },
  ): Promise<T | undefined> {
    const { time, onDoubt } = this.parts;
    const startMs = time.monotonicMs();
    register.inFlight += 1;
    register.changes += 1;
    const unknown = () => {
      if (steps.maybe === undefined) return undefined;
      const told = `${what}?`;
      const endMs = Number.POSITIVE_INFINITY;
      onDoubt(register);
      register.history.push({ startMs, endMs, mayVanish: true, told, apply: steps.maybe });
      return undefined;
    };
    try {
      const answer = await steps.run();
      if (answer === 'died') return unknown();
      const told = `${what} ${steps.say?.(answer) ?? ''}`;
      const apply = steps.apply(answer);
      register.history.push({ startMs, endMs: time.monotonicMs(), mayVanish: false, told, apply });
      return answer;
    } catch (error) {
      const isExpected = (['unreachable', 'conflict', 'busy', 'closed'] as const).some((kind) =>
        isFailure(error, kind),
      );
      if (!isExpected) throw error;
      return unknown();
    } finally {
      register.inFlight -= 1;
      register.changes += 1;
    }
  }

  private async put(register: Register, text: string): Promise<void> {
    const mode = register.isAvailable ? 'available' : 'strict';
    const apply = () => ({ next: text });
    await this.record(register, `put ${text}`, {
      run: () =>
        this.parts.front.ask(({ tables }) => tables.put(register.ref, rowOf(text), { mode })),
      apply: () => apply,
      maybe: apply,
    });
  }

  private async remove(register: Register): Promise<void> {
    const mode = register.isAvailable ? 'available' : 'strict';
    const apply = () => ({ next: undefined });
    await this.record(register, 'delete', {
      run: () => this.parts.front.ask(({ tables }) => tables.delete(register.ref, { mode })),
      apply: () => apply,
      maybe: apply,
    });
  }

  /** A blob first, and after a while, a long one now and then, its row. */
  private async putBody(register: Register): Promise<void> {
    const { front, random, bodies, time } = this.parts;
    const { bytes, body } = bodies.make(1 + random.below(20_000));
    const id = random.bytes(16).toString('hex');
    bodies.note(id, body);
    try {
      const stored = await front.ask(({ blobs }) => blobs.put([bytes], { id }));
      // One in eight clients goes away in the middle.
      if (stored === 'died' || random.below(8) === 0) return;
    } catch (error) {
      if (isFailure(error)) return;
      throw error;
    }
    const text = `${this.text()} in ${id}`;
    if (random.below(3) > 0) return await this.put(register, text);
    this.isBusy = false;
    const beganMs = time.monotonicMs();
    const isLate = () => time.monotonicMs() - beganMs > paces.bodyMs;
    do await time.sleep(random.unit() * paces.bodyMs);
    while (this.isPaused && !isLate());
    this.isBusy = true;
    if (!isLate() && !this.isPaused && !register.isFull) await this.put(register, text);
  }

  private async append(register: Register): Promise<void> {
    const { front } = this.parts;
    const more = `+${this.text()}`;
    const longer = (state: Value) => `${state ?? ''}${more}`.slice(-textMax);
    await this.record(register, `append ${more}`, {
      run: () =>
        front.ask(({ tables }) =>
          tables.update(register.ref, (row) => rowOf(longer(textOf(row))), { body: true }),
        ),
      apply:
        ({ previous }) =>
        (state) =>
          state === textOf(previous) ? { next: longer(state) } : 'impossible',
      maybe: (state) => ({ next: longer(state) }),
      say: ({ previous }) => `to ${textOf(previous)}`,
    });
  }

  private async createOnly(register: Register): Promise<void> {
    const { front } = this.parts;
    const text = this.text();
    await this.record(register, `create ${text}`, {
      run: () =>
        front.ask(({ tables }) =>
          tables.update(register.ref, (row) => (row === undefined ? rowOf(text) : 'keep')),
        ),
      apply:
        ({ changed }) =>
        (state) => {
          if (changed !== (state === undefined)) return 'impossible';
          return { next: changed ? text : state };
        },
      maybe: (state) => ({ next: state ?? text }),
      say: ({ changed }) => String(changed),
    });
  }

  private async get(register: Register): Promise<void> {
    const { front, report } = this.parts;
    const row = await this.record(register, 'get', {
      run: () => front.ask(async ({ tables }) => ({ row: await this.read(tables, register) })),
      apply: (answer) => (state) =>
        register.isAvailable || state === answer.row ? { next: state } : 'impossible',
      say: (answer) => String(answer.row),
    });
    for (const id of Bodies.idsIn(row?.row)) {
      const wrong = await this.readBody(register, id);
      if (wrong !== undefined) report(`${register.name}: blob ${id} ${wrong}`);
    }
  }

  private async read(tables: Front['cluster']['tables'], register: Register): Promise<Value> {
    const row = await tables.get(register.ref, { body: true });
    const text = row?.meta.toString();
    if (text !== undefined && (row?.body ?? nothing).toString() !== text.slice(-20))
      this.parts.report(`${register.name}: the meta of one version, the body of another`);
    return text;
  }

  /** What is wrong with it, if it is still referred to. */
  private async readBody(register: Register, id: string): Promise<string | undefined> {
    const { front, bodies } = this.parts;
    try {
      const bytes = await front.ask(({ blobs }) => blobs.read(id, 0, 100_000));
      if (bytes === 'died' || bodies.isRight(id, bytes)) return undefined;
      return 'has wrong bytes';
    } catch (error) {
      if (!isFailure(error, 'missing')) {
        if (isFailure(error)) return undefined;
        throw error;
      }
      return (await this.stillRefers(register, id)) ? 'is gone' : undefined;
    }
  }

  private async stillRefers(register: Register, id: string): Promise<boolean> {
    try {
      const row = await this.parts.front.ask(({ tables }) => tables.get(register.ref));
      return row !== 'died' && Bodies.idsIn(row?.meta.toString()).includes(id);
    } catch (error) {
      if (isFailure(error)) return false;
      throw error;
    }
  }

  /** Whatever was settled before it began and did not change until it ended must be in it, and be as it was. */
  private async list(partition: string): Promise<void> {
    const { front, registers, report } = this.parts;
    const of = registers.filter((one) => one.partition === partition && !one.isAvailable);
    const before = new Map(of.filter((one) => one.isQuiet).map((one) => [one, one.changes]));
    const first = new Map([...before.keys()].map((one) => [one, outcomeOf(one)]));
    try {
      const request = { table: 'object', partition, limit: 1000 };
      const page = await front.ask(({ tables }) => tables.list(request));
      if (page === 'died') return;
      const found = new Map(page.entries.map(({ row }) => [row?.sort, row?.meta.toString()]));
      for (const [register, changes] of before) {
        if (register.changes !== changes) continue;
        const allowed = first.get(register);
        const listed = found.get(register.sort);
        if (allowed !== undefined && !allowed.has(listed))
          report(`${register.name} is listed as ${listed}, not ${[...allowed].join(' or ')}`);
      }
    } catch (error) {
      if (!isFailure(error)) throw error;
    }
  }
}

function textOf(row: StoredRow | undefined): Value {
  return row?.meta.toString();
}

/** What may be there after operations of which all ended: undefined when that takes a search. */
function outcomeOf(register: Register): ReadonlySet<Value> | undefined {
  let state: Value = register.settled;
  let endMs = 0;
  const ordered = [...register.history].sort((a, b) => a.startMs - b.startMs);
  for (const one of ordered) {
    if (one.startMs < endMs) return undefined;
    const outcome = one.apply(state);
    if (outcome === 'impossible') return undefined;
    state = outcome.next;
    endMs = one.endMs;
  }
  return new Set([state]);
}
