/**
 * Each row as a compare-and-set register over its primaries (CASPaxos). One attempt:
 *
 * 1. Take a ballot, newer than everything this process has met.
 * 2. Prepare: a majority promises to accept nothing older and says what it holds. The newest of that is the present row.
 * 3. Decide. A new value needs no more; but when nothing is to change (or the decision is a refusal), the present row must
 *    be on a majority first, or the next reader might see an older one: it is accepted anew under the ballot.
 * 4. Accept: when a majority accepts under the ballot, the value is chosen.
 *
 * What an accept without majority means is the whole difficulty. One replica that took it is enough for it to come to
 * light later: a reader writes it back, another ballot adopts it under its own version.
 * - When for certain *no* replica took it, it is dead, and trying again cannot make the change twice.
 * - Otherwise it is *open*, until something newer is chosen over it. The next prepare tells: the newest row is ours (then
 *   finish it: this update took effect), or is older than ours (then decide anew; whatever is chosen now buries ours, so even
 *   a "no" must first be made to stick by an accept), or is newer and somebody else's. In the last case it cannot be known
 *   whether that was built on ours, so the answer is `conflict` update-contended and never a "no".
 */
import { Failure } from '#common';
import type { RowWrite } from '#wire';
import {
  type AcceptOutcome,
  compareVersions,
  type PrepareOutcome,
  type Row,
  type RowKey,
  type Version,
} from '#wire';
import type { Core } from './core.ts';
import { awakeFirst, gather } from './gather.ts';
import { Quorum, quorumFailure, type Verdict } from './quorum.ts';
import { copyOf, liveRow, newestOf, payloadBytes, sameVersion, writeOf } from './row-key.ts';
import type { RowChange, RowValue, StoredRow, UpdateOutcome } from './tables.ts';

/** An accept of ours that may or may not come to light. */
export interface OpenAttempt {
  readonly ballot: Version;
  readonly previous: StoredRow | undefined;
}

/** What a promised majority holds. */
interface Promised {
  readonly ballot: Version;
  readonly present: Row | undefined;
  /** The present row is on a majority already. */
  readonly settled: boolean;
}

/** What one attempt came to: an outcome, or one more that is open, or nothing (start over). */
interface Attempted {
  readonly outcome?: UpdateOutcome;
  readonly open?: OpenAttempt;
}

export class RowRegister {
  private readonly core: Core;

  constructor(core: Core) {
    this.core = core;
  }

  /** `sent`: an accept of the same change that was sent before, outside the register, and is open. */
  async update(key: RowKey, change: RowChange, sent?: OpenAttempt): Promise<UpdateOutcome> {
    const open = sent === undefined ? [] : [sent];
    for (let attempt = 0; attempt < this.core.settings.updateAttemptsMax; attempt++) {
      if (attempt > 0) await this.retrying(attempt);
      const promised = await this.prepare(key);
      if (promised === undefined) continue;
      const attempted = await this.proceed(key, change, promised, open);
      if (attempted.outcome !== undefined) return attempted.outcome;
      if (attempted.open !== undefined) open.push(attempted.open);
    }
    throw contended('It lost too often against other changes', key);
  }

  /** Makes sure that a majority holds the newest row, and returns it. */
  async settle(key: RowKey): Promise<Row | undefined> {
    for (let attempt = 0; attempt < this.core.settings.updateAttemptsMax; attempt++) {
      if (attempt > 0) await this.retrying(attempt);
      const promised = await this.prepare(key);
      if (promised === undefined) continue;
      const verdict = await this.stabilize(key, promised);
      if (verdict !== 'enough') continue;
      const { present, settled, ballot } = promised;
      return present === undefined || settled ? present : { ...present, version: ballot };
    }
    throw contended('Its present state could not be settled', key);
  }

  /**
   * Says again, under a ballot of its own, the newest of what a majority holds and of what one more device does. A replica that promised to accept
   * nothing older than a ballot that never came takes no copy of the row any more, and takes this.
   */
  async renew(key: RowKey, held: Row): Promise<void> {
    for (let attempt = 0; attempt < this.core.settings.updateAttemptsMax; attempt++) {
      if (attempt > 0) await this.retrying(attempt);
      const promised = await this.prepare(key);
      if (promised === undefined) continue;
      const newest = newestOf([promised.present, held]) ?? held;
      if ((await this.accept(copyOf(key, newest, promised.ballot))) === 'enough') return;
    }
    throw contended('It lost too often against other changes', key);
  }

  private retrying(attempt: number): Promise<void> {
    this.core.counters.contended.inc({ what: 'update' });
    return this.core.rest(attempt);
  }

