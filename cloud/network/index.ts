/** Networks: everything between servers and the world, over Neutron's 2.0 API, rendered into OVN. */
export { networkMigrations } from './migrations.ts';
export { createNetworks, type Networks, type NetworksOptions } from './networks.ts';
export { firstFreeRange } from './resources/public-network.ts';
export { type NetworkSettings, networkSettings } from './settings.ts';
