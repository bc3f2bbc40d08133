/** Identity's HTTP API: every route, the policy, the dialect. */
import { apiService, type MountableService, Policy, type Route } from '../api/index.ts';
import type { Authenticator } from './authenticate.ts';
import { callerFrom, type IdentityCaller } from './caller.ts';
import type { IdentityCore } from './core.ts';
import { identityFailures } from './failures.ts';
import { identityRules } from './policies.ts';
import { applicationCredentialRoutes } from './resources/application-credentials.ts';
import { catalogRoutes } from './resources/catalog.ts';
import { credentialRoutes, ec2Routes } from './resources/credentials.ts';
import { discoveryRoutes } from './resources/discovery.ts';
import { domainRoutes } from './resources/domains.ts';
import { grantRoutes } from './resources/grants.ts';
import { groupRoutes } from './resources/groups.ts';
import { projectRoutes } from './resources/projects.ts';
import { roleAssignmentRoutes } from './resources/role-assignments.ts';
import { roleRoutes } from './resources/roles.ts';
import { tokenRoutes } from './resources/tokens.ts';
import { userRoutes } from './resources/users.ts';
import type { Tokens } from './tokens/tokens.ts';

export function identityRoutes(
  core: IdentityCore,
  tokens: Tokens,
  authenticator: Authenticator,
): Route<IdentityCaller>[] {
  return [
    ...discoveryRoutes(),
    ...tokenRoutes(core, tokens, authenticator),
    ...domainRoutes(core),
    ...projectRoutes(core),
    ...userRoutes(core, authenticator),
    ...groupRoutes(core),
    ...roleRoutes(core),
    ...grantRoutes(core),
    ...roleAssignmentRoutes(core),
    ...catalogRoutes(core),
    ...credentialRoutes(core),
    ...ec2Routes(core),
    ...applicationCredentialRoutes(core),
  ];
}

export function identityService(
  core: IdentityCore,
  tokens: Tokens,
  authenticator: Authenticator,
): MountableService {
  return apiService<IdentityCaller>({
    name: 'identity',
    dialect: {
      failures: identityFailures,
      body: ({ status, message, title }) => ({ error: { code: status, message, title } }),
    },
    policy: new Policy(identityRules),
    routes: identityRoutes(core, tokens, authenticator),
    headers: { Vary: 'X-Auth-Token' },
    authenticate: async (token) => {
      const info = await tokens.validate(token);
      return info === undefined ? undefined : callerFrom(token, info);
    },
  });
}
