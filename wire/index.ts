/** The words that nodes use with each other. */
export * from './device-service.ts';
export * from './versions.ts';
