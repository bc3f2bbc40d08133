/**
 * A whole cluster on virtual time from one seed: machines in zones, fronts with clients, weather and faults; days of alternating chaos and calm, and after
 * each chaos everything heals and every promise is checked.
 */
import { createHash } from 'node:crypto';
import { seededRandom, VirtualClock } from '#common';
import { buildRing, parseRingSpec, type Ring } from '#ring';
import { Checks } from './checks.ts';
import { Client } from './clients.ts';
import { Faults } from './faults.ts';
import { Front } from './front.ts';
import { Machine } from './machine.ts';
import { Network } from './network.ts';
import { RefillCheck } from './refill-check.ts';
import { Bodies, Register } from './registers.ts';

export interface SimulationOptions {
  readonly seed: number;
  readonly days: number;
  readonly ring?: Ring;
  /** Told of every event, for whoever wants to read what happened. */
  readonly onEvent?: (line: string) => void;
}

export interface SimulationReport {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly days: number;
  readonly operations: number;
  readonly messages: number;
  readonly faults: number;
  readonly reclaimedBlobs: number;
  /** Of every message and fault with its time: the same seed gives the same. */
  readonly trace: string;
}

const dayMs = 86_400_000;
const minuteMs = 60_000;
const doubtMsMax = 2000;
const containers = 6;
const namesPerContainer = 4;

/** Three zones of two machines each. */
export function smallRing(): Ring {
  const devices = [1, 1, 2, 2, 3, 3].map((zone, id) => ({
    ...{ id, region: 1, zone, ip: `10.0.0.${id + 1}`, port: 6200, device: 'd', weight: 100 },
  }));
  const spec = { part_power: 4, replicas: 3, overload: 0, min_part_hours: 0, seed: 1, devices };
  return buildRing(parseRingSpec(spec)).ring;
}

export async function simulate(options: SimulationOptions): Promise<SimulationReport> {
  return await new Simulation(options).run();
}

class Simulation {
  private readonly options: SimulationOptions;
  private readonly time = new VirtualClock();
  private readonly hash = createHash('sha256');
  private readonly violations: string[] = [];
  private readonly machines = new Map<number, Machine>();
  private readonly network: Network;
  private readonly clients: Client[] = [];
  /** They look at what became of changes of which nobody was told. */
  private readonly lookers: Client[] = [];
  private readonly faults: Faults;
  private readonly checks: Checks;

  constructor(options: SimulationOptions) {
    this.options = options;
    const { time } = this;
    const ring = options.ring ?? smallRing();
    // A stream of its own for everybody, so that what one does more does not change the others.
    const seeds = seededRandom(options.seed);
    const random = () => seededRandom(seeds.below(2 ** 32));
    const report = (violation: string) => this.report(violation);
    this.network = new Network(time, random(), (what) => this.trace(what));
    for (const device of ring.devices)
      if (device !== undefined && device.weight > 0)
        this.machines.set(
          device.id,
          new Machine({ name: `m${device.id}`, zone: device.zone, time, random: random() }),
        );
    const { network, machines } = this;
    const front = (name: string) =>
      new Front({ name, time, random: random(), network, ring, machines });
    const [one, other] = [front('f1'), front('f2')];
    const bodies = new Bodies();
    const registers = this.registers();
    const doubts = random();
    const onDoubt = (register: Register) =>
      void time.after(doubts.unit() * doubtMsMax, () => this.lookAt(register));
    const parts = { time, registers, bodies, report, onDoubt };
    for (const [at, front] of [one, other, one, other].entries())
      this.clients.push(new Client(`c${at}`, { ...parts, random: random(), front }));
    for (const [at, front] of [one, other].entries())
      this.lookers.push(new Client(`l${at}`, { ...parts, random: random(), front }));
    this.faults = new Faults({
      ...{ time, random: random(), network, machines: [...machines.values()] },
      ...{ fronts: [one, other], note: (what) => this.event(what) },
    });
    const refills = new RefillCheck({ ring, machines, registers, report });
    network.onDone = (at, what) => {
      if (what === 'refilled') refills.look(at).catch((error: unknown) => network.fail(error));
    };
    this.checks = new Checks({ time, ring, machines, registers, bodies, front: one, report });
  }

  private lookAt(register: Register): void {
    for (const looker of this.lookers)
      looker.look(register).catch((error: unknown) => this.network.fail(error));
  }

  private registers(): Register[] {
    const found: Register[] = [];
    for (let container = 0; container < containers; container++)
      for (let name = 0; name < namesPerContainer; name++)
        found.push(new Register(`container-${container}`, `name-${name}`, name === 0));
    return found;
  }

  private trace(what: string): void {
    this.hash.update(`${this.time.monotonicMs().toFixed(3)} ${what}\n`);
  }

  private event(what: string): void {
    this.trace(what);
    this.options.onEvent?.(`${(this.time.monotonicMs() / minuteMs).toFixed(2)} min  ${what}`);
  }

  private report(violation: string): void {
    this.event(`VIOLATION ${violation}`);
    this.violations.push(violation);
  }

  async run(): Promise<SimulationReport> {
    const { machines, clients, network } = this;
    for (const machine of machines.values()) await this.drive(machine.start());
    for (const client of clients) client.run().catch((error: unknown) => network.fail(error));
    const endMs = this.options.days * dayMs;
    while (this.time.monotonicMs() < endMs && this.violations.length === 0)
      await this.drive(this.episode());
    return {
      ...{ seed: this.options.seed, violations: this.violations },
      days: this.time.monotonicMs() / dayMs,
      operations: clients.reduce((sum, client) => sum + client.operations, 0),
      ...{ messages: network.messages, faults: this.faults.count },
      reclaimedBlobs: this.checks.reclaimed,
      trace: this.hash.digest('hex').slice(0, 16),
    };
  }

  private async episode(): Promise<void> {
    const { time, faults, clients } = this;
    this.event('chaos');
    for (const client of clients) Object.assign(client, { thinkMs: 15_000, share: 1 });
    await faults.rage(15 * minuteMs);
    await this.settled();
    this.event('calm');
    for (const client of clients) Object.assign(client, { thinkMs: 10 * minuteMs, share: 0.6 });
    await time.sleep(4 * 60 * minuteMs);
    await this.settled();
  }

  /** Nobody begins anything; what is under way ends; everything heals, and is looked at. */
  private async settled(): Promise<void> {
    const { time, faults, clients, checks } = this;
    const everybody = [...clients, ...this.lookers];
    for (const client of everybody) client.isPaused = true;
    await faults.heal();
    while (!everybody.every((client) => client.isIdle)) await time.sleep(1000);
    this.event('check');
    await checks.all();
    for (const client of everybody) client.isPaused = false;
  }

  /** Lets time run until the promise has settled. */
  private async drive<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    const mark = () => {
      isDone = true;
    };
    promise.then(mark, mark);
    for (;;) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      if (this.network.failure !== undefined) throw this.network.failure;
      if (isDone) return promise;
      if (!this.time.step()) throw new Error('nothing is left that could happen');
    }
  }
}
