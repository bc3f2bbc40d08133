/** Block storage over OpenStack's volume API (Cinder v3). */
export type { VolumeCaller } from './caller.ts';
export type {
  BackupStores,
  EngineBackupStore,
  ImageSource,
  NewImage,
  ObjectSource,
  Projects,
  VolumeEngine,
  VolumeImages,
  VolumeKeys,
  VolumeObjects,
} from './engine.ts';
export { volumeMigrations } from './migrations/index.ts';
export { type VolumeSettings, volumeSettings } from './settings.ts';
export {
  type BlockStorage,
  type BlockStorageOptions,
  createBlockStorage,
} from './volume-service.ts';
