/**
 * What goes wrong, one thing after another and some of them at once: within what the cluster promises to survive. One device at a time forgets what it
 * had acknowledged (its disk rots or is swapped for an empty one), and none other does so before everything has healed.
 */
import type { Random, VirtualClock } from '#common';
import type { Front } from './front.ts';
import type { Machine } from './machine.ts';
import { fair, type Network } from './network.ts';

export interface FaultParts {
  readonly time: VirtualClock;
  readonly random: Random;
  readonly network: Network;
  readonly machines: readonly Machine[];
  readonly fronts: readonly Front[];
  readonly note: (what: string) => void;
}

const minuteMs = 60_000;

export class Faults {
  private readonly parts: FaultParts;
  /** The one device that may forget, until everything has healed. */
  private forgetful: Machine | undefined;
  private ending: Promise<void>[] = [];
  count = 0;

  constructor(parts: FaultParts) {
    this.parts = parts;
  }

  /** A fault every minute or so for this long, each with an end of its own. */
  async rage(forMs: number): Promise<void> {
    const { time, random } = this.parts;
    const untilMs = time.monotonicMs() + forMs;
    while (time.monotonicMs() < untilMs) {
      await time.sleep(random.unit() * 2 * minuteMs);
      this.ending.push(this.one(random.unit() * 4 * minuteMs));
    }
  }

  /** Everything is repaired that machines and people repair; what copies lost is the replicator's. */
  async heal(): Promise<void> {
    const { network, machines, fronts } = this.parts;
    await Promise.all(this.ending);
    this.ending = [];
    this.forgetful = undefined;
    network.weather = fair;
    network.cuts.clear();
    network.traps.clear();
    for (const { skew } of [...machines, ...fronts]) skew.us = 0;
    for (const machine of machines) {
      machine.disk.syncMs = 1;
      delete machine.disk.inner.faults.capacityBytes;
      await machine.start();
    }
  }

  private some<T>(from: readonly T[]): T {
    const found = from[this.parts.random.below(from.length)];
    if (found === undefined) throw new RangeError('nothing to choose from');
    return found;
  }

  private async one(forMs: number): Promise<void> {
    this.count += 1;
    const { random, machines, fronts } = this.parts;
    const machine = this.some(machines);
    const kind = random.below(20);
    if (kind < 2) await this.outage([machine], forMs);
    else if (kind === 2) await this.outage(this.zoneOf(machine), forMs);
    else if (kind === 3) await this.outage(machines, forMs / 4);
    else if (kind === 4) await this.restart(machine);
    else if (kind === 5) await this.storm(forMs);
    else if (kind < 8) await this.partition(this.zoneOf(machine), forMs);
    else if (kind === 8) await this.slow(machine, forMs);
    else if (kind === 9) await this.full(machine, forMs);
    else if (kind === 10) this.jump(random.below(2) === 0 ? machine : this.some(fronts));
    else if (kind === 11) this.crash(this.some(fronts));
    else if (kind === 12) await this.rot(machine);
    else if (kind === 13) await this.replace(machine, forMs);
    else if (kind < 16) this.crashMidway(this.some(fronts));
    else if (kind < 18) await this.outageMidway(machine, forMs);
    else if (kind === 18) await this.succession(forMs);
    else await this.splitView(forMs);
  }

  private zoneOf({ zone }: Machine): Machine[] {
    return this.parts.machines.filter((machine) => machine.zone === zone);
  }

  private async outage(machines: readonly Machine[], forMs: number): Promise<void> {
    this.parts.note(`power off ${machines.map(({ name }) => name)}`);
    for (const machine of machines) machine.powerOff();
    await this.parts.time.sleep(forMs);
    for (const machine of machines) await machine.start();
  }

  private async restart(machine: Machine): Promise<void> {
    this.parts.note(`restart ${machine.name}`);
    await machine.restart();
  }

  private async storm(forMs: number): Promise<void> {
    const { network, random, note } = this.parts;
    const [loss, duplicates] = [random.unit() * 0.2, random.unit() * 0.2];
    network.weather = { loss, duplicates, delayMs: random.unit() * 100, stuck: fair.stuck };
    note('storm');
    await this.parts.time.sleep(forMs);
    network.weather = fair;
  }

  /** Between one front and a zone, so that another front still reaches it. */
  private async partition(machines: readonly Machine[], forMs: number): Promise<void> {
    const { fronts, random } = this.parts;
    await this.cut(random.below(2) === 0 ? fronts : [this.some(fronts)], machines, forMs);
  }

  private async cut(
    cut: readonly Front[],
    machines: readonly Machine[],
    forMs: number,
  ): Promise<void> {
    const { network, note } = this.parts;
    note(`partition ${cut.map(({ name }) => name)} from ${machines.map(({ name }) => name)}`);
    const pairs = cut.flatMap(({ name }) => machines.map((machine) => `${name} ${machine.name}`));
    for (const pair of pairs) network.cuts.add(pair);
    await this.parts.time.sleep(forMs);
    for (const pair of pairs) network.cuts.delete(pair);
  }

