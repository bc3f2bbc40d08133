/** The words that nodes use with each other. */
export { Asking, type AskOptions } from './calls/ask.ts';
export { type CallContext, type CallHandler, type Serving, serveCalls } from './calls/serve.ts';
export * from './certificates.ts';
export {
  connectNode,
  type Nearby,
  type NodeClient,
  type NodeClientParts,
} from './client/node-client.ts';
export * from './device-service.ts';
export { type DeviceServer, type ServeParts, serveDevices } from './server/serve-devices.ts';
export type { RingEpochs } from './server/session.ts';
export * from './settings.ts';
export * from './survey.ts';
export { nodeServerName, type SharedSecret, type Tls, type TlsIdentity } from './tls.ts';
export * from './versions.ts';
