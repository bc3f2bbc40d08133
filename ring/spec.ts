/** What an operator asks for: the ring's size, and the devices with their weights. */
import { Failure } from '#common';
import { asRecord, number, parseDevice, type RingDevice, whole } from './device.ts';
import {
  deviceIdMax,
  minPartHoursMax,
  overloadMax,
  partPowerMax,
  replicasMax,
  slotsMax,
} from './limits.ts';

export interface RingSpec {
  readonly partPower: number;
  /** May be fractional: 3.25 gives a quarter of the partitions a fourth replica. */
  readonly replicas: number;
  /** How far beyond its weight a device may be filled for the sake of spreading; 0.1 is ten percent. */
  readonly overload: number;
  /** A partition moved less than this long ago is left alone, unless a device under it goes away. */
  readonly minPartHours: number;
  readonly seed: number;
  readonly devices: readonly RingDevice[];
}

const known = ['part_power', 'replicas', 'overload', 'min_part_hours', 'seed', 'devices'];

/** Reads a parsed JSON document; unknown names are refused, since a misspelt one would be ignored silently. */
export function parseRingSpec(document: unknown): RingSpec {
  const row = asRecord(document, 'spec');
  const stranger = Object.keys(row).find((name) => !known.includes(name));
  if (stranger !== undefined) throw bad(`The ring spec has an unknown name: ${stranger}`);
  const partPower = whole(row, 'part_power', 'spec', partPowerMax);
  const replicas = number(row, 'replicas', 'spec', replicasMax);
  if (replicas < 1) throw bad('A ring needs at least one replica', { replicas });
  if (Math.ceil(replicas) * 2 ** partPower > slotsMax) {
    throw bad('The ring would have too many partitions times replicas', { partPower, replicas });
  }
  return Object.freeze({
    partPower,
    replicas,
    overload: optional(row, 'overload', overloadMax),
    minPartHours: optional(row, 'min_part_hours', minPartHoursMax),
    seed: row.seed === undefined ? 0 : whole(row, 'seed', 'spec', 2 ** 32 - 1),
    devices: parseDevices(row.devices),
  });
}

function optional(row: Readonly<Record<string, unknown>>, name: string, max: number): number {
  return row[name] === undefined ? 0 : number(row, name, 'spec', max);
}

function parseDevices(value: unknown): readonly RingDevice[] {
  if (!Array.isArray(value)) throw bad('spec.devices must be a list');
  if (value.length > deviceIdMax + 1) throw bad('There are too many devices');
  const devices = value.map((entry, index) => parseDevice(entry, `devices[${index}]`));
  const seen = new Set<number>();
  for (const { id } of devices) {
    if (seen.has(id)) throw bad('Two devices have the same id', { id });
    seen.add(id);
  }
  return Object.freeze(devices.toSorted((a, b) => a.id - b.id));
}

function bad(message: string, facts: Record<string, number> = {}): Failure {
  return new Failure('invalid', 'bad-ring-spec', message, { facts });
}
