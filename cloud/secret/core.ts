/** What every part of the key manager shares. */
import type { Kysely, Transaction } from 'kysely';
import type { Operations } from '#cloud/operations';
import type { Quotas } from '#cloud/quotas';
import { roomOf, type State } from '#cloud/state';
import { type Clock, type Logger, type Random, randomUuid } from '#common';
import { quotaDeclarations } from './quotas.ts';
import { type MasterKeys, Sealing } from './sealing.ts';
import type { SecretSettings } from './settings.ts';
import type { SecretTables } from './tables.ts';

export type Db = Kysely<SecretTables>;
export type Tx = Transaction<SecretTables>;

export interface SecretCoreOptions {
  readonly state: State;
  readonly operations: Operations;
  readonly quotas: Quotas;
  /** What seals payloads. */
  readonly masterKeys: MasterKeys;
  readonly settings: SecretSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export class SecretCore {
  readonly db: Db;
  readonly operations: Operations;
  readonly quotas: Quotas;
  readonly sealing: Sealing;
  readonly settings: SecretSettings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: Random;
  private readonly state: State;

  constructor(options: SecretCoreOptions) {
    this.state = options.state;
    this.db = options.state.db.$extendTables<SecretTables>();
    this.operations = options.operations;
    this.quotas = options.quotas;
    this.quotas.add(quotaDeclarations(options.settings));
    this.sealing = new Sealing(options.masterKeys, options.random);
    this.settings = options.settings;
    this.clock = options.clock;
    this.log = options.log;
    this.random = options.random;
  }

  newId(): string {
    return randomUuid(this.random);
  }

  nowUs(): number {
    return this.clock.nowUs();
  }

  change<T>(work: (transaction: Tx) => Promise<T>): Promise<T> {
    return this.state.transaction((untyped) => work(roomOf<SecretTables>(untyped)));
  }

  /** The same where quotas of a project are touched: such changes wait for one another. */
  changeOf<T>(projectId: string, work: (transaction: Tx) => Promise<T>): Promise<T> {
    const lock = this.quotas.lockOf(projectId);
    return this.state.transaction((untyped) => work(roomOf<SecretTables>(untyped)), { lock });
  }
}
