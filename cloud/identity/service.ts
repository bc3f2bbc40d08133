/** Identity's HTTP API: every route, the policy, the dialect. */
import { Failure } from '#common';
import {
  apiService,
  type MountableService,
  Policy,
  type PolicyRules,
  type Route,
} from '../api/index.ts';
import type { Accounts } from './accounts.ts';
import type { Authenticator } from './authenticate/authenticator.ts';
import { callerFrom, type IdentityCaller } from './caller.ts';
import type { IdentityCore } from './core.ts';
import type { Directories } from './directory/directories.ts';
import { identityFailures } from './failures.ts';
import type { FederatedLogIns } from './federation/federated-log-in.ts';
import { identityRules } from './policies.ts';
import { groupRoutes } from './resources/actors/groups.ts';
import { userRoutes } from './resources/actors/users.ts';
import { endpointFilterRoutes } from './resources/catalog/endpoint-filters.ts';
import { endpointRoutes } from './resources/catalog/endpoints.ts';
import { policyRoutes } from './resources/catalog/policy-documents.ts';
import { regionRoutes } from './resources/catalog/regions.ts';
import { serviceRoutes } from './resources/catalog/services.ts';
import { accessRuleRoutes, mayRequest } from './resources/credentials/access-rules.ts';
import { applicationCredentialRoutes } from './resources/credentials/application-credentials.ts';
import { credentialRoutes } from './resources/credentials/credentials.ts';
import { ec2Routes } from './resources/credentials/ec2-credentials.ts';
import { consumerRoutes } from './resources/credentials/oauth1-consumers.ts';
import { signatureTokenRoutes } from './resources/credentials/signature-tokens.ts';
import { discoveryRoutes } from './resources/discovery.ts';
import { federationRoutes } from './resources/federation/federation.ts';
import { serviceProviderRoutes } from './resources/federation/service-providers.ts';
import { limitRoutes } from './resources/limits/limits.ts';
import { registeredLimitRoutes } from './resources/limits/registered-limits.ts';
import { domainConfigRoutes } from './resources/projects/domain-config.ts';
import { domainRoutes } from './resources/projects/domains.ts';
import { projectTagRoutes } from './resources/projects/project-tags.ts';
import { projectRoutes } from './resources/projects/projects.ts';
import { refusedRoutes } from './resources/refused.ts';
import { grantRoutes } from './resources/roles/grants.ts';
import { impliedRoleRoutes } from './resources/roles/implied-roles.ts';
import { roleAssignmentRoutes } from './resources/roles/role-assignments.ts';
import { roleRoutes } from './resources/roles/roles.ts';
import { trustRoutes } from './resources/roles/trusts.ts';
import { oauth2Routes } from './resources/tokens/oauth2.ts';
import { tokenRoutes } from './resources/tokens/tokens.ts';
import type { Tokens } from './tokens/tokens.ts';

export interface IdentityParts {
  readonly core: IdentityCore;
  readonly tokens: Tokens;
  readonly authenticator: Authenticator;
  readonly accounts: Accounts;
  readonly federated: FederatedLogIns;
  readonly directories: Directories;
}

export function identityRoutes(parts: IdentityParts): Route<IdentityCaller>[] {
  const { core, tokens, authenticator, accounts, federated, directories } = parts;
  return [
    ...discoveryRoutes(),
    ...tokenRoutes(core, tokens, authenticator),
    ...signatureTokenRoutes(core, tokens, accounts),
    ...domainRoutes(core),
    ...projectRoutes(core),
    ...userRoutes(core, authenticator, directories),
    ...groupRoutes(core, directories),
    ...roleRoutes(core),
    ...grantRoutes(core),
    ...roleAssignmentRoutes(core),
    ...regionRoutes(core),
    ...serviceRoutes(core),
    ...endpointRoutes(core),
    ...credentialRoutes(core),
    ...ec2Routes(core),
    ...applicationCredentialRoutes(core),
    ...accessRuleRoutes(core),
    ...impliedRoleRoutes(core),
    ...projectTagRoutes(core),
    ...trustRoutes(core),
    ...registeredLimitRoutes(core),
    ...limitRoutes(core),
    ...policyRoutes(core),
    ...endpointFilterRoutes(core),
    ...domainConfigRoutes(core),
    ...serviceProviderRoutes(core),
    ...consumerRoutes(core),
    ...federationRoutes(core, federated),
    ...oauth2Routes(core, authenticator),
    ...refusedRoutes(),
  ];
}

/** `overrides` replace the defaults rule by rule, as upstream's policy file does. */
export function identityService(parts: IdentityParts, overrides: PolicyRules): MountableService {
  for (const rule of Object.keys(overrides)) {
    if (!Object.hasOwn(identityRules, rule))
      throw new Failure('invalid', 'bad-policy', `There is no policy rule ${rule} to replace`);
  }
  return apiService<IdentityCaller>({
    name: 'identity',
    dialect: {
      failures: identityFailures,
      body: ({ status, message, title }) => ({ error: { code: status, message, title } }),
    },
    policy: new Policy({ ...identityRules, ...overrides }),
    routes: identityRoutes(parts),
    headers: { Vary: 'X-Auth-Token' },
    authenticate: async (token, line) => {
      const info = await parts.tokens.validate(token);
      if (info === undefined || !mayRequest(info, { service: 'identity', ...line }))
        return undefined;
      return callerFrom(token, info);
    },
  });
}
