/**
 * OVN and its hosts as one thing that the service stands on.
 *
 *  1. Nothing runs until something needs it: the first port or router, or a compute host that asks.
 *  2. Then packages are made sure of, the daemons are started or found running, and the databases are followed.
 *  3. From then on: what the model says is rendered, daemons that died are started again, networks get their metadata.
 */
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import {
  type Clock,
  Failure,
  isFailure,
  type Logger,
  messageOf,
  type Net,
  type Timer,
} from '#common';
import type { NetworkCore } from '../core.ts';
import { followed } from '../ovn/desired.ts';
import type { Model } from '../ovn/model.ts';
import { type Drift, Reconciler } from '../ovn/reconciler.ts';
import { OvsdbClient } from '../ovsdb/client.ts';
import { Central } from './central.ts';
import { type HostEnd, LocalHost } from './host-end.ts';
import type { HostNetwork, HostNetworkStatus } from './host-network.ts';
import type { MetadataHandler } from './metadata.ts';
import { metadataPlacesOf, whoIs } from './metadata-askers.ts';
import { overlaysOf } from './overlays.ts';
import type { SwitchOptions, Uplink } from './switch.ts';
import type { UpWatch } from './up-watch.ts';

export type HostPlan = Omit<SwitchOptions, 'central' | 'clock'>;

export interface BackendOptions {
  readonly core: NetworkCore;
  readonly net: Net;
  readonly clock: Clock;
  readonly log: Logger;
  /** Sockets, databases, logs; short, since a socket's path has at most 107 characters. */
  readonly folder: string;
  readonly hosts: readonly HostPlan[];
  readonly up: UpWatch;
  /** Makes sure that this process may and can; fails `missing` or `denied` and says what to do. */
  prepare(): Promise<void>;
}

const superviseMs = 1_000;
const syncMs = 30_000;

const chassisColumns = ['name', 'hostname', 'external_ids', 'other_config'];

export class Backend {
  private readonly up: UpWatch;
  private readonly options: BackendOptions;
  private readonly central: Central;
  private readonly local: readonly LocalHost[];
  private readonly ends: Map<string, HostEnd>;
  private readonly placing = new Map<HostEnd, Promise<void>>();
  private starting: Promise<void> | undefined;
  private northbound: OvsdbClient | undefined;
  private southbound: OvsdbClient | undefined;
  private reconciler: Reconciler | undefined;
  private supervision: Timer | undefined;
  private supervising: Promise<void> | undefined;
  private problem: { readonly reason: string; readonly advice: string } | undefined;
  private isClosed = false;
  private restarts = 0;
  handler: MetadataHandler | undefined;

  constructor(options: BackendOptions) {
    this.options = options;
    this.up = options.up;
    const { clock, log, core } = options;
    this.central = new Central(join(options.folder, 'c'), clock, core.random);
    this.local = options.hosts.map(
      (plan) =>
        new LocalHost({
          ...plan,
          ...{ clock, log, central: this.central.southSocket },
          handler: () => this.handler,
          whoIs: (networkId, address) => whoIs(core, networkId, address),
        }),
    );
    this.ends = new Map(this.local.map((end) => [end.hostname, end]));
  }

  /** OVN's southbound database, as a host in another process that is this chassis may use it. */
  southAs(chassis: string): Promise<Duplex> {
    return this.central.access.connect(chassis);
  }

  /** Hosts in other processes are to come: those here get an address for them. */
  async expectOthers(uplink: Uplink): Promise<void> {
    const [here] = this.local;
    if (here !== undefined && !here.hasNamespace)
      throw new Failure(
        'conflict',
        'restart-needed',
        "The kernel's Open vSwitch is in use by this machine alone; stop the cloud, start it, and add the host then",
      );
    await here?.join(uplink);
  }

