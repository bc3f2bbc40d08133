/** Every bound of the ring, in one place. */

/** Device id 65535 means "no device" in Swift's builder, so the last usable id is one less. */
export const noDevice = 0xffff;
export const deviceIdMax = noDevice - 1;
export const partPowerMax = 24;
export const replicasMax = 64;
/** Partitions × replicas of one ring: 256 MiB of device numbers. */
export const slotsMax = 2 ** 27;
export const regionMax = 2 ** 31 - 1;
export const zoneMax = 2 ** 31 - 1;
export const portMax = 65535;
export const textMax = 255;
export const metaMax = 4096;
export const overloadMax = 100;
export const weightMax = 1e12;
export const minPartHoursMax = 255;
/** The JSON header of a ring file. */
export const headerBytesMax = 64 * 2 ** 20;
