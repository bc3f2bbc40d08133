/** What every part of the compute service shares. */
import type { Kysely, Transaction } from 'kysely';
import type { Operations } from '#cloud/operations';
import type { Quotas } from '#cloud/quotas';
import { roomOf, type State } from '#cloud/state';
import { type Clock, Failure, type Logger, type Random, randomUuid } from '#common';
import type { Hypervisor, MoveProgress } from './drivers/driver.ts';
import type {
  BootImages,
  DiskEngine,
  HostNetwork,
  ServerPorts,
  ServerVolumes,
  ServiceCalls,
} from './neighbours.ts';
import { quotaDeclarations } from './quotas.ts';
import type { ComputeSettings } from './settings.ts';
import type { ComputeTables } from './tables.ts';

export type Db = Kysely<ComputeTables>;
export type Tx = Transaction<ComputeTables>;

/** A machine that runs guests. */
export interface ComputeHost {
  readonly name: string;
  readonly hypervisor: Hypervisor;
  /** Absent where there is no network service: guests have no ports then. */
  readonly network?: HostNetwork;
  /** Where guests of this host reach their disks. */
  readonly nbdSocketPath: string;
  /** Who guests run as. */
  readonly uid?: number;
  readonly space: () => Promise<{ readonly totalBytes: number; readonly freeBytes: number }>;
}

export interface ComputeCoreOptions {
  readonly state: State;
  readonly operations: Operations;
  readonly quotas: Quotas;
  readonly engine: DiskEngine;
  readonly images: BootImages;
  readonly volumes?: ServerVolumes;
  readonly ports?: ServerPorts;
  readonly services?: ServiceCalls;
  readonly hosts: readonly ComputeHost[];
  readonly settings: ComputeSettings;
  /** Where clients reach consoles: `http://host:port/compute-console`. */
  readonly consoleUrl: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export class ComputeCore {
  readonly db: Db;
  readonly operations: Operations;
  readonly quotas: Quotas;
  readonly engine: DiskEngine;
  readonly images: BootImages;
  readonly volumes: ServerVolumes | undefined;
  readonly ports: ServerPorts | undefined;
  readonly services: ServiceCalls | undefined;
  /** Those within reach: they come and go. */
  readonly hosts: Map<string, ComputeHost>;
  readonly settings: ComputeSettings;
  readonly consoleUrl: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** How far the servers are that move just now, by operation. */
  readonly moving = new Map<string, MoveProgress>();
  /** Server id → what its guest is told once. */
  readonly passwords = new Map<string, string>();
  private readonly state: State;

  constructor(options: ComputeCoreOptions) {
    this.state = options.state;
    this.db = options.state.db.$extendTables<ComputeTables>();
    this.operations = options.operations;
    this.quotas = options.quotas;
    this.quotas.add(quotaDeclarations(options.settings));
    this.engine = options.engine;
    this.images = options.images;
    this.volumes = options.volumes;
    this.ports = options.ports;
    this.services = options.services;
    this.hosts = new Map(options.hosts.map((host) => [host.name, host]));
    this.settings = options.settings;
    this.consoleUrl = options.consoleUrl;
    this.clock = options.clock;
    this.random = options.random;
    this.log = options.log;
  }

  newId(): string {
    return randomUuid(this.random);
  }

  /** The host by this name, as the controller reaches it. */
  host(name: string | null): ComputeHost {
    const host = this.hosts.get(name ?? '');
    if (host !== undefined) return host;
    throw new Failure('unreachable', 'host-unreachable', `Host ${name} cannot be reached`);
  }

  /** All of it happens or none, and it may run twice; statements inside go through the transaction they are handed. */
  change<T>(work: (transaction: Tx) => Promise<T>): Promise<T> {
    return this.state.transaction((untyped) => work(roomOf<ComputeTables>(untyped)));
  }

  /** The same where quotas of a project are touched: such changes wait for one another. */
  changeOf<T>(projectId: string, work: (transaction: Tx) => Promise<T>): Promise<T> {
    const lock = this.quotas.lockOf(projectId);
    return this.state.transaction((untyped) => work(roomOf<ComputeTables>(untyped)), { lock });
  }

  afterCommit(transaction: Tx, run: () => void): void {
    this.state.afterCommit(transaction, run);
  }
}
