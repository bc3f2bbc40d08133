/** What every part of the volume service shares. */
import type { Kysely, Transaction } from 'kysely';
import type { Operations } from '#cloud/operations';
import { type Quotas, unlimited } from '#cloud/quotas';
import { roomOf, type State } from '#cloud/state';
import { type Clock, type Logger, type Random, randomUuid } from '#common';
import type {
  BackupStores,
  Projects,
  VolumeEngine,
  VolumeImages,
  VolumeKeys,
  VolumeObjects,
} from './engine.ts';
import { quotaDeclarations, resourceOf } from './quotas.ts';
import type { VolumeSettings } from './settings.ts';
import type { VolumeTables } from './tables.ts';

export type Db = Kysely<VolumeTables>;
export type Tx = Transaction<VolumeTables>;

export interface VolumeCoreOptions {
  readonly state: State;
  readonly operations: Operations;
  readonly quotas: Quotas;
  readonly engine: VolumeEngine;
  readonly images: VolumeImages;
  readonly keys: VolumeKeys;
  readonly objects: VolumeObjects;
  readonly backups: BackupStores;
  readonly projects: Projects;
  readonly settings: VolumeSettings;
  /** The host that serves volumes, as administrators see it. */
  readonly host: string;
  /** Room on the devices, for whoever looks at pools. */
  readonly space: () => Promise<{ readonly totalBytes: number; readonly freeBytes: number }>;
  /** Told of each volume that has grown, before its growing counts as done: whoever has it attached is to see it. */
  readonly grown?: (volumeId: string, sizeGib: number) => Promise<void>;
  /** Where clients of NBD connect. */
  readonly nbd: { readonly host: string; readonly port: number; readonly socketPath: string };
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export class VolumeCore {
  readonly db: Db;
  readonly operations: Operations;
  readonly quotas: Quotas;
  readonly engine: VolumeEngine;
  readonly images: VolumeImages;
  readonly keys: VolumeKeys;
  readonly objects: VolumeObjects;
  readonly backups: BackupStores;
  readonly projects: Projects;
  readonly settings: VolumeSettings;
  readonly host: string;
  readonly nbd: VolumeCoreOptions['nbd'];
  readonly space: VolumeCoreOptions['space'];
  readonly grown: NonNullable<VolumeCoreOptions['grown']>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  private readonly state: State;
  private readonly declared = new Set<string>();

  constructor(options: VolumeCoreOptions) {
    this.state = options.state;
    this.db = options.state.db.$extendTables<VolumeTables>();
    this.operations = options.operations;
    this.quotas = options.quotas;
    this.engine = options.engine;
    this.quotas.add(quotaDeclarations(options.settings));
    for (const { resource } of this.quotas.declared()) this.declared.add(resource);
    this.images = options.images;
    this.keys = options.keys;
    this.objects = options.objects;
    this.backups = options.backups;
    this.projects = options.projects;
    this.settings = options.settings;
    this.host = options.host;
    this.nbd = options.nbd;
    this.space = options.space;
    this.grown = options.grown ?? (async () => {});
    this.clock = options.clock;
    this.random = options.random;
    this.log = options.log;
  }

  newId(): string {
    return randomUuid(this.random);
  }

  /** Quotas by volume type come with the type: they are without limit until an administrator sets one. */
  declareQuota(name: string): void {
    const resource = resourceOf(name);
    if (this.declared.has(resource)) return;
    this.declared.add(resource);
    this.quotas.add([{ resource, defaultLimit: unlimited }]);
  }

  /** All of it happens or none, and it may run twice; statements inside go through the transaction they are handed. */
  change<T>(work: (transaction: Tx) => Promise<T>): Promise<T> {
    return this.state.transaction((untyped) => work(roomOf<VolumeTables>(untyped)));
  }

  /** The same where quotas of a project are touched: such changes wait for one another. */
  changeOf<T>(projectId: string, work: (transaction: Tx) => Promise<T>): Promise<T> {
    const lock = this.quotas.lockOf(projectId);
    return this.state.transaction((untyped) => work(roomOf<VolumeTables>(untyped)), { lock });
  }
}
