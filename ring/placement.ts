/**
 * The ring as a value: which devices hold a partition, and who stands in for them.
 * Read-only typed arrays; the order of handoffs is Swift's, device for device.
 */
import { createHash } from 'node:crypto';
import { Failure } from '#common';
import type { RingDevice } from './device.ts';
import { deviceIdMax, partPowerMax, replicasMax, slotsMax } from './limits.ts';

export interface RingParts {
  readonly partPower: number;
  /** Indexed by device id; a removed device leaves a hole. */
  readonly devices: readonly (RingDevice | undefined)[];
  /** One row per replica: partition → device id. With fractional replicas the last row is shorter. */
  readonly rows: readonly Uint16Array[];
  readonly version?: number | undefined;
  readonly nextPartPower?: number | undefined;
}

export interface Handoff {
  readonly device: RingDevice;
  readonly handoffIndex: number;
}

export class Ring {
  readonly partPower: number;
  readonly partitionCount: number;
  readonly devices: readonly (RingDevice | undefined)[];
  readonly rows: readonly Uint16Array[];
  /** Rises by one with every build: the ring's epoch. */
  readonly version: number | undefined;
  readonly nextPartPower: number | undefined;
  private readonly shift: number;
  private readonly spread: Spread;

  /** Invariant: every slot names a device that is present. */
  constructor(parts: RingParts) {
    checkShape(parts);
    this.partPower = parts.partPower;
    this.partitionCount = 2 ** parts.partPower;
    this.devices = Object.freeze([...parts.devices]);
    this.rows = Object.freeze([...parts.rows]);
    this.version = parts.version;
    this.nextPartPower = parts.nextPartPower;
    this.shift = 32 - parts.partPower;
    this.spread = measureSpread(this.devices, this.rows);
  }

  /** Whole replicas plus the fraction of partitions that the last row covers. */
  get replicaCount(): number {
    const last = this.rows.at(-1);
    return last === undefined ? 0 : this.rows.length - 1 + last.length / this.partitionCount;
  }

  /** Devices that hold at least one partition. */
  get assignedDeviceCount(): number {
    return this.spread.devices;
  }

  /** The partition of a key, from the first 32 bits of its hash as a number. */
  partitionOf(hashTop32: number): number {
    // JavaScript takes shift counts modulo 32, so a ring of one partition needs its own answer.
    return this.shift === 32 ? 0 : hashTop32 >>> this.shift;
  }

  /** The partition of a key, from its 64-bit hash. */
  partitionOfHash64(hash: bigint): number {
    return this.partitionOf(Number(BigInt.asUintN(64, hash) >> 32n));
  }

  /** The devices that own a partition, in replica order, each once. */
  primaries(partition: number): RingDevice[] {
    this.checkPartition(partition);
    const owners: RingDevice[] = [];
    for (const row of this.rows) {
      const id = row[partition];
      if (id === undefined) continue;
      const device = this.device(id);
      if (!owners.includes(device)) owners.push(device);
    }
    return owners;
  }

  device(id: number): RingDevice {
    const device = this.devices[id];
    if (device === undefined) {
      throw new Failure('missing', 'no-such-device', 'The ring has no such device', {
        facts: { device: id },
      });
    }
    return device;
  }

  /**
   * Devices to use when primaries are away: first from regions that hold no replica, then from other
   * zones, then other nodes, then any device left. The sequence starts at a place that depends on the
   * partition's number alone, so it mostly survives ring changes.
   */
  *handoffs(partition: number): Generator<Handoff, void, undefined> {
    const primaries = this.primaries(partition);
    const used = new Set(primaries.map((device) => device.id));
    let handoffIndex = 0;
    for (const tier of tierKeys) {
      const seen = new Set([...used].map((id) => tier.keyOf(this.device(id))));
      if (seen.size >= this.spread[tier.count]) continue;
      for (const device of this.walk(partition)) {
        const key = tier.keyOf(device);
        if (seen.has(key)) continue;
        seen.add(key);
        used.add(device.id);
        yield { device, handoffIndex: handoffIndex++ };
        if (seen.size >= this.spread[tier.count]) break;
      }
    }
  }

