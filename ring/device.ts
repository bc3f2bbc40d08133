/** A device as the ring knows it, and how one is read from outside data. */
import { Failure } from '#common';
import { deviceIdMax, metaMax, portMax, regionMax, textMax, weightMax, zoneMax } from './limits.ts';

export interface RingDevice {
  readonly id: number;
  readonly region: number;
  readonly zone: number;
  /** The node: devices with one address fail together. */
  readonly ip: string;
  readonly port: number;
  readonly device: string;
  /** Share of the data this device should hold, relative to the others; 0 drains it. */
  readonly weight: number;
  readonly replicationIp: string;
  readonly replicationPort: number;
  readonly meta: string;
}

/** Reads a device as Swift writes it (`replication_ip`, …); an absent region is region 1. */
export function parseDevice(value: unknown, where: string): RingDevice {
  const row = asRecord(value, where);
  const ip = text(row, 'ip', where);
  const port = whole(row, 'port', where, portMax);
  return Object.freeze({
    id: whole(row, 'id', where, deviceIdMax),
    region: row.region === undefined ? 1 : whole(row, 'region', where, regionMax),
    zone: whole(row, 'zone', where, zoneMax),
    ip,
    port,
    device: text(row, 'device', where),
    weight: number(row, 'weight', where, weightMax),
    replicationIp: row.replication_ip == null ? ip : text(row, 'replication_ip', where),
    replicationPort:
      row.replication_port == null ? port : whole(row, 'replication_port', where, portMax),
    meta: row.meta == null ? '' : text(row, 'meta', where, metaMax),
  });
}

export type Fields = Readonly<Record<string, unknown>>;

export function asRecord(value: unknown, where: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return Object.fromEntries(Object.entries(value));
  }
  throw badField(where, 'an object');
}

export function whole(row: Fields, name: string, where: string, max: number): number {
  const value = number(row, name, where, max);
  if (!Number.isInteger(value)) throw badField(`${where}.${name}`, 'a whole number');
  return value;
}

export function number(row: Fields, name: string, where: string, max: number): number {
  const value = row[name];
  if (typeof value === 'number' && value >= 0 && value <= max) return value;
  throw badField(`${where}.${name}`, `a number from 0 to ${max}`);
}

function text(row: Fields, name: string, where: string, max = textMax): string {
  const value = row[name];
  const least = name === 'meta' ? 0 : 1;
  if (typeof value === 'string' && value.length >= least && value.length <= max) return value;
  throw badField(`${where}.${name}`, `a text of ${least} to ${max} characters`);
}

function badField(field: string, wanted: string): Failure {
  return new Failure('invalid', 'bad-ring-field', `A ring field must be ${wanted}`, {
    facts: { field },
  });
}
