/** All operations of Keystone's v3 API, as its own route tables have them; a GET answers HEAD too. */
import { refusedOperations } from '../../cloud/identity/resources/refused.ts';
import { identityRoutes } from '../../cloud/identity/service.ts';

export interface IdentityOperation {
  readonly name: string;
  readonly state: 'works' | 'refused: 501' | 'missing: 404';
  /** The policy rule. */
  readonly policy: string;
}

// The names of parameters are each program's own.
const keyOf = (operation: string) => operation.replace(/:\w+/g, ':');

export function identityOperations(
  parts: Parameters<typeof identityRoutes>[0],
): IdentityOperation[] {
  const routes = identityRoutes(parts);
  const ours = new Map(
    routes.map((route) => [keyOf(`${route.method} ${route.path}`), route.policy]),
  );
  const refused = new Set(refusedOperations.map(([method, path]) => keyOf(`${method} ${path}`)));
  const upstream = identityUpstream.flatMap((line) => {
    const words = line.split(' ');
    return words.slice(0, -1).map((method) => `${method} ${words.at(-1)}`);
  });
  return upstream.map((name) => {
    const key = keyOf(name);
    const policy = ours.get(key);
    if (policy === undefined) return { name, state: 'missing: 404', policy: '' };
    return { name, state: refused.has(key) ? 'refused: 501' : 'works', policy };
  });
}

