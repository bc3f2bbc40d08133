/** One machine's disks: table rows and blobs. */
export { createMemoryDevice, type MemoryDevice } from './memory/memory-device.ts';
export { type StorageNodeSettings, storageNodeSettings } from './settings.ts';
export type { DeviceStore } from './store/device-store.ts';
export type { DeviceIdentity } from './store/identity.ts';
export { type OpenDeviceOptions, openDevice } from './store/open-device.ts';
