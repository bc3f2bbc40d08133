/** The object front door: a dialect-free object service, and the Swift and S3 dialects over it. */
export * from './authenticator.ts';
export * from './objects/index.ts';
export * from './settings.ts';
