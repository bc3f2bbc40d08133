/** Block volumes: the engine, the volumes service and the NBD server in front of it. */
export type { NbdAttachment, NbdDevice, NbdExports } from './nbd/exports.ts';
export { createNbdServer, type NbdServer, type NbdServerOptions } from './nbd/server.ts';
export { createNbdTls, type NbdCertificates, type NbdTls } from './nbd/tls.ts';
export { type BlockGatewaySettings, blockGatewaySettings } from './settings.ts';
export type { AllocationRun } from './volume/allocation.ts';
export type { KeyStore } from './volume/ciphers.ts';
export type { VolumeHead } from './volume/head.ts';
export type { ReadOnlyVolume } from './volume/read-only-volume.ts';
export type { Volume, VolumeStats } from './volume/volume.ts';
export {
  backupObjectBytesMax,
  decodeBackupRecord,
  encodeBackupRecord,
} from './volumes/backup-format.ts';
export type {
  BackupProgress,
  BackupRecord,
  BackupRequest,
  BackupStore,
  RestoreRequest,
} from './volumes/backup-types.ts';
export { deleteBackup } from './volumes/delete-backup.ts';
export { type ImageFile, type ImageFormat, inspectImage } from './volumes/image-file.ts';
export type { IndexEntry, IndexPage } from './volumes/index-rows.ts';
export { type VolumeExportsOptions, volumeExports } from './volumes/nbd-exports.ts';
export { volumeReferrers } from './volumes/references.ts';
export type {
  Attachment,
  AttachmentCredentials,
  AttachRequest,
  SnapshotInfo,
  VolumeEncryption,
  VolumeInfo,
  VolumeQos,
  VolumeService,
  VolumeSource,
  VolumeUsage,
} from './volumes/service.ts';
export type { BlobHolds, StoredBlob, StoredBytes } from './volumes/stored-bytes.ts';
export {
  createVolumes,
  type Volumes,
  VolumesOfGateway,
  type VolumesOptions,
} from './volumes/volumes.ts';
