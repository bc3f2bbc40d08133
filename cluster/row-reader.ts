/**
 * Reads one row so that what is returned stays returned (Attiya, Bar-Noy, Dolev, "Sharing Memory Robustly", 1995).
 *
 * 1. A majority is asked, one of them for the body; slow and failed replicas are replaced by the others.
 * 2. When the newest version among the answers is on a majority, it is the answer.
 * 3. Otherwise the remaining primaries are asked: a write in flight has mostly reached them by then.
 * 4. When it still is on a minority only, it is written to the others, same version and same content, until a majority
 *    holds it. Only then is it returned: else a later reader might ask others and see the past.
 *    Where it cannot be written, because devices are full: what a majority agrees on, when there is such a thing.
 * 5. A replica that refuses has met something newer: start over. When that does not end (somebody promised a ballot and
 *    died), the row is settled with a ballot of our own.
 *
 * Replicas seen with an older or bad copy are mended in the background.
 */
import { isFailure } from '#common';
import type { Row, RowKey } from '#wire';
import type { Core } from './core.ts';
import { askHedged, gather, type ReplicaSet, readOrder, shortestLimitMs } from './gather.ts';
import { type Answer, Quorum, quorumFailure, type ReplicaFailure } from './quorum.ts';
import type { Replica } from './replica.ts';
import { copyOf, newestOf, payloadBytes, sameVersion } from './row-key.ts';
import type { RowRegister } from './row-register.ts';
import type { RowRepair } from './row-repair.ts';

interface Seen {
  readonly newest: Row | undefined;
  readonly answers: readonly Answer<Row | undefined>[];
  readonly failures: readonly ReplicaFailure[];
  readonly holders: number;
}

export class RowReader {
  private readonly core: Core;
  private readonly register: RowRegister;
  private readonly repair: RowRepair;

  constructor(core: Core, register: RowRegister, repair: RowRepair) {
    this.core = core;
    this.register = register;
    this.repair = repair;
  }

  /** The newest row, tombstones included, once a majority holds it. */
  async read(key: RowKey, body: boolean): Promise<Row | undefined> {
    const primaries = this.core.primariesOf(key.hash);
    for (let attempt = 0; attempt < this.core.settings.readAttemptsMax; attempt++) {
      if (attempt > 0) await this.core.rest(attempt);
      const row = await this.attempt(key, body, primaries);
      if (row !== 'again') return row;
    }
    return this.register.settle(key);
  }

  private async attempt(
    key: RowKey,
    body: boolean,
    primaries: ReplicaSet,
  ): Promise<Row | undefined | 'again'> {
    const quorum = new Quorum<Row | undefined>(primaries.length);
    const { majority } = quorum.thresholds;
    const first = await askHedged<Row | undefined>({
      wheel: this.core.wheel,
      kind: 'row',
      candidates: readOrder(primaries, spreadOf(key.sort), 'row'),
      needed: majority,
      send: (replica, whole) => readFrom(replica, key, body && whole),
    });
    if (!first.enough) throw quorumFailure('read', first.failures);
    let seen = lookAt(first.answers, first.failures);
    if (seen.holders < majority && first.unasked.length > 0)
      seen = await this.widen(key, seen, first.unasked);
    this.mendLater(key, seen);
    // So that a write that follows this read is newer, however far behind this process's clock is.
    if (seen.newest !== undefined) this.core.versions.observe(seen.newest.version);
    if (seen.holders >= majority) return this.complete(key, body, seen);
    return this.writeBack(key, body, { seen, primaries });
  }

  private async widen(key: RowKey, seen: Seen, unasked: readonly Replica[]): Promise<Seen> {
    const more = await askHedged<Row | undefined>({
      wheel: this.core.wheel,
      kind: 'row',
      candidates: unasked,
      needed: unasked.length,
      send: (replica) => readFrom(replica, key, false),
      // A replica that hangs must not hold up what the others can settle by a write.
      patienceMs: shortestLimitMs(unasked, 'row'),
    });
    return lookAt(seen.answers.concat(more.answers), seen.failures.concat(more.failures));
  }

  /** Adds the body, when it was asked for and came from a replica with an older row. */
  private async complete(
    key: RowKey,
    body: boolean,
    seen: Seen,
  ): Promise<Row | undefined | 'again'> {
    const { newest } = seen;
    if (newest === undefined || !body || newest.bodyLength === 0) return newest;
    return (await this.fetchBody(key, seen)) ?? 'again';
  }

