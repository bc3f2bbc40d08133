/**
 * The cluster as the controller sees it: the map in force, a way to every device, and how all take up another map.
 *
 *  1. It is kept; a controller that dies from here on goes on with it.
 *  2. This process's coordinator and replicator go by it, and nothing goes by the one before any more; other fronts are told and do the same.
 *  3. Storage nodes are told, and from then on refuse whoever goes by an older one.
 *
 * Invariant: of two maps in succession at most one replica of each partition differs, and the second step is done everywhere, or kept from whoever
 * did not do it by the third, before there is another map.
 */
import { type Clock, Failure, type Logger } from '#common';
import { JointRing, type RingView } from '#ring';
import type { DeviceService, NodeClient } from '#wire';
import type { DataFolder } from '../data-folder.ts';
import { type ClusterMap, type ClusterNode, saveMap, viewOf } from './cluster-map.ts';

/** Those who are told of maps by a connection of their own. */
export interface Told {
  /** The names of those who have taken it up. */
  tell(map: ClusterMap): Promise<ReadonlySet<string>>;
}

/** Goes by the ring it is told, over these devices; resolves when nothing goes by the one before any more. */
export interface Follower {
  follow(ring: RingView, devices: ReadonlyMap<number, DeviceService>): Promise<void>;
}

export interface MembershipParts {
  readonly folder: DataFolder;
  readonly map: ClusterMap;
  /** Devices of this process, by ring id. */
  readonly local: Map<number, DeviceService>;
  connect(node: ClusterNode, ringEpoch: number): NodeClient;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Way {
  readonly node: ClusterNode;
  readonly client: NodeClient;
  readonly devices: Map<number, DeviceService>;
}

const againMs = 500;

export class Membership {
  readonly devices = new Map<number, DeviceService>();
  private readonly parts: MembershipParts;
  private readonly ways = new Map<string, Way>();
  private now: ClusterMap;
  private seen: RingView;
  private followers: readonly Follower[] = [];
  private told: readonly Told[] = [];
  private publishing: Promise<unknown> = Promise.resolve();
  /** Who has not taken up the map in force, as far as that matters. */
  waitsFor: readonly string[] = [];

  constructor(parts: MembershipParts) {
    this.parts = parts;
    this.now = parts.map;
    this.seen = viewOf(parts.map);
    this.takeWays();
  }

  get map(): ClusterMap {
    return this.now;
  }

  get view(): RingView {
    return this.seen;
  }

  get clock(): Clock {
    return this.parts.clock;
  }

  followedBy(followers: readonly Follower[]): void {
    this.followers = followers;
  }

  tells(told: readonly Told[]): void {
    this.told = told;
  }

  /** The node that a device is on; undefined for this process's own. */
  nodeOf(device: number): ClusterNode | undefined {
    return this.now.nodes.find(({ devices }) => devices.includes(device));
  }

  addLocal(id: number, device: DeviceService): void {
    this.parts.local.set(id, device);
  }

  /** One after the other; resolves when the change is in force everywhere. */
  change(by: (map: ClusterMap) => Omit<ClusterMap, 'epoch'>, signal: AbortSignal): Promise<void> {
    const changed = this.publishing.then(async () => {
      await this.spread(signal);
      await this.takeUp({ ...by(this.now), epoch: this.now.epoch + 1 });
      await this.spread(signal);
    });
    // Its failure is its caller's.
    this.publishing = changed.catch(() => undefined);
    return changed;
  }

  /** Another process is the controller, and has changed the map. */
  adopt(map: ClusterMap): Promise<void> {
    const adopted = this.publishing.then(async () => {
      if (map.epoch > this.now.epoch) await this.takeUp(map);
    });
    this.publishing = adopted.catch(() => undefined);
    return adopted;
  }

  async close(): Promise<void> {
    await Promise.all([...this.ways.values()].map(({ client }) => client.close()));
  }

  private async takeUp(map: ClusterMap): Promise<void> {
    saveMap(this.parts.folder, map);
    this.now = map;
    this.seen = viewOf(map);
    this.takeWays();
    await Promise.all(this.followers.map((one) => one.follow(this.seen, this.devices)));
    for (const { client } of this.ways.values()) client.announce(map.epoch);
    this.parts.log.info({ epoch: map.epoch, moving: map.next !== undefined }, 'the ring changed');
  }

  /** Until so many have taken the map up that nobody who has not can reach a majority of anything. */
  private async spread(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const names = new Set<string>();
      for (const told of this.told) for (const name of await told.tell(this.now)) names.add(name);
      const missing = this.now.nodes.filter(({ name }) => !names.has(name));
      this.waitsFor = isCovered(this.now, missing) ? [] : missing.map(({ name }) => name);
      if (this.waitsFor.length === 0) return;
      await this.parts.clock.sleep(againMs, signal);
    }
  }

  private takeWays(): void {
    const { local } = this.parts;
    const { nodes, epoch } = this.now;
    for (const [name, way] of this.ways) {
      const node = nodes.find((one) => one.name === name);
      if (node !== undefined && isSamePlace(node, way.node)) continue;
      this.ways.delete(name);
      way.client.close().catch((error: unknown) => this.parts.log.warn({ err: error }, name));
    }
    this.devices.clear();
    for (const node of nodes) {
      const way = this.wayTo(node, epoch);
      for (const id of node.devices) {
        if (this.seen.devices[id] === undefined) continue;
        const device = way.devices.get(id) ?? way.client.device(id);
        way.devices.set(id, device);
        this.devices.set(id, device);
      }
    }
    for (const [id, device] of local)
      if (this.seen.devices[id] !== undefined) this.devices.set(id, device);
  }

  private wayTo(node: ClusterNode, epoch: number): Way {
    const known = this.ways.get(node.name);
    if (known !== undefined) return known;
    const way = { node, client: this.parts.connect(node, epoch), devices: new Map() };
    this.ways.set(node.name, way);
    return way;
  }
}

function isSamePlace(a: ClusterNode, b: ClusterNode): boolean {
  return a.host === b.host && a.port === b.port && a.socket === b.socket;
}

/** Whether those who did not hear of a map are too few to be a majority of the owners of any partition, by it or by the one before. */
function isCovered(map: ClusterMap, missing: readonly ClusterNode[]): boolean {
  if (missing.length === 0) return true;
  const deaf = new Set(missing.flatMap(({ devices }) => devices));
  const view = viewOf(map);
  const rings = view instanceof JointRing ? [view.before, view.after] : [view];
  return rings.every((ring) => {
    for (let partition = 0; partition < ring.partitionCount; partition++) {
      const owners = ring.primaries(partition);
      const unaware = owners.filter(({ id }) => deaf.has(id)).length;
      if (unaware > Math.floor(owners.length / 2)) return false;
    }
    return true;
  });
}

export function noSuchDevice(name: string): Failure {
  return new Failure('missing', 'no-such-device', `There is no device ${name}`);
}
