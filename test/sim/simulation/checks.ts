/** What must hold once everything has healed: the promises of rooms, checked on every device by itself. */
import { KeyHasher } from '#cluster';
import { isFailure, type VirtualClock } from '#common';
import { type Front, paces, type SimRing, salt } from './front.ts';
import type { Machine } from './machine.ts';
import { Bodies, type Register } from './registers.ts';

export interface CheckParts {
  readonly time: VirtualClock;
  readonly ring: SimRing;
  readonly machines: ReadonlyMap<number, Machine>;
  readonly registers: readonly Register[];
  readonly bodies: Bodies;
  readonly front: Front;
  readonly report: (violation: string) => void;
}

/** Passes that repair may take. */
const passesMax = 12;
/** Grace, three passes over everything, and what of the time not all devices are at home. */
const orphanMsMax = 6 * (paces.orphanGraceMs + 4 * paces.reclaimEveryMs);

export class Checks {
  private readonly parts: CheckParts;
  private readonly hasher = new KeyHasher(salt);
  /** Blobs that no row refers to, since when. */
  private orphans = new Map<string, number>();
  reclaimed = 0;

  constructor(parts: CheckParts) {
    this.parts = parts;
  }

  async all(): Promise<void> {
    try {
      await this.look();
    } catch (error) {
      if (!isFailure(error)) throw error;
      this.parts.report(`does not answer although nothing is wrong: ${error.message}`);
    }
  }

  private async look(): Promise<void> {
    if (!(await this.converge())) return;
    await this.settleRegisters();
    await this.checkListings();
    await this.checkCopies();
    await this.checkOrphans();
    for (const one of this.parts.front.replicator.status().irreparable)
      this.parts.report(`irreparable: ${one.what} ${one.name} on ${one.device}: ${one.reason}`);
  }

  private async converge(): Promise<boolean> {
    const { front, report, time } = this.parts;
    let differing: string[] = [];
    for (let pass = 0; pass < passesMax; pass++) {
      await front.pass((replicator) => replicator.runOnce());
      // What a late message or a reader's repair brings is there by then.
      await time.sleep(60_000);
      differing = [...(await this.differing()), ...(await this.strangers())];
      if (differing.length === 0) return true;
    }
    report(`does not converge: ${differing.slice(0, 5).join(', ')}`);
    return false;
  }

  private store(machine: Machine) {
    if (machine.store === undefined) throw new Error(`${machine.name} is off`);
    return machine.store;
  }

  private ownersOf(hash: number): Machine[] {
    const { ring, machines } = this.parts;
    return ring.primaries(ring.partitionOf(hash)).flatMap(({ id }) => machines.get(id) ?? []);
  }

  private async differing(): Promise<string[]> {
    const { ring, machines } = this.parts;
    const { partitionCount: count } = ring;
    const ask = { what: 'digests', power: Math.log2(count), first: 0, count } as const;
    const digests = new Map<number, Buffer>();
    for (const [id, machine] of machines) {
      const status = await this.store(machine).status();
      if (status.refilling === true) return [`${machine.name} is being refilled`];
      if (status.quarantined > 0) return [`${machine.name} holds bad records`];
      digests.set(id, (await this.store(machine).survey(ask)).digests);
    }
    const wrong: string[] = [];
    for (let at = 0; at < count; at++) {
      const held = ring
        .primaries(at)
        .map(({ id }) => digests.get(id)?.toString('hex', at * 16, (at + 1) * 16));
      if (new Set(held).size > 1) wrong.push(`partition ${at}: ${await this.inside(at)}`);
    }
    return wrong;
  }

  /** What each owner of a partition holds, where that is not the same. */
  private async inside(partition: number): Promise<string> {
    const { ring, machines, registers } = this.parts;
    const told = new Map<string, string[]>();
    const note = (what: string, machine: Machine) =>
      told.set(what, [...(told.get(what) ?? []), machine.name]);
    const owners = ring.primaries(partition).flatMap(({ id }) => machines.get(id) ?? []);
    for (const machine of owners) {
      const store = this.store(machine);
      for (const { ref } of registers) {
        const hash = this.hasher.ofPartition('object', ref.partition);
        if (ring.partitionOf(hash) !== partition) continue;
        const row = await store.readRow({ ...ref, hash }, { body: false });
        const version = row === undefined ? 'nothing' : `${row.version.timeUs} ${row.deleted}`;
        note(`${ref.partition}/${ref.sort} ${version}`, machine);
      }
      for (const { id, hash, length } of await store.listBlobs({ limit: 10_000 }))
        if (ring.partitionOf(hash) === partition) note(`blob ${id} ${length}`, machine);
    }
    const differing = [...told].filter(([, on]) => on.length < owners.length);
    return differing.map(([what, on]) => `${what} on ${on.join(' ')}`).join(', ');
  }

