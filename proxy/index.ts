/** The object front door: a dialect-free object service, and the Swift and S3 dialects over it. */
export * from './authenticator.ts';
export type { ListeningServer } from './http-server.ts';
export * from './objects/index.ts';
export { type S3Settings, s3Settings } from './s3/index.ts';
export * from './server.ts';
export * from './settings.ts';
export {
  mayReadObject,
  type ObjectReader,
  type SwiftSettings,
  swiftSettings,
} from './swift/index.ts';
