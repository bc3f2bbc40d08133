/** The devices of one machine and the ring over all devices. */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import {
  type Logger,
  type Metrics,
  type Random,
  replaceWhole,
  systemClock,
  systemDisk,
} from '#common';
import {
  buildRing,
  decodeRingFile,
  encodeRingFile,
  parseRingSpec,
  type Ring,
  type RingSpec,
} from '#ring';
import { type DeviceStore, openDevice } from '#storage-node';
import type { DataFolder } from '../data-folder.ts';
import type { Settings } from '../settings.ts';

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

/** The ring of the data folder, built at first start. */
export async function ensureRing(folder: DataFolder, settings: Settings): Promise<Ring> {
  const path = folder.path('ring', 'storage.ring.gz');
  if (fs.existsSync(path)) return decodeRingFile(fs.readFileSync(path));
  const { ring } = buildRing(embeddedSpec(settings));
  await systemDisk.makeDirectory(folder.path('ring'));
  await replaceWhole(systemDisk, path, encodeRingFile(ring));
  return ring;
}

export interface DeviceContext {
  readonly clusterId: string;
  readonly settings: Settings;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Opens the devices with these ids below `devices/`; closes those that opened when one does not. */
export async function openDevices(
  folder: DataFolder,
  ids: readonly number[],
  context: DeviceContext,
): Promise<Map<number, DeviceStore>> {
  const opened = new Map<number, DeviceStore>();
  const filled = readFilled(folder);
  const outcomes = await Promise.allSettled(
    ids.map(async (id) =>
      opened.set(id, await openOne(folder, id, context, filled.has(deviceName(id)))),
    ),
  );
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed === undefined) {
    await writeFilled(folder, new Set([...filled, ...ids.map(deviceName)]), filled.size);
    return opened;
  }
  await closeDevices(opened);
  throw failed.reason;
}

/** Names of devices that have been in use: one of these found empty has been replaced, and must be refilled. */
function readFilled(folder: DataFolder): ReadonlySet<string> {
  const path = folder.path('ring', filledFile);
  if (!fs.existsSync(path)) return new Set();
  return new Set(fs.readFileSync(path, 'utf8').split('\n').filter(Boolean));
}

async function writeFilled(
  folder: DataFolder,
  names: ReadonlySet<string>,
  before: number,
): Promise<void> {
  if (names.size === before) return;
  await systemDisk.makeDirectory(folder.path('ring'));
  const text = [...names].map((name) => `${name}\n`).join('');
  await replaceWhole(systemDisk, folder.path('ring', filledFile), Buffer.from(text));
}

const filledFile = 'devices-in-use';

async function openOne(
  folder: DataFolder,
  id: number,
  context: DeviceContext,
  wasFilled: boolean,
): Promise<DeviceStore> {
  const path = folder.path('devices', deviceName(id));
  await systemDisk.makeDirectory(path);
  return openDevice({
    folder: path,
    deviceId: identityOf(context.clusterId, id),
    clusterId: context.clusterId,
    // With one copy of everything there is nobody to refill it from.
    replaced: wasFilled && context.settings.cloud.replicas > 1,
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

export async function closeDevices(devices: ReadonlyMap<number, DeviceStore>): Promise<void> {
  const outcomes = await Promise.allSettled([...devices.values()].map((device) => device.close()));
  const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
  if (failed.length > 0)
    throw new AggregateError(
      failed.map((outcome) => outcome.reason),
      'Some devices did not close cleanly',
    );
}
