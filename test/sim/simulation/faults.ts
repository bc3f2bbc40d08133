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
    const kind = random.below(14);
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
    else await this.replace(machine, forMs);
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
    network.weather = { loss, duplicates, delayMs: random.unit() * 100 };
    note('storm');
    await this.parts.time.sleep(forMs);
    network.weather = fair;
  }

  /** Between one front and a zone, so that another front still reaches it. */
  private async partition(machines: readonly Machine[], forMs: number): Promise<void> {
    const { network, fronts, random, note } = this.parts;
    const cut = random.below(2) === 0 ? fronts : [this.some(fronts)];
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
