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
import { accessRuleRoutes, mayRequest } from './resources/access-rules.ts';
import { applicationCredentialRoutes } from './resources/application-credentials.ts';
import { credentialRoutes } from './resources/credentials.ts';
import { discoveryRoutes } from './resources/discovery.ts';
import { domainConfigRoutes } from './resources/domain-config.ts';
import { domainRoutes } from './resources/domains.ts';
import { ec2Routes } from './resources/ec2-credentials.ts';
import { endpointFilterRoutes } from './resources/endpoint-filters.ts';
import { endpointRoutes } from './resources/endpoints.ts';
import { federationRoutes } from './resources/federation.ts';
import { grantRoutes } from './resources/grants.ts';
import { groupRoutes } from './resources/groups.ts';
import { impliedRoleRoutes } from './resources/implied-roles.ts';
import { limitRoutes } from './resources/limits.ts';
import { consumerRoutes } from './resources/oauth1-consumers.ts';
import { oauth2Routes } from './resources/oauth2.ts';
import { policyRoutes } from './resources/policy-documents.ts';
import { projectTagRoutes } from './resources/project-tags.ts';
import { projectRoutes } from './resources/projects.ts';
import { refusedRoutes } from './resources/refused.ts';
import { regionRoutes } from './resources/regions.ts';
import { registeredLimitRoutes } from './resources/registered-limits.ts';
import { roleAssignmentRoutes } from './resources/role-assignments.ts';
import { roleRoutes } from './resources/roles.ts';
import { serviceProviderRoutes } from './resources/service-providers.ts';
import { serviceRoutes } from './resources/services.ts';
import { signatureTokenRoutes } from './resources/signature-tokens.ts';
import { tokenRoutes } from './resources/tokens.ts';
import { trustRoutes } from './resources/trusts.ts';
import { userRoutes } from './resources/users.ts';
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
