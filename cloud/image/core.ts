/** What every part of the image service shares. */
import type { Kysely, Transaction } from 'kysely';
import type { Operations } from '#cloud/operations';
import type { Quotas } from '#cloud/quotas';
import type { AnyTransaction, State } from '#cloud/state';
import { type Clock, type Logger, type Random, randomUuid } from '#common';
import type { ContentStore, ImageVolumes, UserObjects } from './content/interfaces.ts';
import type { ImageSettings } from './settings.ts';
import type { ImageTables } from './tables.ts';

export type Db = Kysely<ImageTables>;
export type Tx = Transaction<ImageTables>;

/** What the service needs of the cloud's event feed. */
export interface EventSink {
  emit(
    transaction: AnyTransaction,
    event: {
      readonly type: string;
      readonly resource: { readonly type: string; readonly id: string };
      readonly projectId?: string | undefined;
      readonly userId?: string | undefined;
      readonly requestId?: string | undefined;
      readonly payload?: Readonly<Record<string, unknown>>;
    },
  ): Promise<void>;
}

export interface CoreOptions {
  readonly state: State;
  readonly operations: Operations;
  readonly quotas: Quotas;
  readonly settings: ImageSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Told of what happens to images, in the transaction in which it does. */
  readonly events?: EventSink;
  /** Where image bytes are kept. */
  readonly store: ContentStore;
  /** Makes volumes of images; without it images stay files. */
  readonly volumes?: ImageVolumes;
  /** Whose objects can become images without a copy; without it their bytes come like any others. */
  readonly objects?: UserObjects;
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
  readonly objects: UserObjects | undefined;
  readonly holder: string;
  private readonly events: EventSink | undefined;
  private readonly state: State;

  constructor(options: CoreOptions) {
    this.state = options.state;
    this.events = options.events;
    this.db = options.state.db.$extendTables<ImageTables>();
    this.operations = options.operations;
    this.quotas = options.quotas;
    this.settings = options.settings;
    this.clock = options.clock;
    this.random = options.random;
    this.log = options.log;
    this.store = options.store;
    this.volumes = options.volumes;
    this.objects = options.objects;
    this.holder = options.holder;
  }

  newId(): string {
    return randomUuid(this.random);
  }

  nowUs(): number {
    return this.clock.nowUs();
  }

  /** Tells the event feed what a request, or the program itself, did to an image. */
  async tell(
    tx: Tx,
    verb: 'create' | 'update' | 'upload' | 'delete',
    image: { readonly id: string; readonly owner: string | null },
    request?: {
      readonly caller: { readonly userId: string } | undefined;
      readonly requestId: string;
    },
  ): Promise<void> {
    await this.events?.emit(tx, {
      type: `image.${verb}`,
      resource: { type: 'image', id: image.id },
      projectId: image.owner ?? undefined,
      userId: request?.caller?.userId,
      requestId: request?.requestId,
    });
  }

  change<T>(work: (transaction: Tx) => Promise<T>): Promise<T> {
    return this.state.transaction((untyped) => work(untyped.$extendTables<ImageTables>()));
  }
}
