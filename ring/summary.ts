/** A ring in words and figures, for `ring show`: plain JSON values, names as in the spec. */
import { measureRing } from './measure.ts';
import type { Ring } from './placement.ts';

export interface RingSummary {
  readonly part_power: number;
  readonly partitions: number;
  readonly replicas: number;
  readonly version: number | null;
  readonly next_part_power: number | null;
  readonly regions: number;
  readonly zones: number;
  readonly nodes: number;
  readonly balance: number;
  readonly dispersion: number;
  readonly devices: readonly DeviceSummary[];
}

export interface DeviceSummary {
  readonly id: number;
  readonly region: number;
  readonly zone: number;
  readonly ip: string;
  readonly port: number;
  readonly replication_ip: string;
  readonly replication_port: number;
  readonly device: string;
  readonly weight: number;
  readonly meta: string;
  readonly parts: number;
  /** Percent above (or below) what the weight asks for. */
  readonly balance: number;
}

export function summarizeRing(ring: Ring): RingSummary {
  const measures = measureRing(ring);
  const devices = ring.devices.filter((device) => device !== undefined);
  const distinct = (keyOf: (device: (typeof devices)[number]) => string): number =>
    new Set(devices.map(keyOf)).size;
  return {
    part_power: ring.partPower,
    partitions: ring.partitionCount,
    replicas: ring.replicaCount,
    version: ring.version ?? null,
    next_part_power: ring.nextPartPower ?? null,
    regions: distinct((device) => String(device.region)),
    zones: distinct((device) => `${device.region}/${device.zone}`),
    nodes: distinct((device) => `${device.region}/${device.zone}/${device.ip}`),
    balance: measures.balance,
    dispersion: measures.dispersion,
    devices: devices.map((device) => ({
      id: device.id,
      region: device.region,
      zone: device.zone,
      ip: device.ip,
      port: device.port,
      replication_ip: device.replicationIp,
      replication_port: device.replicationPort,
      device: device.device,
      weight: device.weight,
      meta: device.meta,
      parts: measures.held[device.id] ?? 0,
      balance: measures.balances[device.id] ?? 0,
    })),
  };
}
