/** Microversions: the newest is what is implemented honestly; what came with which. */
import type { Request } from './caller.ts';

export const versionMin = '3.0';
export const versionMax = '3.70';

/** Minor versions at which something changed for clients. */
export const since = {
  messages: 3,
  groupVolume: 13,
  providerId: 21,
  deleteForce: 23,
  attachments: 27,
  revert: 40,
  snapshotUser: 41,
  extendInUse: 42,
  backupMetadata: 43,
  fromBackup: 47,
  sharedTargets: 48,
  backupUser: 56,
  transferHistory: 57,
  groupProject: 58,
  typeId: 63,
  encryptionKey: 64,
  consumesQuota: 65,
  sharedTargetsTristate: 69,
  encryptedTransfer: 70,
} as const;

export function atLeast(request: Request, what: keyof typeof since): boolean {
  return request.version.minor >= since[what];
}
