/** What every part of the image service shares. */
import type { Kysely, Transaction } from 'kysely';
import type { Operations } from '#cloud/operations';
import type { Quotas } from '#cloud/quotas';
import type { State } from '#cloud/state';
import { type Clock, type Logger, type Random, randomUuid } from '#common';
import type { ContentStore, ImageVolumes } from './content/interfaces.ts';
import type { ImageSettings } from './settings.ts';
import type { ImageTables } from './tables.ts';

export type Db = Kysely<ImageTables>;
export type Tx = Transaction<ImageTables>;

export interface CoreOptions {
  readonly state: State;
  readonly operations: Operations;
  readonly quotas: Quotas;
  readonly settings: ImageSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Where image bytes are kept. */
  readonly store: ContentStore;
  /** Makes volumes of images; without it images stay files. */
  readonly volumes?: ImageVolumes;
  /** A name of this process that stays the same over restarts, and of no other process. */
  readonly holder: string;
}

export class ImageCore {
  readonly db: Db;
  readonly operations: Operations;
  readonly quotas: Quotas;
  readonly settings: ImageSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly store: ContentStore;
  readonly volumes: ImageVolumes | undefined;
  readonly holder: string;
  private readonly state: State;

  constructor(options: CoreOptions) {
    this.state = options.state;
    this.db = options.state.db.$extendTables<ImageTables>();
    this.operations = options.operations;
    this.quotas = options.quotas;
    this.settings = options.settings;
    this.clock = options.clock;
    this.random = options.random;
    this.log = options.log;
    this.store = options.store;
    this.volumes = options.volumes;
    this.holder = options.holder;
  }

  newId(): string {
    return randomUuid(this.random);
  }

  nowUs(): number {
    return this.clock.nowUs();
  }

  change<T>(work: (transaction: Tx) => Promise<T>): Promise<T> {
    return this.state.transaction((untyped) => work(untyped.$extendTables<ImageTables>()));
  }
}
