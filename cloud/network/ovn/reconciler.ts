/**
 * Keeps OVN as the model says: compares whole with whole, whenever either changed and now and then besides. What it does depends
 * on nothing but the two, so that whatever was lost, or done by others' hands, is mended by the next look.
 */
import { type Clock, type Logger, messageOf, type Timer } from '#common';
import type { NetworkCore } from '../core.ts';
import type { Kind } from '../model/documents.ts';
import type { OvsdbClient } from '../ovsdb/client.ts';
import { mapOf } from '../ovsdb/values.ts';
import { Applier } from './applier.ts';
import type { Desired, Subject } from './desired.ts';
import type { Difference } from './difference.ts';
import { ModelCache } from './model.ts';
import { type Chassis, render } from './render.ts';

const settleMs = 20;

export interface Drift {
  /** Rows that were missing, other, or nobody's while all that they follow from was as at the look before. */
  readonly mended: number;
  readonly lastMendedAtUs: number | undefined;
  readonly lastError: string | undefined;
  /** The last look found nothing to do, and nothing set aside. */
  readonly inSync: boolean;
  /** Resources of which OVN will not have a row: these are not, or not wholly, as their owners said; all others are. */
  readonly setAside: readonly SetAside[];
}

export interface SetAside {
  readonly subject: Subject;
  readonly reason: string;
}

export interface ReconcilerParts {
  readonly core: NetworkCore;
  readonly northbound: OvsdbClient;
  readonly southbound: OvsdbClient;
  readonly clock: Clock;
  readonly log: Logger;
  /** Something of the model that hosts care about may have changed. */
  rendered(model: Awaited<ReturnType<ModelCache['read']>>): void;
}

export class Reconciler {
  private readonly parts: ReconcilerParts;
  private readonly cache: ModelCache;
  private readonly applier: Applier;
  private timer: Timer | undefined;
  private running: Promise<void> | undefined;
  private again = false;
  private isClosed = false;
  /** What OVN was last made to be like: which model, and which hosts. */
  private applied: string | undefined;
  private state: Drift = {
    mended: 0,
    lastMendedAtUs: undefined,
    lastError: undefined,
    inSync: false,
    setAside: [],
  };

  constructor(parts: ReconcilerParts) {
    this.parts = parts;
    this.cache = new ModelCache(parts.core);
    this.applier = new Applier(parts.northbound, parts.clock);
  }

  get drift(): Drift {
    return this.state;
  }

  refusalOf(kind: Kind, id: string): string | undefined {
    const held = this.state.setAside.find(
      ({ subject }) => subject.id === id && subject.kind === kind,
    );
    return held?.reason;
  }

  wake(): void {
    if (this.isClosed) return;
    if (this.running !== undefined) {
      this.again = true;
      return;
    }
    this.schedule(settleMs);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.timer?.cancel();
    await this.running;
  }

  private schedule(delayMs: number): void {
    this.timer?.cancel();
    this.timer = this.parts.clock.after(delayMs, () => {
      this.running = this.look().finally(() => {
        this.running = undefined;
        const soon = this.again;
        this.again = false;
        if (!this.isClosed) this.schedule(soon ? settleMs : this.parts.core.settings.reconcileMs);
      });
    });
  }

  private async look(): Promise<void> {
    const { core, northbound, southbound, log } = this.parts;
    if (!northbound.synced || !southbound.synced) return;
    try {
      const model = await this.cache.read();
      const chassis = chassisOf(southbound);
      const { settings } = core;
      const dnsServers = settings.dnsServers
        .split(',')
        .map((one) => one.trim())
        .filter((one) => one !== '');
      const desired = render(model, {
        chassis,
        dhcpLeaseS: settings.dhcpLeaseS,
        dnsDomain: settings.dnsDomain,
        dnsServers,
      });
      const difference = await this.apply(desired);
      // What differs because the model or the hosts are others was meant to.
      const applied = JSON.stringify([this.cache.version, chassis]);
      if (applied === this.applied) this.note(difference);
      this.applied = applied;
      const inSync = difference.operations.length === 0 && this.state.setAside.length === 0;
      this.state = { ...this.state, lastError: undefined, inSync };
      this.parts.rendered(model);
    } catch (error) {
      this.state = { ...this.state, lastError: messageOf(error), inSync: false };
      log.warn({ err: error }, `OVN could not be brought up to date: ${messageOf(error)}`);
    }
  }

  /** What OVN will not have is known even when not everything else could be done. */
  private async apply(desired: Desired): Promise<Difference> {
    try {
      return await this.applier.apply(desired);
    } finally {
      this.tell([...desired.unrendered, ...this.applier.refusals]);
    }
  }

  /** Says once what OVN will not have. */
  private tell(setAside: readonly SetAside[]): void {
    const before = new Set(this.state.setAside.map(lineOf));
    for (const one of setAside)
      if (!before.has(lineOf(one)))
        this.parts.log.error({ ...one.subject }, `OVN will not have it: ${lineOf(one)}`);
    this.state = { ...this.state, setAside };
  }

  private note({ touched, removed }: Difference): void {
    const mended = touched.length + removed;
    if (mended === 0) return;
    this.state = {
      ...this.state,
      mended: this.state.mended + mended,
      lastMendedAtUs: this.parts.clock.nowUs(),
    };
    this.parts.log.info({ mended, removed }, 'OVN was other than it should be; mended');
  }
}

const lineOf = ({ subject, reason }: SetAside): string =>
  `${subject.kind} ${subject.id}: ${reason}`;

export function chassisOf(southbound: OvsdbClient): Chassis[] {
  const found = [...southbound.rows('Chassis').values()].map((row) => {
    const config = { ...mapOf(row.external_ids), ...mapOf(row.other_config) };
    const mappings = config['ovn-bridge-mappings'] ?? '';
    return {
      name: String(row.name),
      hostname: String(row.hostname),
      physical: mappings
        .split(',')
        .map((one) => one.split(':')[0] ?? '')
        .filter((one) => one !== ''),
    };
  });
  return found.sort((one, other) => (one.name < other.name ? -1 : 1));
}