  /** What lies on devices that do not own it. */
  private async strangers(): Promise<string[]> {
    const wrong: string[] = [];
    for (const machine of this.parts.machines.values()) {
      const store = this.store(machine);
      const everything = { what: 'partitions', from: 0, until: 2 ** 32, limit: 1000 } as const;
      const { partitions } = await store.survey(everything);
      const held = [...partitions, ...(await store.listBlobs({ limit: 10_000 }))];
      for (const one of held)
        if (!this.ownersOf(one.hash).includes(machine))
          wrong.push(`${machine.name} keeps ${await this.kept(machine, one)}`);
    }
    return wrong;
  }

  private async kept(
    machine: Machine,
    one: { readonly id: string } | { readonly partition: string; readonly hash: number },
  ): Promise<string> {
    if ('id' in one) return `blob ${one.id}`;
    const told: string[] = [];
    for (const { ref } of this.parts.registers) {
      if (ref.partition !== one.partition) continue;
      const key = { ...ref, hash: one.hash };
      const row = await this.store(machine).readRow(key, { body: false });
      if (row === undefined) continue;
      const versions = this.ownersOf(one.hash).map(async (owner) => {
        const theirs = await this.store(owner).readRow(key, { body: false });
        return `${owner.name} ${theirs?.version.timeUs}`;
      });
      told.push(`${ref.sort} ${row.version.timeUs} (${(await Promise.all(versions)).join(' ')})`);
    }
    return `${one.partition}: ${told.join(', ')}`;
  }

  private async settleRegisters(): Promise<void> {
    const { registers, front, time, report } = this.parts;
    for (const register of registers) {
      const row = await front.cluster.tables.get(register.ref);
      const violation = register.settle(time.monotonicMs(), row?.meta.toString());
      if (violation !== undefined) report(`not linearizable: ${violation}`);
    }
  }

  private async checkListings(): Promise<void> {
    const { registers, front, report } = this.parts;
    for (const partition of new Set(registers.map((one) => one.partition))) {
      const request = { table: 'object', partition, limit: 1000 };
      const { entries } = await front.cluster.tables.list(request);
      const listed = entries.map(({ row }) => `${row?.sort} ${row?.meta}`);
      const present = registers
        .filter((one) => one.partition === partition && one.settled !== undefined)
        .map((one) => `${one.sort} ${one.settled}`);
      if (listed.join() !== present.sort().join())
        report(`${partition} lists ${listed.join()}, and has ${present.join()}`);
    }
  }

  /** Every owner has, by itself, what a reader may be told. */
  private async checkCopies(): Promise<void> {
    const { registers, bodies, report } = this.parts;
    for (const register of registers) {
      const hash = this.hasher.ofPartition('object', register.partition);
      for (const machine of this.ownersOf(hash)) {
        const key = { ...register.ref, hash };
        const row = await this.store(machine).readRow(key, { body: false });
        const found = row === undefined || row.deleted ? undefined : row.meta.toString();
        if (found !== register.settled)
          report(`${register.name} on ${machine.name} is ${found}, not ${register.settled}`);
      }
      for (const id of Bodies.idsIn(register.settled)) {
        const blob = { id, hash: this.hasher.ofBlob(id) };
        for (const machine of this.ownersOf(blob.hash)) {
          const bytes = await this.store(machine)
            .readBlob(blob, 0, 100_000)
            .catch(() => undefined);
          if (bytes === undefined)
            report(`blob ${id} of ${register.name} is not on ${machine.name}`);
          else if (!bodies.isRight(id, bytes)) report(`blob ${id} on ${machine.name} is wrong`);
        }
      }
    }
  }

  private async checkOrphans(): Promise<void> {
    const { registers, machines, time, report } = this.parts;
    const referred = new Set(registers.flatMap((one) => Bodies.idsIn(one.settled)));
    const nowMs = time.monotonicMs();
    const before = this.orphans;
    this.orphans = new Map();
    for (const machine of machines.values())
      for (const { id } of await this.store(machine).listBlobs({ limit: 10_000 }))
        if (!referred.has(id)) this.orphans.set(id, before.get(id) ?? nowMs);
    for (const id of before.keys()) if (!this.orphans.has(id)) this.reclaimed += 1;
    for (const [id, sinceMs] of this.orphans)
      if (nowMs - sinceMs > orphanMsMax) {
        const { blocked } = this.parts.front.replicator.status().reclaim;
        report(
          `blob ${id} has had no row for ${Math.round((nowMs - sinceMs) / 60_000)} minutes: ${blocked}`,
        );
      }
  }
}
