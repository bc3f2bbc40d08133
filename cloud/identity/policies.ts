/**
 * Who may do what: upstream's secure RBAC defaults (admin, manager, member, reader; system, domain and project scope),
 * with `admin` on a project being an administrator of the cloud, as upstream decided in its first phase.
 */
import type { PolicyRules } from '../api/index.ts';

const admin = 'rule:admin_required';
const systemReader = '(role:reader and system_scope:all)';
const adminOrReader = `${admin} or ${systemReader}`;
const inDomain = (role: string, path: string) => `(role:${role} and domain_id:%(${path})s)`;
const owner = 'user_id:%(target.user.id)s';

/** Readers of the target's domain may look, its managers may change. */
const readIn = (path: string, more = '') =>
  `${adminOrReader} or ${inDomain('reader', path)}${more}`;
const manageIn = (path: string) => `${admin} or ${inDomain('manager', path)}`;

const actorInDomain =
  '(domain_id:%(target.user.domain_id)s or domain_id:%(target.group.domain_id)s)';
const targetInDomain = '(domain_id:%(target.project.domain_id)s or domain_id:%(target.domain.id)s)';
const roleUsable = '(domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s)';
// Managers hand out what they may hold themselves, never `admin`.
const managedRole =
  "('manager':%(target.role.name)s or 'member':%(target.role.name)s or 'reader':%(target.role.name)s)";

const grantRead = `${adminOrReader} or (role:reader and ${actorInDomain} and ${targetInDomain})`;
const grantChange = `${admin} or (role:manager and ${actorInDomain} and ${targetInDomain} and ${roleUsable} and ${managedRole})`;
const projectUser = ' or project_id:%(target.project.id)s';
const projectAdmin = `${manageIn('target.project.domain_id')} or (role:admin and project_id:%(target.project.id)s)`;

const trustor = 'user_id:%(target.trust.trustor_user_id)s';
const trustee = 'user_id:%(target.trust.trustee_user_id)s';

const named = (names: readonly string[], rule: string): PolicyRules =>
  Object.fromEntries(names.map((name) => [`identity:${name}`, rule]));

const associations = (verb: string, rule: string): PolicyRules =>
  named(
    ['endpoint', 'service', 'region_and_service'].map(
      (place) => `${verb}_policy_association_for_${place}`,
    ),
    rule,
  );

