/** Networks: everything between servers and the world, over Neutron's 2.0 API, rendered into OVN. */
export type { HostPlan } from './host/backend.ts';
export type {
  HostNetwork,
  HostNetworkStatus,
  Plugged,
  PluggedPort,
  PlugPort,
} from './host/host-network.ts';
export type { MetadataQuestion } from './host/host-shapes.ts';
export type { MetadataAsker, MetadataHandler } from './host/metadata.ts';
export { type NetworkHost, type NetworkHostParts, openNetworkHost } from './host/serve-host.ts';
export { datapath, type Uplink } from './host/switch.ts';
export { networkMigrations } from './migrations.ts';
export {
  type ConnectOptions,
  createNetworks,
  type Networks,
  type NetworksOptions,
} from './networks.ts';
export { firstFreeRange } from './resources/public-network.ts';
export type { ServerAddress, ServerPort } from './server-ports.ts';
export type { AdoptedPort, NewServerPort, ServerPorts } from './servers.ts';
export { type NetworkSettings, networkSettings } from './settings.ts';
