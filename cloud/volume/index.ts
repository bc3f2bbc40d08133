/** Block storage over OpenStack's volume API (Cinder v3). */
export type { VolumeCaller } from './caller.ts';
export type {
  BackupStores,
  EngineBackupStore,
  ImageSource,
  NewImage,
  Projects,
  VolumeEngine,
  VolumeImages,
  VolumeKeys,
} from './engine.ts';
export { volumeMigrations } from './migrations/index.ts';
export { type VolumeSettings, volumeSettings } from './settings.ts';
export {
  type BlockStorage,
  type BlockStorageOptions,
  createBlockStorage,
} from './volume-service.ts';
