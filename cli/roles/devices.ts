/** The devices of one machine and the ring over all devices. */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { absentDevice } from '#cluster';
import {
  Failure,
  type FailureKind,
  isFailure,
  type Logger,
  type Metrics,
  type Random,
  randomHex,
  systemClock,
  systemDisk,
} from '#common';
import { buildRing, decodeRingFile, parseRingSpec, type RingSpec } from '#ring';
import { type DeviceStore, openDevice } from '#storage-node';
import type { DeviceService } from '#wire';
import type { DataFolder } from '../data-folder.ts';
import { type ClusterMap, loadMap, saveMap, viewOf } from '../machines/cluster-map.ts';
import type { Settings } from '../settings.ts';
import { readDevicesInUse, writeDevicesInUse } from './devices-in-use.ts';

/** A cluster on one machine: each device a zone of its own, so that replicas never share one. */
function embeddedSpec(settings: Settings): RingSpec {
  const devices = Array.from({ length: settings.cloud.devices }, (_, at) => ({
    id: at,
    region: 1,
    zone: at + 1,
    ip: '127.0.0.1',
    port: 6200,
    device: deviceName(at),
    weight: 100,
  }));
  const replicas = Math.min(settings.cloud.replicas, settings.cloud.devices);
  return parseRingSpec({ part_power: settings.cloud.partPower, replicas, overload: 0, devices });
}

export function deviceName(id: number): string {
  return `d${id + 1}`;
}

/** The map of the data folder, made at first start; a folder of before there were maps has a ring. */
export async function ensureMap(
  folder: DataFolder,
  clusterId: string,
  settings: Settings,
): Promise<ClusterMap> {
  const known = loadMap(folder);
  if (known !== undefined) return known;
  const path = folder.path('ring', 'storage.ring.gz');
  const ring = fs.existsSync(path)
    ? decodeRingFile(fs.readFileSync(path))
    : buildRing(embeddedSpec(settings)).ring;
  const map = { clusterId, epoch: 1, ring, nodes: [] };
  saveMap(folder, map);
  return map;
}

/** Devices that no node but the controller has. */
export function ownDevices(map: ClusterMap): number[] {
  const elsewhere = new Set(map.nodes.flatMap(({ devices }) => devices));
  return viewOf(map).devices.flatMap((device) =>
    device === undefined || elsewhere.has(device.id) ? [] : [device.id],
  );
}

export interface DeviceContext {
  readonly clusterId: string;
  readonly settings: Settings;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** A device of this process, which is closed with it. */
export type OwnDevice = DeviceService & Pick<DeviceStore, 'close'>;

/**
 * Opens the devices with these ids below `devices/`. One whose disk does not work answers nothing and keeps no other from its work; when a folder is
 * another's, or none opens, those that opened are closed again.
 */
export async function openDevices(
  folder: DataFolder,
  ids: readonly number[],
  context: DeviceContext,
): Promise<Map<number, OwnDevice>> {
  const opened = new Map<number, OwnDevice>();
  const inUse = readDevicesInUse(folder);
  const marks = new Map(inUse);
  const broken = new Map<number, Failure>();
  const outcomes = await Promise.allSettled(
    ids.map(async (id) => {
      try {
        const name = deviceName(id);
        const device = await openOne(folder, id, context, inUse.get(name));
        opened.set(id, device);
        marks.set(name, device.identity.mark);
      } catch (error) {
        if (!isFailure(error) || operatorErrors.has(error.kind)) throw error;
        broken.set(id, error);
      }
    }),
  );
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  const [first] = broken.values();
  const reason: unknown = failed?.reason ?? (opened.size === 0 ? first : undefined);
  if (reason !== undefined) {
    await closeDevices(opened);
    throw reason;
  }
  for (const [id, failure] of broken) {
    context.log.error({ device: deviceName(id), err: failure }, 'a device does not open');
    opened.set(id, { ...absentDevice(doesNotOpen(id, failure)), close: async () => undefined });
  }
  await writeDevicesInUse(folder, marks);
  return opened;
}

/** What is wrong with more than a disk. */
const operatorErrors: ReadonlySet<FailureKind> = new Set(['invalid', 'denied', 'bug', 'closed']);

function doesNotOpen(id: number, cause: Failure): Failure {
  const message = `${deviceName(id)} does not open: ${cause.message}`;
  return new Failure('unreachable', 'device-broken', message, { cause });
}

async function openOne(
  folder: DataFolder,
  id: number,
  context: DeviceContext,
  mark: string | undefined,
): Promise<DeviceStore> {
  const path = folder.path('devices', deviceName(id));
  await systemDisk.makeDirectory(path);
  return openDevice({
    folder: path,
    deviceId: identityOf(context.clusterId, id),
    clusterId: context.clusterId,
    // With one copy of everything there is nobody to refill it from.
    replaced: mark !== undefined && context.settings.cloud.replicas > 1,
    newMark: randomHex(context.random, 16),
    ...(mark === undefined || mark === '' ? {} : { mark }),
    settings: context.settings.storage,
    disk: systemDisk,
    clock: systemClock,
    random: context.random,
    log: context.log.child({ room: 'storage', device: deviceName(id) }),
    metrics: context.metrics,
  });
}

/** A disk mounted in another's place, or another cluster's, is noticed by this. */
function identityOf(clusterId: string, id: number): string {
  return createHash('sha256')
    .update(`${clusterId}/${deviceName(id)}`)
    .digest('hex')
    .slice(0, 32);
}

export async function closeDevices(devices: ReadonlyMap<number, OwnDevice>): Promise<void> {
  const outcomes = await Promise.allSettled([...devices.values()].map((device) => device.close()));
  const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
  if (failed.length > 0)
    throw new AggregateError(
      failed.map((outcome) => outcome.reason),
      'Some devices did not close cleanly',
    );
}
