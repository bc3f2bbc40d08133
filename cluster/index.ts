/** The storage cluster seen as one: replicated rows and blobs. */
export * from './blobs.ts';
export * from './tables.ts';