  /** A host in another process came within reach, or came back; returns how it leaves. */
  join(end: HostEnd): () => void {
    this.ends.set(end.hostname, end);
    if (this.starting !== undefined) {
      this.starting
        .then(() => end.ensure())
        .then(() => this.reconciler?.wake())
        .catch((error: unknown) =>
          this.options.log.warn({ host: end.hostname }, `network of a host: ${messageOf(error)}`),
        );
    }
    return () => {
      if (this.ends.get(end.hostname) === end) this.ends.delete(end.hostname);
    };
  }

  /** Starts when there is something to do, and whenever there comes to be. */
  async open(): Promise<void> {
    const { core } = this.options;
    core.onChange(() => {
      this.reconciler?.wake();
      if (this.starting === undefined) void this.startIfNeeded();
    });
    await this.startIfNeeded();
  }

  private async startIfNeeded(): Promise<void> {
    if (this.isClosed || this.starting !== undefined || !(await isNeeded(this.options.core)))
      return;
    // In the background: what cannot be started says so in `status`, and is tried again at the next change.
    this.ensure().catch((error: unknown) =>
      this.options.log.warn(`networks are not connected: ${messageOf(error)}`),
    );
  }

  ensure(): Promise<void> {
    this.starting ??= this.start().catch((error: unknown) => {
      this.starting = undefined;
      this.problem = {
        reason: messageOf(error),
        advice:
          isFailure(error) && typeof error.facts.advice === 'string'
            ? error.facts.advice
            : 'see the log',
      };
      throw error;
    });
    return this.starting;
  }

  private async start(): Promise<void> {
    const { core, net, clock, log } = this.options;
    await this.options.prepare();
    if (this.isClosed) return;
    await this.central.ensure();
    for (const host of this.local) await host.ensure();
    for (const end of this.others()) await this.reach(end);
    const follow = (
      path: string,
      database: string,
      tables: Readonly<Record<string, readonly string[]>>,
    ) =>
      new OvsdbClient({
        net,
        clock,
        log,
        path,
        database,
        tables,
        changed: () => this.changed(),
      });
    this.northbound = follow(this.central.socket, 'OVN_Northbound', followed);
    this.southbound = follow(this.central.southSocket, 'OVN_Southbound', {
      Chassis: chassisColumns,
    });
    this.reconciler = new Reconciler({
      core,
      clock,
      log,
      northbound: this.northbound,
      southbound: this.southbound,
      rendered: (model) => this.place(model),
    });
    core.observed = {
      isUp: (portId) => this.up.isUp(portId),
      available: true,
      refusalOf: (kind, id) => this.reconciler?.refusalOf(kind, id),
    };
    core.agents = () => this.agents();
    this.problem = undefined;
    this.supervise();
    await this.untilSynced();
    this.reconciler.wake();
    log.info({ hosts: [...this.ends.keys()] }, 'networks are connected');
  }

  private async untilSynced(): Promise<void> {
    const { clock } = this.options;
    const until = clock.monotonicMs() + syncMs;
    while (!(this.northbound?.synced === true && this.southbound?.synced === true)) {
      if (clock.monotonicMs() > until)
        throw new Failure('unreachable', 'ovn-silent', "OVN's databases do not answer");
      await clock.sleep(20);
    }
  }

  private changed(): void {
    if (this.northbound !== undefined) this.up.look(this.northbound.rows('Logical_Switch_Port'));
    this.reconciler?.wake();
  }

  private others(): HostEnd[] {
    return [...this.ends.values()].filter((end) => !this.local.some((one) => one === end));
  }

  /** Another's network that does not come up stops nobody here. */
  private async reach(end: HostEnd): Promise<void> {
    try {
      await end.ensure();
    } catch (error) {
      this.options.log.warn({ host: end.hostname }, `network of a host: ${messageOf(error)}`);
    }
  }

