/** One machine's disks: table rows and blobs. */
export { createMemoryDevice, type MemoryDevice } from './memory/memory-device.ts';
