/** What a scrape shows of each open device. */
import { Gauge, type Metrics } from '#common';
import type { DeviceStatus } from '#wire';
import type { DeviceIdentity } from './identity.ts';

export interface WatchedDevice {
  readonly identity: DeviceIdentity;
  statusNow(): DeviceStatus;
}

const shown = {
  totalBytes: ['pileus_device_total_bytes', 'Size of the file system that the device lies on'],
  freeBytes: ['pileus_device_free_bytes', 'Bytes that clients may still fill'],
  usedBytes: ['pileus_device_used_bytes', 'Bytes of log and blob files'],
  deadBytes: ['pileus_device_dead_bytes', 'Bytes that compaction will give back'],
  rows: ['pileus_device_rows', 'Rows that are not tombstones'],
  blobs: ['pileus_device_blobs', 'Blobs'],
  quarantined: [
    'pileus_device_quarantined',
    'Copies that failed their checksum and wait for repair',
  ],
} as const;

// Devices of one process share the gauges, each under a label of its own.
const watched = new WeakMap<Metrics, Set<WatchedDevice>>();

export function watchDevice(metrics: Metrics, device: WatchedDevice): void {
  let devices = watched.get(metrics);
  if (devices === undefined) {
    devices = new Set();
    watched.set(metrics, devices);
    declare(metrics, devices);
  }
  devices.add(device);
}

export function unwatchDevice(metrics: Metrics, device: WatchedDevice): void {
  watched.get(metrics)?.delete(device);
}

function declare(metrics: Metrics, devices: ReadonlySet<WatchedDevice>): void {
  for (const field of Object.keys(shown) as (keyof typeof shown)[]) {
    const [name, help] = shown[field];
    new Gauge({
      name,
      help,
      labelNames: ['device'],
      registers: [metrics],
      collect() {
        this.reset();
        for (const device of devices)
          this.set({ device: device.identity.device }, device.statusNow()[field]);
      },
    });
  }
}
