/** The compute service's HTTP API: every route, the policy, the dialect. */
import { apiService, type MountableService, Policy, type Route } from '#cloud/api';
import type { ComputeCaller } from './caller.ts';
import type { ComputeCore } from './core.ts';
import { computeDialect } from './failures.ts';
import { computeRules } from './policies.ts';
import { absentRoutes } from './resources/absent.ts';
import { serverActionRoutes } from './resources/actions/index.ts';
import { aggregateRoutes } from './resources/aggregates.ts';
import { createServerRoutes } from './resources/create-server.ts';
import { discoveryRoutes } from './resources/discovery.ts';
import { externalEventRoutes } from './resources/external-events.ts';
import { flavorRoutes } from './resources/flavors.ts';
import { hostRoutes } from './resources/hosts.ts';
import { interfaceRoutes } from './resources/interfaces.ts';
import { keypairRoutes } from './resources/keypairs.ts';
import { migrationRoutes } from './resources/migrations.ts';
import { olderHostRoutes } from './resources/older-hosts.ts';
import { olderImageRoutes } from './resources/older-images.ts';
import { olderSecurityGroupRoutes } from './resources/older-security-groups.ts';
import { quotaRoutes } from './resources/quota-sets.ts';
import { remoteConsoleRoutes } from './resources/remote-consoles.ts';
import { serverDetailRoutes } from './resources/server-details.ts';
import { serverGroupRoutes } from './resources/server-groups.ts';
import { serverPasswordRoutes } from './resources/server-password.ts';
import { serverRoutes } from './resources/servers.ts';
import { volumeAttachmentRoutes } from './resources/volume-attachments.ts';
import { versionMax, versionMin } from './versions.ts';

export type Authenticate = (token: string) => Promise<ComputeCaller | undefined>;

export function computeApiRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  return [
    ...discoveryRoutes(),
    ...serverRoutes(core),
    ...createServerRoutes(core),
    ...serverActionRoutes(core),
    ...flavorRoutes(core),
    ...keypairRoutes(core),
    ...serverDetailRoutes(core),
    ...remoteConsoleRoutes(core),
    ...migrationRoutes(core),
    ...volumeAttachmentRoutes(core),
    ...interfaceRoutes(core),
    ...serverGroupRoutes(core),
    ...hostRoutes(core),
    ...olderHostRoutes(core),
    ...olderImageRoutes(core),
    ...olderSecurityGroupRoutes(core),
    ...serverPasswordRoutes(core),
    ...externalEventRoutes(core),
    ...aggregateRoutes(core),
    ...quotaRoutes(core),
    ...absentRoutes(core),
  ];
}

export function computeService(core: ComputeCore, authenticate: Authenticate): MountableService {
  return apiService<ComputeCaller>({
    name: 'compute',
    dialect: computeDialect,
    policy: new Policy(computeRules),
    routes: computeApiRoutes(core),
    versions: {
      service: 'compute',
      min: versionMin,
      max: versionMax,
      olderHeaders: ['X-OpenStack-Nova-API-Version'],
    },
    headers: {},
    authenticate,
  });
}