  private place(model: Model): void {
    const overlays = overlaysOf(model);
    for (const end of this.ends.values()) {
      if (this.placing.has(end)) continue;
      const others = [...this.ends.values()].filter((one) => one !== end);
      const running = end
        .arrange({
          overlays,
          peers: others.flatMap(({ address }) => address ?? []),
          places: metadataPlacesOf(model, end.hostname),
        })
        .finally(() => this.placing.delete(end));
      this.placing.set(end, running);
      running.catch((error: unknown) =>
        this.options.log.warn(
          { err: error, host: end.hostname },
          `metadata and overlays: ${messageOf(error)}`,
        ),
      );
    }
  }

  private supervise(): void {
    if (this.isClosed) return;
    this.supervision = this.options.clock.after(superviseMs, () => {
      this.supervising = this.revive().finally(() => this.supervise());
    });
  }

  private async revive(): Promise<void> {
    const { log } = this.options;
    try {
      const started = await this.central.ensure();
      for (const host of this.local) started.push(...(await host.ensure()));
      if (started.length === 0) return;
      this.restarts += started.length;
      log.warn({ started }, 'daemons had ended and were started again');
      this.reconciler?.wake();
    } catch (error) {
      log.error({ err: error }, `a daemon cannot be started: ${messageOf(error)}`);
    }
  }

  host(name: string): HostNetwork | undefined {
    const end = this.ends.get(name);
    if (end === undefined) return undefined;
    return {
      name,
      status: () => this.status(),
      ensure: () => this.ensure(),
      plug: async (port, owner) => {
        await this.ensure();
        return await end.plug(port, owner);
      },
      unplug: (portId) => end.unplug(portId),
      plugged: () => end.plugged(),
    };
  }

  get hostNames(): readonly string[] {
    return [...this.ends.keys()];
  }

  status(): HostNetworkStatus {
    if (this.problem !== undefined) return { state: 'missing', ...this.problem };
    if (this.northbound?.synced === true) return { state: 'ready' };
    return { state: this.starting === undefined ? 'off' : 'starting' };
  }

  get drift(): (Drift & { readonly restarts: number }) | undefined {
    const drift = this.reconciler?.drift;
    return drift === undefined ? undefined : { ...drift, restarts: this.restarts };
  }

  private anyRuns(): boolean {
    return (
      this.central.daemons.some((daemon) => daemon.pid !== undefined) ||
      this.local.some((end) => end.anyRuns())
    );
  }

  private agents(): Record<string, unknown>[] {
    const now = new Date(this.options.core.nowUs() / 1_000)
      .toISOString()
      .slice(0, 19)
      .replace('T', ' ');
    return [...(this.southbound?.rows('Chassis').values() ?? [])].flatMap((row) => {
      const alive = this.ends.get(String(row.hostname))?.isAlive() ?? false;
      const of = (kind: string, binary: string, suffix: string) => ({
        id: `${String(row.name)}${suffix}`,
        agent_type: kind,
        binary,
        host: String(row.hostname),
        topic: 'n/a',
        alive,
        admin_state_up: true,
        availability_zone: '',
        heartbeat_timestamp: now,
        created_at: now,
        started_at: now,
        configurations: {},
        description: '',
        resources_synced: null,
      });
      return [
        of('OVN Controller Gateway agent', 'ovn-controller', ''),
        of('OVN Metadata agent', 'pileus', '-metadata'),
      ];
    });
  }

  /** Guests that still run keep their network, and the next start finds it; without guests nothing stays. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.supervision?.cancel();
    await this.starting?.catch(() => undefined);
    await this.supervising;
    await this.reconciler?.close();
    await Promise.allSettled(this.placing.values());
    this.northbound?.close();
    this.southbound?.close();
    // A start that failed half-way may have left daemons, and so may an earlier process.
    if (!this.anyRuns()) return;
    for (const host of this.local) if (await host.hasGuests()) return;
    // Those of other processes keep the flows that they have.
    for (const host of this.local) await host.stop();
    await this.central.stop();
  }
}

async function isNeeded(core: NetworkCore): Promise<boolean> {
  const row = await core.db
    .selectFrom('network_object')
    .select('id')
    .where('kind', 'in', ['port', 'router'])
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}
