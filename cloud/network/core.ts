/** What every part of the network service shares. */
import type { Quotas } from '#cloud/quotas';
import type { AnyTransaction, State } from '#cloud/state';
import { type Clock, type Logger, type Random, randomUuid } from '#common';
import { fail } from './failures.ts';
import type { NetworkTables } from './migrations.ts';
import type { Document, Kind, Kinds, NewDocument } from './model/documents.ts';
import { notFound } from './model/not-found.ts';
import * as store from './model/store.ts';
import type { NetworkSettings } from './settings.ts';

export type { Db, Tx } from './model/store.ts';

export interface NewEvent {
  readonly type: string;
  readonly resource: { readonly type: string; readonly id: string };
  readonly projectId?: string | undefined;
  readonly userId?: string | undefined;
  readonly requestId?: string | undefined;
}

export interface CoreOptions {
  readonly state: State;
  readonly quotas: Quotas;
  readonly settings: NetworkSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Tells followers of the cloud's feed, in the change's transaction. */
  emit(transaction: AnyTransaction, event: NewEvent): Promise<void>;
}

/** What the network really is at this moment, as far as this process sees. */
export interface Observed {
  /** Ports whose flows are set up on their host. */
  isUp(portId: string): boolean;
  readonly available: boolean;
  /** Why OVN does not have this as it should be, if so. */
  refusalOf(kind: Kind, id: string): string | undefined;
}

export class NetworkCore {
  readonly db: store.Db;
  readonly state: State;
  readonly quotas: Quotas;
  readonly settings: NetworkSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly emit: CoreOptions['emit'];
  /** Replaced when OVN is there. */
  observed: Observed = { isUp: () => false, available: false, refusalOf: () => undefined };
  /** Replaced when OVN is there: its chassis and what they run. */
  agents: () => readonly Readonly<Record<string, unknown>>[] = () => [];
  private readonly changed: (() => void)[] = [];

  constructor(options: CoreOptions) {
    this.state = options.state;
    this.db = options.state.db.$extendTables<NetworkTables>();
    this.quotas = options.quotas;
    this.settings = options.settings;
    this.clock = options.clock;
    this.random = options.random;
    this.log = options.log;
    this.emit = options.emit;
  }

  newId(): string {
    return randomUuid(this.random);
  }

  nowUs(): number {
    return this.clock.nowUs();
  }

  /** Called after every change of the model that was committed. */
  onChange(listener: () => void): void {
    this.changed.push(listener);
  }

  /** `lock`: changes that decide by counting or by looking for something free take turns. */
  change<T>(work: (tx: store.Tx) => Promise<T>, lock?: string): Promise<T> {
    return this.state.transaction(
      (untyped) => {
        const tx = untyped.$extendTables<NetworkTables>();
        this.state.afterCommit(tx, () => {
          for (const listener of this.changed) listener();
        });
        return work(tx);
      },
      lock === undefined ? {} : { lock },
    );
  }

  find<K extends Kind>(db: store.Db, kind: K, id: string): Promise<Kinds[K] | undefined> {
    return store.find(db, kind, id);
  }

  async get<K extends Kind>(db: store.Db, kind: K, id: string): Promise<Kinds[K]> {
    const found = await store.find(db, kind, id);
    if (found === undefined) throw notFound(kind, id);
    return found;
  }

  list<K extends Kind>(db: store.Db, kind: K, where: store.Where = {}): Promise<Kinds[K][]> {
    return store.list(db, kind, where);
  }

  insert<K extends Kind>(tx: store.Tx, kind: K, fresh: NewDocument<K>): Promise<Kinds[K]> {
    return store.insert(tx, kind, fresh, this.nowUs());
  }

  update<K extends Kind>(
    tx: store.Tx,
    kind: K,
    before: Kinds[K],
    changes: Partial<Kinds[K]>,
  ): Promise<Kinds[K]> {
    return store.update(tx, kind, before, changes, this.nowUs());
  }

  touch(tx: store.Tx, kind: Kind, id: string): Promise<void> {
    return store.touch(tx, kind, id, this.nowUs());
  }

  async remove(tx: store.Tx, document: Document): Promise<void> {
    await this.quotas.release(tx, document.id);
    await store.remove(tx, document.id);
  }

  /** Counts one of a resource for its project. */
  async count(
    tx: store.Tx,
    resource: string,
    document: { id: string; project_id: string },
  ): Promise<void> {
    if (document.project_id === '') return;
    const holder = { scope: document.project_id, holder: document.id };
    await this.quotas.reserve(tx, holder, { [`network.${resource}`]: 1 });
  }

  refuse(code: Parameters<typeof fail>[0], sentence: string): Error {
    return fail(code, sentence);
  }
}
