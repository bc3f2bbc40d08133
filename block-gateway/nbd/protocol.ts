/** The numbers of the NBD protocol, named as in its document (doc/proto.md of the NetworkBlockDevice project). */

export const initMagic = Buffer.from('NBDMAGIC');
export const optionMagic = Buffer.from('IHAVEOPT');
export const optionReplyMagic = Buffer.from('0003e889045565a9', 'hex');
export const requestMagic = 0x25609513;
export const simpleReplyMagic = 0x67446698;
export const structuredReplyMagic = 0x668e33ef;

export const handshakeFlag = { fixedNewstyle: 1, noZeroes: 2 } as const;

export const option = {
  exportName: 1,
  abort: 2,
  list: 3,
  startTls: 5,
  info: 6,
  go: 7,
  structuredReply: 8,
  listMetaContext: 9,
  setMetaContext: 10,
} as const;

export const optionReply = {
  ack: 1,
  server: 2,
  info: 3,
  metaContext: 4,
  unsupported: 0x80000001,
  policy: 0x80000002,
  invalid: 0x80000003,
  tlsRequired: 0x80000005,
  unknown: 0x80000006,
  shutdown: 0x80000007,
  tooBig: 0x80000009,
} as const;

export const info = { export: 0, name: 1, description: 2, blockSize: 3 } as const;

export const command = {
  read: 0,
  write: 1,
  disconnect: 2,
  flush: 3,
  trim: 4,
  cache: 5,
  writeZeroes: 6,
  blockStatus: 7,
} as const;

export const commandFlag = {
  fua: 1,
  noHole: 2,
  dontFragment: 4,
  requestOne: 8,
  fastZero: 16,
} as const;

/**
 * has-flags, FLUSH, FUA, TRIM, WRITE_ZEROES, DF, multi-conn (a FLUSH on one connection covers what was answered on all), CACHE,
 * fast zero (zeros are never stored, so every WRITE_ZEROES is fast).
 */
export const transmissionFlags = 1 | 4 | 8 | 32 | 64 | 128 | 256 | 1024 | 2048;
/** has-flags, READ_ONLY, FLUSH, DF, multi-conn, CACHE. */
export const readOnlyFlags = 1 | 2 | 4 | 128 | 256 | 1024;

export const replyFlagDone = 1;
export const chunk = {
  none: 0,
  offsetData: 1,
  offsetHole: 2,
  blockStatus: 5,
  error: 0x8001,
} as const;

export const baseAllocation = 'base:allocation';
/** Ids of chosen contexts: this one, and those that follow for the others in their order. */
export const baseAllocationId = 1;
export const dirtyBitmapPrefix = 'qemu:dirty-bitmap:';
export const dirtyFlag = 1;
/** HOLE and ZERO. */
export const holeStatus = 3;

export const errorNumber = {
  notPermitted: 1,
  io: 5,
  noMemory: 12,
  invalid: 22,
  noSpace: 28,
  overflow: 75,
  notSupported: 95,
  shutdown: 108,
} as const;

export const blockSizes = { min: 512, preferred: 4096, max: 32 * 1024 * 1024 } as const;
export const requestBytes = 28;
export const exportNameBytesMax = 4096;
