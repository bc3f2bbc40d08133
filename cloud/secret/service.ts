/** The key manager's HTTP API: every route, the policy, the dialect. */
import {
  apiService,
  type MountableService,
  Policy,
  type RequestLine,
  type Route,
} from '#cloud/api';
import type { SecretCaller } from './caller.ts';
import type { SecretCore } from './core.ts';
import { secretDialect } from './failures.ts';
import { secretRules } from './policies.ts';
import { aclRoutes } from './resources/acls.ts';
import { consumerRoutes } from './resources/consumers.ts';
import { containerMemberRoutes } from './resources/container-members.ts';
import { containerRoutes } from './resources/containers.ts';
import { discoveryRoutes } from './resources/discovery.ts';
import { metadataRoutes } from './resources/metadata.ts';
import { orderRoutes } from './resources/orders.ts';
import { quotaRoutes } from './resources/quotas.ts';
import { secretStoreRoutes, transportKeyRoutes } from './resources/secret-stores.ts';
import { secretRoutes } from './resources/secrets.ts';
import { versionMax, versionMin } from './versions.ts';

export type Authenticate = (token: string, line: RequestLine) => Promise<SecretCaller | undefined>;

export function secretApiRoutes(core: SecretCore): Route<SecretCaller>[] {
  return [
    ...discoveryRoutes(),
    ...secretRoutes(core),
    ...metadataRoutes(core),
    ...aclRoutes(core),
    ...consumerRoutes(core),
    ...containerRoutes(core),
    ...containerMemberRoutes(core),
    ...orderRoutes(core),
    ...quotaRoutes(core),
    ...secretStoreRoutes(core),
    ...transportKeyRoutes(),
  ];
}

export function secretService(core: SecretCore, authenticate: Authenticate): MountableService {
  return apiService<SecretCaller>({
    name: 'secret',
    dialect: secretDialect,
    policy: new Policy(secretRules),
    routes: secretApiRoutes(core),
    versions: { service: 'key-manager', min: versionMin, max: versionMax },
    headers: {},
    authenticate,
  });
}