  private async slow({ disk, name }: Machine, forMs: number): Promise<void> {
    this.parts.note(`slow disk ${name}`);
    disk.syncMs = 50 + this.parts.random.below(8000);
    await this.parts.time.sleep(forMs);
    disk.syncMs = 1;
  }

  private async full({ disk, name }: Machine, forMs: number): Promise<void> {
    const { totalBytes, freeBytes } = await disk.space();
    this.parts.note(`full disk ${name}`);
    disk.inner.faults.capacityBytes = totalBytes - freeBytes + this.parts.random.below(20_000);
    await this.parts.time.sleep(forMs);
    delete disk.inner.faults.capacityBytes;
  }

  private jump({ skew, name }: Machine | Front): void {
    skew.us = Math.round((this.parts.random.unit() - 0.5) * 2 * 60 * minuteMs * 1000);
    this.parts.note(`clock of ${name} off by ${skew.us}`);
  }

  private crash(front: Front): void {
    this.parts.note(`crash ${front.name}`);
    front.restart();
  }

  /** The next message of some kind, or the second or third, is the first that it does not send any more. */
  private crashMidway(front: Front, what = this.kind()): void {
    const { network, random, note } = this.parts;
    const set = (left: number) => {
      const spring = () => {
        if (left > 0) return set(left - 1);
        note(`crash ${front.name} before ${what}`);
        front.restart();
      };
      network.traps.add({ at: front.name, what, when: 'send', spring });
    };
    set(random.below(4));
  }

  /** Power goes in the midst of a call: before it is heard, or when it took effect and was not answered. */
  private async outageMidway(machine: Machine, forMs: number): Promise<void> {
    const { network, random, time } = this.parts;
    const what = this.kind();
    const when = random.below(2) === 0 ? 'arrive' : 'done';
    const spring = () => {
      this.parts.note(`power off ${machine.name}: ${what} ${when}`);
      machine.powerOff();
    };
    network.traps.add({ at: machine.name, what, when, spring });
    await time.sleep(forMs);
    await machine.start();
  }

  /** Each front sees other zones, and one of them goes away with a change half sent. */
  private async splitView(forMs: number): Promise<void> {
    const { fronts, random, machines } = this.parts;
    const zones = [...new Set(machines.map(({ zone }) => zone))];
    const first = random.below(zones.length);
    const ends = fronts.map((front, at) => {
      const zone = zones[(first + at) % zones.length];
      return this.cut(
        [front],
        machines.filter((machine) => machine.zone === zone),
        forMs,
      );
    });
    this.crashMidway(this.some(fronts), 'accept-row');
    await Promise.all(ends);
  }

  private kind(): string {
    const { network, random } = this.parts;
    const often = ['accept-row', 'accept-row', 'prepare', 'commit', 'delete-blob'];
    return this.some(random.below(2) === 0 ? often : [...network.kinds, 'accept-row']);
  }

  /**
   * Each copy in its turn: one machine misses what is written, comes back as another's disk is swapped for an empty one, and then the third is out of
   * reach until the first and the empty one may have come to an agreement of their own.
   */
  private async succession(forMs: number): Promise<void> {
    const { machines, time } = this.parts;
    const zones = [...new Set(machines.map(({ zone }) => zone))];
    const turn = this.parts.random.below(zones.length);
    const [first, second, third] = [0, 1, 2].map((at) =>
      machines.filter(({ zone }) => zone === zones[(turn + at) % zones.length]),
    );
    const swapped = this.some(second ?? machines);
    if (!this.mayForget(swapped)) return;
    this.parts.note(`one after another: ${first?.map(({ name }) => name)}, ${swapped.name}, …`);
    for (const machine of first ?? []) machine.powerOff();
    await time.sleep(forMs);
    swapped.powerOff();
    swapped.replaceDisk();
    const isOff = this.parts.random.below(2) === 0;
    if (isOff) for (const machine of third ?? []) machine.powerOff();
    else this.ending.push(this.storm(forMs));
    for (const machine of [...(first ?? []), swapped]) await machine.start();
    await time.sleep(forMs * 2);
    for (const machine of third ?? []) await machine.start();
  }

  private mayForget(machine: Machine): boolean {
    this.forgetful ??= machine;
    return this.forgetful === machine;
  }

  private async rot(machine: Machine): Promise<void> {
    if (!this.mayForget(machine)) return;
    for (let flips = 1 + this.parts.random.below(4); flips > 0; flips--) {
      const what = await machine.rot();
      this.parts.note(`rot ${machine.name} ${what}`);
    }
  }

  private async replace(machine: Machine, forMs: number): Promise<void> {
    if (!this.mayForget(machine)) return;
    this.parts.note(`replace the disk of ${machine.name}`);
    machine.powerOff();
    machine.replaceDisk();
    await this.parts.time.sleep(forMs);
    await machine.start();
  }
}