  private async proceed(
    key: RowKey,
    change: RowChange,
    promised: Promised,
    open: readonly OpenAttempt[],
  ): Promise<Attempted> {
    const ours = open.find(({ ballot }) => sameVersion(ballot, promised.present?.version));
    if (ours !== undefined) return this.finish(key, promised, ours);
    if (open.some(({ ballot }) => isNewer(promised.present?.version, ballot)))
      throw contended('It cannot be known whether this change took effect', key);

    const present = liveRow(promised.present);
    const decided = decide(change, present);
    if (decided.error === undefined && decided.value !== 'keep')
      return this.write(key, promised, decided.value);
    const buried = open.length > 0;
    const verdict = buried
      ? await this.accept(againOf(key, promised))
      : await this.stabilize(key, promised);
    if (verdict !== 'enough') return {};
    if (decided.error !== undefined) throw decided.error.thrown;
    const stamped = promised.settled && !buried ? present?.version : promised.ballot;
    const version = present === undefined ? undefined : stamped;
    return { outcome: { version, changed: false, previous: present } };
  }

  private async write(
    key: RowKey,
    promised: Promised,
    value: RowValue | undefined,
  ): Promise<Attempted> {
    const { ballot } = promised;
    const previous = liveRow(promised.present);
    const verdict = await this.accept(writeOf(key, ballot, value));
    if (verdict === 'enough') {
      const version = value === undefined ? undefined : ballot;
      return { outcome: { version, changed: true, previous } };
    }
    return verdict === 'refused' ? {} : { open: { ballot, previous } };
  }

  /** An open attempt is the newest row: make it chosen under the new ballot. */
  private async finish(key: RowKey, promised: Promised, ours: OpenAttempt): Promise<Attempted> {
    const { previous } = ours;
    const verdict = await this.stabilize(key, promised);
    if (verdict !== 'enough') return { open: { ballot: promised.ballot, previous } };
    const written = promised.settled ? promised.present?.version : promised.ballot;
    const version = promised.present?.deleted === true ? undefined : written;
    return { outcome: { version, changed: true, previous } };
  }

  private async prepare(key: RowKey): Promise<Promised | undefined> {
    const ballot = this.core.versions.next();
    const primaries = this.core.primariesOf(key.hash);
    const quorum = new Quorum<Row | undefined>(primaries.length);
    const verdict = await gather<PrepareOutcome>({
      quorum,
      ...awakeFirst(primaries, quorum),
      send: (replica) => replica.call('row', 0, (device) => device.prepareRow(key, ballot)),
      sort: (replica, reply) => {
        if (reply.outcome === 'promised') quorum.yes(replica.device, reply.row);
        else quorum.no(reply.by);
      },
    });
    if (quorum.newestRefusal !== undefined) this.core.versions.observe(quorum.newestRefusal);
    if (verdict === 'hopeless') throw quorumFailure('update', quorum.failures);
    if (verdict !== 'enough') return undefined;
    const rows = quorum.answers.map(({ value }) => value);
    const present = newestOf(rows);
    const holders = rows.filter((row) => sameVersion(row?.version, present?.version)).length;
    return { ballot, present, settled: holders >= quorum.thresholds.majority };
  }

  private async stabilize(key: RowKey, promised: Promised): Promise<Verdict> {
    const { present, settled } = promised;
    if (present === undefined || settled) return 'enough';
    return this.accept(againOf(key, promised));
  }

  private async accept(write: RowWrite): Promise<Verdict> {
    const primaries = this.core.primariesOf(write.key.hash);
    const quorum = new Quorum<AcceptOutcome>(primaries.length, { patient: true });
    const bytes = payloadBytes(write);
    const verdict = await gather<AcceptOutcome>({
      quorum,
      ...awakeFirst(primaries, quorum),
      send: (replica) => replica.call('row', bytes, (device) => device.acceptRow(write)),
      sort: (replica, reply) => sortAccept(quorum, replica, reply),
    });
    if (quorum.newestRefusal !== undefined) this.core.versions.observe(quorum.newestRefusal);
    return verdict;
  }
}

export function sortAccept(
  quorum: Quorum<AcceptOutcome>,
  replica: { readonly device: number },
  reply: AcceptOutcome,
): void {
  if (reply.outcome === 'ok') quorum.yes(replica.device, reply);
  else quorum.no(reply.by);
}

export type Decision =
  | { readonly value: RowValue | undefined | 'keep'; readonly error?: never }
  | { readonly error: { readonly thrown: unknown }; readonly value?: never };

/** Runs a change; what it throws is kept, since it ends the update only once the row it saw is settled. */
export function decide(change: RowChange, present: StoredRow | undefined): Decision {
  try {
    const decided = change(present);
    if (decided !== 'delete') return { value: decided };
    return { value: present === undefined ? 'keep' : undefined };
  } catch (thrown) {
    return { error: { thrown } };
  }
}

/** The present row, or that there is none, under the new ballot. */
function againOf(key: RowKey, { present, ballot }: Promised): RowWrite {
  return present === undefined ? writeOf(key, ballot, undefined) : copyOf(key, present, ballot);
}

function isNewer(version: Version | undefined, than: Version): boolean {
  return version !== undefined && compareVersions(version, than) > 0;
}

function contended(why: string, key: RowKey): Failure {
  return new Failure('conflict', 'update-contended', why, { facts: { table: key.table } });
}