  /** Visits the slots of the ring in the order in which handoffs are sought. */
  private *walk(partition: number): Generator<RingDevice, void, undefined> {
    const digest = createHash('md5').update(String(partition)).digest();
    const count = this.partitionCount;
    const start = this.partitionOf(digest.readUInt32BE(0));
    const step = Math.max(1, Math.trunc(count / 65536));
    for (let at = start; at < count; at += step) yield* this.slotsOf(at);
    // The second lap keeps Swift's own phase (with step 1 it skips partition 0), so that both agree.
    for (let at = step - ((count - start) % step); at < start; at += step) yield* this.slotsOf(at);
  }

  private *slotsOf(partition: number): Generator<RingDevice, void, undefined> {
    for (const row of this.rows) {
      const id = row[partition];
      if (id !== undefined) yield this.device(id);
    }
  }

  private checkPartition(partition: number): void {
    if (Number.isInteger(partition) && partition >= 0 && partition < this.partitionCount) return;
    throw new Failure('invalid', 'bad-partition', 'The ring has no such partition', {
      facts: { partition, partitionCount: this.partitionCount },
    });
  }
}

/** How many regions, zones, nodes and devices hold partitions: when a search for handoffs may stop. */
interface Spread {
  readonly regions: number;
  readonly zones: number;
  readonly nodes: number;
  readonly devices: number;
}

const tierKeys: readonly {
  readonly count: keyof Spread;
  readonly keyOf: (device: RingDevice) => string;
}[] = [
  { count: 'regions', keyOf: (device) => String(device.region) },
  { count: 'zones', keyOf: (device) => `${device.region}/${device.zone}` },
  { count: 'nodes', keyOf: (device) => `${device.region}/${device.zone}/${device.ip}` },
  { count: 'devices', keyOf: (device) => String(device.id) },
];

function measureSpread(
  devices: readonly (RingDevice | undefined)[],
  rows: readonly Uint16Array[],
): Spread {
  const held = new Uint8Array(deviceIdMax + 2);
  for (const row of rows) for (const id of row) held[id] = 1;
  const holders: RingDevice[] = [];
  for (let id = 0; id < held.length; id++) {
    if (held[id] === 0) continue;
    const device = devices[id];
    if (device === undefined) {
      throw new Failure('corrupt', 'ring-names-no-device', 'A partition names no device', {
        facts: { device: id },
      });
    }
    holders.push(device);
  }
  const distinct = tierKeys.map((tier) => new Set(holders.map(tier.keyOf)).size);
  const [regions = 0, zones = 0, nodes = 0, count = 0] = distinct;
  return { regions, zones, nodes, devices: count };
}

function checkShape(parts: RingParts): void {
  const partitions = 2 ** parts.partPower;
  const last = parts.rows.length - 1;
  const wholeRows = parts.rows.every((row, index) =>
    index === last ? row.length >= 1 && row.length <= partitions : row.length === partitions,
  );
  const slots = parts.rows.length * partitions;
  const numbered = parts.devices.every((device, id) => device === undefined || device.id === id);
  const good =
    Number.isInteger(parts.partPower) &&
    parts.partPower >= 0 &&
    parts.partPower <= partPowerMax &&
    parts.rows.length >= 1 &&
    parts.rows.length <= replicasMax &&
    slots <= slotsMax &&
    (last > 0 || parts.rows[0]?.length === partitions) &&
    parts.devices.length <= deviceIdMax + 1 &&
    wholeRows &&
    numbered;
  if (good) return;
  throw new Failure('invalid', 'bad-ring-shape', 'The parts of the ring do not fit together', {
    facts: { partPower: parts.partPower, rows: parts.rows.length, devices: parts.devices.length },
  });
}
