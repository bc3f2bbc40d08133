/**
 * What clients did to each name and were told, so that it can be said whether that could have happened one thing after the other; and the bytes of
 * every blob that was ever begun.
 */
import { findViolation, type Operation, type Value } from '../../support/linearizability.ts';

/** So many in a row without a look at the whole: the search for an order grows with them. */
const operationsMax = 48;

export class Register {
  readonly partition: string;
  readonly sort: string;
  /** Written with stand-ins where need be: the newest wins in the end, and that is all that is promised. */
  readonly isAvailable: boolean;
  settled: Value;
  history: Operation[] = [];
  /** Rises with whatever begins or ends. */
  changes = 0;
  inFlight = 0;

  constructor(partition: string, sort: string, isAvailable: boolean) {
    this.partition = partition;
    this.sort = sort;
    this.isAvailable = isAvailable;
  }

  get ref() {
    return { table: 'object', partition: this.partition, sort: this.sort };
  }

  get name(): string {
    return `${this.partition}/${this.sort}`;
  }

  get isFull(): boolean {
    return this.history.length >= operationsMax;
  }

  get openChanges(): number {
    return this.history.filter(({ mayVanish }) => mayVanish).length;
  }

  /** Whether it is known what a reader must see at this moment. */
  get isQuiet(): boolean {
    return this.inFlight === 0 && this.history.every(({ mayVanish }) => !mayVanish);
  }

  /** The last operation, a read after everything has healed, is added; from here on its answer is all there is to know. */
  settle(atMs: number, found: Value): string | undefined {
    const { history, settled } = this;
    this.history = [];
    this.settled = found;
    if (this.isAvailable) return this.settleAvailable(history, settled, found);
    const last: Operation = {
      ...{ startMs: atMs, endMs: atMs, mayVanish: false, told: `in the end ${found}` },
      apply: (state) => (state === found ? { next: state } : 'impossible'),
    };
    const order = findViolation([...history, last], settled);
    if (order === undefined) return undefined;
    const told = [...history, last].map(
      (one) => `${one.startMs.toFixed(0)}…${one.endMs.toFixed(0)} ${one.told}`,
    );
    return `${this.name} was ${settled}: ${told.join('; ')}`;
  }

  private settleAvailable(history: Operation[], settled: Value, found: Value): string | undefined {
    const written = history.map(({ apply }) => apply(undefined));
    const may = written.some((one) => one !== 'impossible' && one.next === found);
    if (may || found === settled) return undefined;
    return `${this.name} is ${found}, which nobody wrote`;
  }
}

interface Body {
  readonly length: number;
  readonly fill: string;
}

export class Bodies {
  private readonly known = new Map<string, Body>();
  private count = 0;

  make(length: number): { readonly bytes: Buffer; readonly body: Body } {
    const body = { length, fill: `body ${++this.count} ` };
    return { bytes: Buffer.alloc(length, body.fill), body };
  }

  note(id: string, body: Body): void {
    this.known.set(id, body);
  }

  isRight(id: string, bytes: Buffer): boolean {
    const body = this.known.get(id);
    return body !== undefined && bytes.equals(Buffer.alloc(body.length, body.fill));
  }

  static idsIn(text: Value): string[] {
    return [...(text ?? '').matchAll(/[0-9a-f]{32}/g)].map(([id]) => id);
  }
}
