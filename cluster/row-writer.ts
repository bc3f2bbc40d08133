/**
 * Plain writes: whatever is there, this comes after it. An accept without a prepare, one trip to all primaries.
 *
 * 1. Take a version and send the row to every primary; acknowledged as soon as a majority has it on disk.
 * 2. No replica took it, because of something newer: take a version newer than what they named, and again.
 * 3. Some refused, but a minority took it or may have: it may come to light, so writing it again could make it take effect
 *    twice, around somebody else's write. The row's register finds out and finishes it.
 * 4. In `available` mode that is not worth a ballot: the newest version wins in the end.
 * 5. A majority out of reach: in `available` mode stand-ins have been asked already, each for a primary that failed.
 */
import { Failure, isFailure } from '#common';
import type { AcceptOutcome, RowKey } from '#wire';
import type { Core } from './core.ts';
import { awakeFirst, gather } from './gather.ts';
import { handoffSpare, putAside } from './handoff.ts';
import { Quorum, quorumFailure, type Verdict } from './quorum.ts';
import { liveRow, newestOf, payloadBytes, writeOf } from './row-key.ts';
import { type RowRegister, sortAccept } from './row-register.ts';
import type { RowValue, StoredRow, WriteMode, WriteOutcome } from './tables.ts';

interface Sent {
  readonly verdict: Verdict;
  readonly quorum: Quorum<AcceptOutcome>;
}

export class RowWriter {
  private readonly core: Core;
  private readonly register: RowRegister;

  constructor(core: Core, register: RowRegister) {
    this.core = core;
    this.register = register;
  }

  /** `value` undefined leaves a tombstone. */
  async write(key: RowKey, value: RowValue | undefined, mode: WriteMode): Promise<WriteOutcome> {
    for (let attempt = 0; attempt < this.core.settings.writeAttemptsMax; attempt++) {
      // The first time again needs no rest: whoever was met is done.
      if (attempt > 1) await this.core.rest(attempt);
      const version = this.core.versions.next();
      const { verdict, quorum } = await this.send(key, version, value, mode);
      if (verdict === 'enough') return { version, previous: replacedBy(quorum) };
      if (verdict === 'hopeless' && quorum.newestRefusal === undefined)
        throw quorumFailure('write', quorum.failures);
      this.core.counters.contended.inc({ what: 'write' });
      if (verdict === 'hopeless' && mode === 'strict') return this.resolveOpen(key, value, version);
    }
    throw new Failure('unreachable', 'no-quorum', 'A write lost too often against newer ones', {
      facts: { what: 'write', table: key.table },
    });
  }

  private async send(
    key: RowKey,
    version: WriteOutcome['version'],
    value: RowValue | undefined,
    mode: WriteMode,
  ): Promise<Sent> {
    const write = writeOf(key, version, value);
    const bytes = payloadBytes(write);
    const primaries = this.core.primariesOf(key.hash);
    const quorum = new Quorum<AcceptOutcome>(primaries.length, { patient: true });
    const verdict = await gather<AcceptOutcome>({
      quorum,
      ...(mode === 'strict'
        ? awakeFirst(primaries, quorum)
        : { replicas: primaries, spare: handoffSpare(this.core, key.hash, 'row') }),
      send: (replica) =>
        mode === 'available' && replica.aside
          ? Promise.reject(putAside(replica.device))
          : replica.call('row', bytes, (device) => device.acceptRow(write)),
      sort: (replica, reply) => sortAccept(quorum, replica, reply),
    });
    if (quorum.newestRefusal !== undefined) this.core.versions.observe(quorum.newestRefusal);
    return { verdict, quorum };
  }

  private async resolveOpen(
    key: RowKey,
    value: RowValue | undefined,
    version: WriteOutcome['version'],
  ): Promise<WriteOutcome> {
    const open = { ballot: version, previous: undefined };
    try {
      const outcome = await this.register.update(key, () => value ?? 'delete', open);
      return { version: outcome.version ?? version, previous: outcome.previous };
    } catch (error) {
      // To the caller of a plain write, "cannot be known" and "too few answer" are one and the same.
      if (!isFailure(error, 'conflict')) throw error;
      throw quorumFailure('write', [{ device: -1, error }]);
    }
  }
}

/** The newest live row among those that were replaced. */
function replacedBy(quorum: Quorum<AcceptOutcome>): StoredRow | undefined {
  return liveRow(
    newestOf(
      quorum.answers.map(({ value }) => (value.outcome === 'ok' ? value.previous : undefined)),
    ),
  );
}