export const identityRules: PolicyRules = {
  admin_required: 'role:admin or is_admin:1',
  service_role: 'role:service',
  service_or_admin: 'rule:admin_required or rule:service_role',
  owner: 'user_id:%(user_id)s',
  token_subject: 'user_id:%(target.token.user_id)s',

  ...named(
    ['validate_token', 'check_token'],
    `rule:service_or_admin or ${systemReader} or rule:token_subject`,
  ),
  ...named(['revoke_token'], 'rule:admin_required or rule:token_subject'),

  ...named(['s3tokens_validate', 'ec2tokens_validate'], 'rule:service_or_admin'),

  ...named(
    ['get_domain'],
    `${adminOrReader} or token.domain.id:%(target.domain.id)s or token.project.domain.id:%(target.domain.id)s`,
  ),
  ...named(
    ['list_domains'],
    `${adminOrReader} or (role:reader and domain_id:%(target.domain_id)s)`,
  ),
  ...named(['create_domain', 'update_domain', 'delete_domain'], admin),

  ...named(['get_project'], readIn('target.project.domain_id', projectUser)),
  ...named(['list_projects'], readIn('target.domain_id')),
  ...named(['list_user_projects'], readIn('target.user.domain_id', ` or ${owner}`)),
  ...named(
    ['create_project', 'update_project', 'delete_project'],
    manageIn('target.project.domain_id'),
  ),
  ...named(
    ['list_project_tags', 'get_project_tag'],
    readIn('target.project.domain_id', projectUser),
  ),
  ...named(
    ['update_project_tags', 'create_project_tag', 'delete_project_tags', 'delete_project_tag'],
    projectAdmin,
  ),

  ...named(['get_user'], readIn('target.user.domain_id', ` or ${owner}`)),
  ...named(['list_users'], readIn('target.domain_id')),
  ...named(['create_user', 'update_user', 'delete_user'], manageIn('target.user.domain_id')),

  ...named(
    ['get_group', 'list_users_in_group', 'check_user_in_group'],
    readIn('target.group.domain_id'),
  ),
  ...named(['list_groups'], readIn('target.domain_id')),
  ...named(['list_groups_for_user'], readIn('target.user.domain_id', ` or ${owner}`)),
  ...named(['create_group', 'update_group', 'delete_group'], manageIn('target.group.domain_id')),
  ...named(
    ['add_user_to_group', 'remove_user_from_group'],
    `${admin} or (role:manager and domain_id:%(target.group.domain_id)s and domain_id:%(target.user.domain_id)s)`,
  ),

  ...named(['get_role', 'list_roles'], `${adminOrReader} or role:manager`),
  ...named(['create_role', 'update_role', 'delete_role'], admin),
  ...named(['get_domain_role', 'list_domain_roles'], adminOrReader),
  ...named(['create_domain_role', 'update_domain_role', 'delete_domain_role'], admin),
  ...named(['get_implied_role', 'list_implied_roles', 'list_role_inference_rules'], adminOrReader),
  ...named(['create_implied_role', 'delete_implied_role'], admin),

  ...named(['check_grant', 'list_grants'], grantRead),
  ...named(['create_grant', 'revoke_grant'], grantChange),
  ...named(['list_system_grants', 'check_system_grant'], adminOrReader),
  ...named(['create_system_grant', 'revoke_system_grant'], admin),
  ...named(['list_role_assignments'], readIn('target.domain_id')),
  ...named(
    ['list_role_assignments_for_tree'],
    `${adminOrReader} or ${inDomain('reader', 'target.project.domain_id')} or (role:admin and project_id:%(target.project.id)s)`,
  ),

  // The catalog's parts are no secret to anybody who may log in; upstream gives them to every reader.
  ...named(['get_region', 'list_regions'], ''),
  ...named(['get_service', 'list_services', 'get_endpoint', 'list_endpoints'], adminOrReader),
  ...named(['create_region', 'update_region', 'delete_region'], admin),
  ...named(['create_service', 'update_service', 'delete_service'], admin),
  ...named(['create_endpoint', 'update_endpoint', 'delete_endpoint'], admin),

  ...named(
    ['get_credential', 'list_credentials'],
    `${adminOrReader} or user_id:%(target.credential.user_id)s`,
  ),
  ...named(
    ['create_credential', 'update_credential', 'delete_credential'],
    `${admin} or user_id:%(target.credential.user_id)s`,
  ),
  ...named(['ec2_get_credential', 'ec2_list_credentials'], `${adminOrReader} or ${owner}`),
  ...named(['ec2_create_credential', 'ec2_delete_credential'], `${admin} or ${owner}`),
  ...named(
    ['get_application_credential', 'list_application_credentials'],
    `${adminOrReader} or ${owner}`,
  ),
  ...named(['create_application_credential'], owner),
  ...named(['delete_application_credential'], `${admin} or ${owner}`),
  ...named(['get_access_rule', 'list_access_rules'], `${adminOrReader} or ${owner}`),
  ...named(['delete_access_rule'], `${admin} or ${owner}`),

  ...named(['create_trust'], trustor),
  ...named(['list_trusts'], adminOrReader),
  ...named(['list_trusts_for_trustor'], `${adminOrReader} or ${trustor}`),
  ...named(['list_trusts_for_trustee'], `${adminOrReader} or ${trustee}`),
  ...named(
    ['get_trust', 'list_roles_for_trust', 'get_role_for_trust'],
    `${adminOrReader} or ${trustor} or ${trustee}`,
  ),
  ...named(['delete_trust'], `${admin} or ${trustor}`),

  ...named(
    ['get_registered_limit', 'list_registered_limits', 'get_limit_model', 'list_limits'],
    '',
  ),
  ...named(
    [
      'create_registered_limits',
      'update_registered_limit',
      'delete_registered_limit',
      'create_limits',
      'update_limit',
      'delete_limit',
    ],
    admin,
  ),
  ...named(
    ['get_limit'],
    `${adminOrReader} or domain_id:%(target.limit.domain.id)s or project_id:%(target.limit.project_id)s`,
  ),

  ...named(['get_policy', 'list_policies', 'list_endpoints_for_policy'], adminOrReader),
  ...named(['get_policy_for_endpoint'], adminOrReader),
  ...named(['create_policy', 'update_policy', 'delete_policy'], admin),
  ...associations('check', adminOrReader),
  ...associations('create', admin),
  ...associations('delete', admin),

  ...named(
    [
      'get_endpoint_group',
      'list_endpoint_groups',
      'list_projects_for_endpoint',
      'check_endpoint_in_project',
      'list_endpoints_for_project',
      'list_endpoint_groups_for_project',
      'list_projects_associated_with_endpoint_group',
      'list_endpoints_associated_with_endpoint_group',
      'get_endpoint_group_in_project',
    ],
    adminOrReader,
  ),
  ...named(
    [
      'create_endpoint_group',
      'update_endpoint_group',
      'delete_endpoint_group',
      'add_endpoint_to_project',
      'remove_endpoint_from_project',
      'add_endpoint_group_to_project',
      'remove_endpoint_group_from_project',
    ],
    admin,
  ),

  ...named(['get_domain_config', 'get_domain_config_default'], adminOrReader),
  ...named(['get_security_compliance_domain_config'], ''),
  ...named(['create_domain_config', 'update_domain_config', 'delete_domain_config'], admin),

  ...named(
    [
      'get_service_provider',
      'list_service_providers',
      'get_identity_provider',
      'list_identity_providers',
      'get_protocol',
      'list_protocols',
      'get_mapping',
      'list_mappings',
    ],
    adminOrReader,
  ),
  ...named(
    ['service_provider', 'identity_provider', 'protocol', 'mapping'].flatMap((what) =>
      ['create', 'update', 'delete'].map((verb) => `${verb}_${what}`),
    ),
    admin,
  ),
  ...named(['get_consumer', 'list_consumers'], adminOrReader),
  ...named(['create_consumer', 'update_consumer', 'delete_consumer'], admin),
};