const identityUpstream: readonly string[] = [
  'GET /',
  'GET /v3',
  'GET POST /v3/OS-EP-FILTER/endpoint_groups',
  'GET PATCH DELETE /v3/OS-EP-FILTER/endpoint_groups/:endpoint_group_id',
  'GET /v3/OS-EP-FILTER/endpoint_groups/:endpoint_group_id/endpoints',
  'GET /v3/OS-EP-FILTER/endpoint_groups/:endpoint_group_id/projects',
  'GET PUT DELETE /v3/OS-EP-FILTER/endpoint_groups/:endpoint_group_id/projects/:project_id',
  'GET /v3/OS-EP-FILTER/endpoints/:endpoint_id/projects',
  'GET /v3/OS-EP-FILTER/projects/:project_id/endpoint_groups',
  'GET /v3/OS-EP-FILTER/projects/:project_id/endpoints',
  'GET PUT DELETE /v3/OS-EP-FILTER/projects/:project_id/endpoints/:endpoint_id',
  'GET /v3/OS-FEDERATION/domains',
  'GET /v3/OS-FEDERATION/identity_providers',
  'GET PUT PATCH DELETE /v3/OS-FEDERATION/identity_providers/:identity_provider_id',
  'GET /v3/OS-FEDERATION/identity_providers/:idp_id/protocols',
  'GET PUT PATCH DELETE /v3/OS-FEDERATION/identity_providers/:idp_id/protocols/:protocol_id',
  'GET POST /v3/OS-FEDERATION/identity_providers/:idp_id/protocols/:protocol_id/auth',
  'GET /v3/OS-FEDERATION/mappings',
  'GET PUT PATCH DELETE /v3/OS-FEDERATION/mappings/:mapping_id',
  'GET /v3/OS-FEDERATION/projects',
  'GET /v3/OS-FEDERATION/saml2/metadata',
  'GET /v3/OS-FEDERATION/service_providers',
  'GET PUT PATCH DELETE /v3/OS-FEDERATION/service_providers/:service_provider_id',
  'GET PUT DELETE /v3/OS-INHERIT/domains/:domain_id/groups/:group_id/roles/:role_id/inherited_to_projects',
  'GET /v3/OS-INHERIT/domains/:domain_id/groups/:group_id/roles/inherited_to_projects',
  'GET PUT DELETE /v3/OS-INHERIT/domains/:domain_id/users/:user_id/roles/:role_id/inherited_to_projects',
  'GET /v3/OS-INHERIT/domains/:domain_id/users/:user_id/roles/inherited_to_projects',
  'GET PUT DELETE /v3/OS-INHERIT/projects/:project_id/groups/:group_id/roles/:role_id/inherited_to_projects',
  'GET /v3/OS-INHERIT/projects/:project_id/groups/:group_id/roles/inherited_to_projects',
  'GET PUT DELETE /v3/OS-INHERIT/projects/:project_id/users/:user_id/roles/:role_id/inherited_to_projects',
  'GET /v3/OS-INHERIT/projects/:project_id/users/:user_id/roles/inherited_to_projects',
  'POST /v3/OS-OAUTH1/access_token',
  'PUT /v3/OS-OAUTH1/authorize/:request_token_id',
  'GET POST /v3/OS-OAUTH1/consumers',
  'GET PATCH DELETE /v3/OS-OAUTH1/consumers/:consumer_id',
  'POST /v3/OS-OAUTH1/request_token',
  'POST /v3/OS-OAUTH2/token',
  'GET /v3/OS-REVOKE/events',
  'GET /v3/OS-SIMPLE-CERT/ca',
  'GET /v3/OS-SIMPLE-CERT/certificates',
  'GET POST /v3/OS-TRUST/trusts',
  'GET DELETE /v3/OS-TRUST/trusts/:trust_id',
  'GET /v3/OS-TRUST/trusts/:trust_id/roles',
  'GET /v3/OS-TRUST/trusts/:trust_id/roles/:role_id',
  'GET POST /v3/auth/OS-FEDERATION/identity_providers/:idp_id/protocols/:protocol_id/websso',
  'POST /v3/auth/OS-FEDERATION/saml2',
  'POST /v3/auth/OS-FEDERATION/saml2/ecp',
  'GET POST /v3/auth/OS-FEDERATION/websso/:protocol_id',
  'GET /v3/auth/catalog',
  'GET /v3/auth/domains',
  'GET /v3/auth/projects',
  'GET /v3/auth/system',
  'GET POST DELETE /v3/auth/tokens',
  'GET /v3/auth/tokens/OS-PKI/revoked',
  'GET POST /v3/credentials',
  'GET PATCH DELETE /v3/credentials/:credential_id',
  'GET POST /v3/domains',
  'GET PATCH DELETE /v3/domains/:domain_id',
  'GET PUT PATCH DELETE /v3/domains/:domain_id/config',
  'GET PATCH DELETE /v3/domains/:domain_id/config/:group',
  'GET PATCH DELETE /v3/domains/:domain_id/config/:group/:option',
  'GET /v3/domains/:domain_id/groups/:group_id/roles',
  'GET PUT DELETE /v3/domains/:domain_id/groups/:group_id/roles/:role_id',
  'GET /v3/domains/:domain_id/users/:user_id/roles',
  'GET PUT DELETE /v3/domains/:domain_id/users/:user_id/roles/:role_id',
  'GET /v3/domains/config/:group/:option/default',
  'GET /v3/domains/config/:group/default',
  'GET /v3/domains/config/default',
  'POST /v3/ec2tokens',
  'GET POST /v3/endpoints',
  'GET PATCH DELETE /v3/endpoints/:endpoint_id',
  'GET /v3/endpoints/:endpoint_id/OS-ENDPOINT-POLICY/policy',
  'GET POST /v3/groups',
  'GET PATCH DELETE /v3/groups/:group_id',
  'GET /v3/groups/:group_id/users',
  'GET PUT DELETE /v3/groups/:group_id/users/:user_id',
  'GET POST /v3/limits',
  'GET PATCH DELETE /v3/limits/:limit_id',
  'GET /v3/limits/model',
  'GET POST /v3/policies',
  'GET PATCH DELETE /v3/policies/:policy_id',
  'GET /v3/policies/:policy_id/OS-ENDPOINT-POLICY/endpoints',
  'GET PUT DELETE /v3/policies/:policy_id/OS-ENDPOINT-POLICY/endpoints/:endpoint_id',
  'GET PUT DELETE /v3/policies/:policy_id/OS-ENDPOINT-POLICY/services/:service_id',
  'GET PUT DELETE /v3/policies/:policy_id/OS-ENDPOINT-POLICY/services/:service_id/regions/:region_id',
  'GET POST /v3/projects',
  'GET PATCH DELETE /v3/projects/:project_id',
  'GET /v3/projects/:project_id/groups/:group_id/roles',
  'GET PUT DELETE /v3/projects/:project_id/groups/:group_id/roles/:role_id',
  'GET PUT DELETE /v3/projects/:project_id/tags',
  'GET PUT DELETE /v3/projects/:project_id/tags/:value',
  'GET /v3/projects/:project_id/users/:user_id/roles',
  'GET PUT DELETE /v3/projects/:project_id/users/:user_id/roles/:role_id',
  'GET POST /v3/regions',
  'GET PUT PATCH DELETE /v3/regions/:region_id',
  'GET POST /v3/registered_limits',
  'GET PATCH DELETE /v3/registered_limits/:registered_limit_id',
  'GET /v3/role_assignments',
  'GET /v3/role_inferences',
  'GET POST /v3/roles',
  'GET /v3/roles/:prior_role_id/implies',
  'GET PUT DELETE /v3/roles/:prior_role_id/implies/:implied_role_id',
  'GET PATCH DELETE /v3/roles/:role_id',
  'POST /v3/s3tokens',
  'GET POST /v3/services',
  'GET PATCH DELETE /v3/services/:service_id',
  'GET /v3/system/groups/:group_id/roles',
  'GET PUT DELETE /v3/system/groups/:group_id/roles/:role_id',
  'GET /v3/system/users/:user_id/roles',
  'GET PUT DELETE /v3/system/users/:user_id/roles/:role_id',
  'GET POST /v3/users',
  'GET PATCH DELETE /v3/users/:user_id',
  'GET /v3/users/:user_id/OS-OAUTH1/access_tokens',
  'GET DELETE /v3/users/:user_id/OS-OAUTH1/access_tokens/:access_token_id',
  'GET /v3/users/:user_id/OS-OAUTH1/access_tokens/:access_token_id/roles',
  'GET /v3/users/:user_id/OS-OAUTH1/access_tokens/:access_token_id/roles/:role_id',
  'GET /v3/users/:user_id/access_rules',
  'GET DELETE /v3/users/:user_id/access_rules/:access_rule_id',
  'GET POST /v3/users/:user_id/application_credentials',
  'GET DELETE /v3/users/:user_id/application_credentials/:application_credential_id',
  'GET POST /v3/users/:user_id/credentials/OS-EC2',
  'GET DELETE /v3/users/:user_id/credentials/OS-EC2/:credential_id',
  'GET /v3/users/:user_id/groups',
  'POST /v3/users/:user_id/password',
  'GET /v3/users/:user_id/projects',
];
