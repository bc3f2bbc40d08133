/**
 * What every part of identity shares: the tables, the keys, and one way to change anything.
 *
 * Invariant: what is remembered about users, roles and revocations is as old as `epoch` says. Every change raises the
 * epoch in its own transaction; this process forgets at once, others when they look (every `followMs`).
 */
import type { Kysely, Transaction } from 'kysely';
import type { State } from '#cloud/state';
import { type Clock, type Logger, type Random, randomHex, type Timer } from '#common';
import { Passwords } from './passwords.ts';
import { Sealer } from './sealing.ts';
import type { IdentitySettings } from './settings.ts';
import type { IdentityTables } from './tables.ts';
import { Keyring } from './tokens/keyring.ts';
import { type Revocation, Revocations } from './tokens/revocations.ts';

export type Db = Kysely<IdentityTables>;
export type Tx = Transaction<IdentityTables>;

/** What became of a resource, for whoever follows what changes in the cloud. */
export interface IdentityEvent {
  /** `identity.user.created`, as upstream's notifications are called. */
  readonly type: string;
  readonly resource: { readonly type: string; readonly id: string };
  readonly userId: string | undefined;
  readonly projectId: string | undefined;
  readonly requestId: string;
}

export interface CoreOptions {
  /** Told of changes in their own transactions. */
  readonly notify?: (transaction: Tx, event: IdentityEvent) => Promise<void>;
  readonly state: State;
  readonly sealingKey: Uint8Array;
  readonly settings: IdentitySettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export class IdentityCore {
  readonly db: Db;
  readonly settings: IdentitySettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly passwords: Passwords;
  readonly sealer: Sealer;
  readonly keyring: Keyring;
  readonly revocations = new Revocations();
  readonly notify: (transaction: Tx, event: IdentityEvent) => Promise<void>;
  private readonly state: State;
  private readonly listeners = new Set<() => void>();
  private knownEpoch = 0;
  private follower: Timer | undefined;
  private following: Promise<void> | undefined;
  private closed = false;

  constructor(options: CoreOptions) {
    this.notify = options.notify ?? (async () => {});
    this.state = options.state;
    this.db = options.state.db.$extendTables<IdentityTables>();
    this.settings = options.settings;
    this.clock = options.clock;
    this.random = options.random;
    this.log = options.log;
    this.passwords = new Passwords(options.settings, options.random);
    this.sealer = new Sealer(options.sealingKey, options.random);
    this.keyring = new Keyring({
      db: this.db,
      sealer: this.sealer,
      clock: options.clock,
      random: options.random,
      keyLifetimeS: options.settings.tokenKeyLifetimeS,
      // An expired token may be asked about for a while yet: its key and its revocation are kept as long.
      tokenLifetimeS: options.settings.tokenLifetimeS + options.settings.allowExpiredS,
    });
  }

  async open(): Promise<void> {
    await this.keyring.open();
    await this.refresh(await this.storedEpoch());
    this.follow();
  }

  async close(): Promise<void> {
    this.closed = true;
    this.follower?.cancel();
    await this.following;
  }

  get epoch(): number {
    return this.knownEpoch;
  }

  /** A fresh id in Keystone's form: 32 hexadecimal digits. */
  newId(): string {
    return randomHex(this.random, 16);
  }

  /** Called after every change, whoever made it: what was validated before may not hold any more. */
  onChanged(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** The one way to change users, projects, roles, keys, the catalog or revocations. */
  async change<T>(work: (transaction: Tx) => Promise<T>): Promise<T> {
    let epoch = 0;
    const result = await this.state.transaction(async (untyped) => {
      const transaction = untyped.$extendTables<IdentityTables>();
      const done = await work(transaction);
      const row = await transaction
        .insertInto('identity_epoch')
        .values({ id: 1, epoch: 1 })
        .onConflict((conflict) =>
          conflict
            .column('id')
            .doUpdateSet((set) => ({ epoch: set('identity_epoch.epoch', '+', 1) })),
        )
        .returning('epoch')
        .executeTakeFirstOrThrow();
      epoch = row.epoch;
      return done;
    });
    await this.refresh(epoch);
    return result;
  }

  /** Inside a change: refuses tokens from now on. */
  async revoke(transaction: Tx, revocation: Revocation): Promise<void> {
    await this.revocations.add(transaction, revocation, {
      nowUs: this.clock.nowUs(),
      tokenLifetimeS: this.settings.tokenLifetimeS + this.settings.allowExpiredS,
      random: this.random,
    });
  }

  /** Inside a change: refuses every token this user has got until now. */
  revokeUser(transaction: Tx, userId: string): Promise<void> {
    return this.revoke(transaction, { userId, issuedBeforeUs: this.clock.nowUs() });
  }

  private async storedEpoch(): Promise<number> {
    const row = await this.db.selectFrom('identity_epoch').select('epoch').executeTakeFirst();
    return row?.epoch ?? 0;
  }

  /** Signs with a new key from now on; nobody is logged out. */
  async rotateTokenKey(): Promise<void> {
    await this.keyring.rotate();
    // Nothing else changes: the new epoch makes other processes load the key.
    await this.change(async () => {});
  }

  private async refresh(epoch: number): Promise<void> {
    await this.revocations.reload(this.db, this.clock.nowUs());
    await this.keyring.reload();
    // Two changes may finish in either order; the later epoch stays.
    this.knownEpoch = Math.max(this.knownEpoch, epoch);
    for (const listener of this.listeners) listener();
  }

  private follow(): void {
    if (this.closed) return;
    this.follower = this.clock.after(this.settings.followMs, () => {
      this.following = this.look().finally(() => this.follow());
    });
  }

  private async look(): Promise<void> {
    try {
      const epoch = await this.storedEpoch();
      if (epoch > this.knownEpoch) await this.refresh(epoch);
      if (this.keyring.isOld()) await this.rotateTokenKey();
    } catch (error) {
      // The next look repeats it; what is remembered grows stale meanwhile, which an operator should know.
      if (!this.closed) this.log.error({ err: error }, 'cannot follow changes of identity');
    }
  }
}