  private async fetchBody(key: RowKey, seen: Seen): Promise<Row | undefined> {
    const holders = seen.answers.filter(({ value }) =>
      sameVersion(value?.version, seen.newest?.version),
    );
    const whole = holders.find(({ value }) => isWhole(value));
    if (whole !== undefined) return whole.value;
    const fetched = await askHedged<Row | undefined>({
      wheel: this.core.wheel,
      kind: 'row',
      candidates: holders.map(({ device }) => this.core.replica(device)),
      needed: 1,
      send: (replica) => readFrom(replica, key, true),
    });
    const row = fetched.answers[0]?.value;
    // Overwritten in between: what came is newer, and not known to be on a majority.
    return sameVersion(row?.version, seen.newest?.version) ? row : undefined;
  }

  private async writeBack(
    key: RowKey,
    body: boolean,
    { seen, primaries }: { readonly seen: Seen; readonly primaries: readonly Replica[] },
  ): Promise<Row | undefined | 'again'> {
    const row = await this.fetchBody(key, seen);
    if (row === undefined) return 'again';
    const write = { ...copyOf(key, row, row.version), copied: true };
    const quorum = new Quorum<void>(primaries.length);
    const behind: Replica[] = [];
    for (const replica of primaries) {
      const answer = seen.answers.find(({ device }) => device === replica.device);
      if (sameVersion(answer?.value?.version, row.version)) quorum.yes(replica.device, undefined);
      else behind.push(replica);
    }
    const verdict = await gather({
      quorum,
      replicas: behind,
      send: async (replica) => {
        const reply = await replica.call('row', payloadBytes(write), (device) =>
          device.acceptRow(write),
        );
        if (reply.outcome === 'superseded') quorum.no(reply.by);
        else quorum.yes(replica.device, undefined);
      },
      sort: () => undefined,
    });
    this.core.counters.repairs.inc({ what: 'row-written-back', outcome: verdict });
    if (verdict === 'enough') return row;
    if (verdict !== 'hopeless') return 'again';
    const agreed = agreedOf(seen, quorum.thresholds.majority);
    if (agreed !== undefined) return this.complete(key, body, agreed);
    throw quorumFailure('read', quorum.failures.concat(seen.failures));
  }

  private mendLater(key: RowKey, seen: Seen): void {
    for (const { device, error } of seen.failures)
      if (isFailure(error, 'corrupt')) this.repair.later(key, device);
    if (seen.holders === seen.answers.length) return;
    for (const { device, value } of seen.answers)
      if (!sameVersion(value?.version, seen.newest?.version)) this.repair.later(key, device);
  }
}

function readFrom(replica: Replica, key: RowKey, body: boolean): Promise<Row | undefined> {
  return replica.call('row', 0, (device) => device.readRow(key, body ? withBody : withoutBody));
}

const withBody = { body: true } as const;
const withoutBody = { body: false } as const;

function lookAt(
  answers: readonly Answer<Row | undefined>[],
  failures: readonly ReplicaFailure[],
): Seen {
  const newest = newestOf(answers.map(({ value }) => value));
  let holders = 0;
  let best = newest;
  for (const { value } of answers) {
    if (!sameVersion(value?.version, newest?.version)) continue;
    holders += 1;
    if (isWhole(value)) best = value;
  }
  return { newest: best, answers, failures, holders };
}

/**
 * What a majority of the answers agrees on, although another has something newer that cannot be spread (full devices refused it).
 * Had that been acknowledged, or shown to a reader, before this read began, one of this majority would have it.
 */
function agreedOf(seen: Seen, majority: number): Seen | undefined {
  for (const { value } of seen.answers) {
    const same = seen.answers.filter((other) => sameVersion(other.value?.version, value?.version));
    if (same.length >= majority) return lookAt(same, seen.failures);
  }
  return undefined;
}

function isWhole(row: Row | undefined): boolean {
  return row !== undefined && (row.bodyLength === 0 || row.body !== undefined);
}

/** Spreads the rows of a partition key over its replicas, the same row always to the same one. */
function spreadOf(sort: string): number {
  let mixed = sort.length;
  for (let at = Math.max(0, sort.length - 6); at < sort.length; at++)
    mixed = (mixed * 31 + sort.charCodeAt(at)) % 65_521;
  return mixed;
}
