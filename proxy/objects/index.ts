/** The dialect-free object service over `cluster`. */
export * from './account-service.ts';
export * from './conditions.ts';
export * from './container-service.ts';
export * from './create-service.ts';
export * from './duties.ts';
export * from './encryption/key-store.ts';
export * from './encryption/object-encryption.ts';
export * from './failures.ts';
export * from './fields.ts';
export * from './large-objects.ts';
export * from './object-service.ts';
export * from './records.ts';
export { lentBlobs, objectReferrers } from './references.ts';
export { storageClassField } from './rows/storage-class.ts';
export * from './symlinks.ts';
export * from './upload-service.ts';
export * from './versions/version-lock.ts';
export * from './versions/versioning.ts';
