/** The control calls behind `pileus ring plan`, `apply`, `status`, `pause`, `resume`, `undo` and `add-device`. */
import * as fs from 'node:fs';
import { resolve } from 'node:path';
import { Type } from 'typebox';
import { Failure } from '#common';
import type { Replicator } from '#replicator';
import { Ring, type RingDevice } from '#ring';
import type { DeviceService } from '#wire';
import { parseArguments } from '../control/arguments.ts';
import type { ControlHandler } from '../control/protocol.ts';
import type { DataFolder } from '../data-folder.ts';
import { deviceName } from '../roles/devices.ts';
import type { Membership } from './membership.ts';
import type { RingChange } from './ring-change.ts';
import { planRing, RingWish, targetOf } from './ring-plan.ts';

export interface RingCallsParts {
  readonly folder: DataFolder;
  readonly membership: Membership;
  readonly change: RingChange;
  readonly replicator: Replicator;
  readonly partitionsMax: number;
  readonly bytesPerSecond: number;
  /** Opens a device of this process; undefined where it keeps none. */
  readonly openDevice: ((id: number) => Promise<DeviceService>) | undefined;
}

const NewDevice = Type.Object({
  path: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
  zone: Type.Integer({ minimum: 0, maximum: 65_535 }),
});

export function ringCalls(parts: RingCallsParts): Readonly<Record<string, ControlHandler>> {
  const { change } = parts;
  const told = () => change.progress();
  return {
    'ring-plan': async (args) => (await planned(parts, parseArguments(RingWish, args))).plan,
    'ring-apply': async (args) => {
      const { plan, target } = await planned(parts, parseArguments(RingWish, args));
      change.begin(target, plan.bytes);
      return plan;
    },
    'ring-status': async () => told(),
    'ring-pause': async () => {
      change.pause();
      return told();
    },
    'ring-resume': async () => {
      change.resume();
      return told();
    },
    'ring-undo': async () => {
      change.undo();
      return told();
    },
    'ring-add-device': async (args) => addDevice(parts, parseArguments(NewDevice, args)),
  };
}

async function planned(parts: RingCallsParts, wish: RingWish) {
  const { membership, change, replicator, partitionsMax } = parts;
  if (change.isRunning)
    throw new Failure('conflict', 'ring-change-running', 'A change of the ring is under way');
  const { ring } = membership.map;
  const target = targetOf(ring, wish);
  const plan = await planRing({
    ...{ ring, target, replicator, partitionsMax },
    bytesPerSecond: wish.bytesPerSecond ?? parts.bytesPerSecond,
    nodeOf: (device) => membership.nodeOf(device)?.name ?? 'controller',
    unwell: await unwellOf(membership),
  });
  return { plan, target };
}

async function unwellOf({ devices }: Membership): Promise<ReadonlySet<number>> {
  const unwell = new Set<number>();
  await Promise.all(
    [...devices].map(async ([id, device]) => {
      const status = await device.status().catch(() => undefined);
      if (status === undefined || status.refilling === true) unwell.add(id);
    }),
  );
  return unwell;
}

/** A device with no weight yet: it holds nothing until a change gives it something. */
async function addDevice(
  { folder, membership, openDevice, change }: RingCallsParts,
  { path, zone }: { readonly path?: string; readonly zone: number },
): Promise<{ readonly device: string }> {
  if (openDevice === undefined)
    throw new Failure('conflict', 'no-devices-here', 'The controller keeps no devices: add a node');
  if (change.isRunning)
    throw new Failure('conflict', 'ring-change-running', 'A change of the ring is under way');
  const { devices } = membership.map.ring;
  const id = devices.length;
  const device = deviceName(id);
  if (path !== undefined) linkDevice(folder, device, path);
  membership.addLocal(id, await openDevice(id));
  const like = devices.find((one) => one !== undefined);
  const { ip = '127.0.0.1', port = 6200 } = like ?? {};
  const added = { id, region: 1, zone, ip, port, device, weight: 0, meta: '' };
  await membership.change(
    (map) => ({ ...map, ring: withDevices(map.ring, [newDevice(added)]) }),
    new AbortController().signal,
  );
  return { device };
}

export function newDevice(
  device: Omit<RingDevice, 'replicationIp' | 'replicationPort'>,
): RingDevice {
  return { ...device, replicationIp: device.ip, replicationPort: device.port };
}

/** The same ring, with devices that hold nothing yet. */
export function withDevices(ring: Ring, added: readonly RingDevice[]): Ring {
  const devices = [...ring.devices];
  for (const device of added) devices[device.id] = device;
  for (let id = 0; id < devices.length; id++) devices[id] ??= undefined;
  return new Ring({ ...ring, devices, version: (ring.version ?? 0) + 1 });
}

/** `devices/dN` leads to where the disk is mounted. */
export function linkDevice(folder: DataFolder, device: string, path: string): void {
  const target = resolve(path);
  if (!fs.existsSync(target))
    throw new Failure('missing', 'no-such-folder', `There is no folder ${target}`);
  const strangers = fs.readdirSync(target).filter((name) => name !== 'lost+found');
  if (strangers.length > 0)
    throw new Failure('conflict', 'folder-not-empty', `${target} is not empty`);
  fs.mkdirSync(folder.path('devices'), { recursive: true });
  const link = folder.path('devices', device);
  if (fs.existsSync(link))
    throw new Failure('conflict', 'folder-not-empty', `${link} is there already`);
  fs.symlinkSync(target, link);
}
