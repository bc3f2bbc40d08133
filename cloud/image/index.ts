/** Images: disks and archives that servers and volumes are made from, over Glance's v2 API. */
export type { ImageCaller } from './caller.ts';
export type {
  ContentStore,
  ImageVolumes,
  NewImageVolume,
  SourceObject,
  SourceReader,
  StoredContent,
  UserObjects,
} from './content/interfaces.ts';
export { createImages, type Images, type ImagesOptions } from './images.ts';
export type { ImageVolume, LocalImage, LocalImages, NewLocalImage } from './local.ts';
export { imageMigrations } from './migrations/index.ts';
export { type ImageSettings, imageSettings } from './settings.ts';
