/** Identity's tables as rows. Times are microseconds since 1970, flags 0 or 1, `extra` and other documents JSON text. */

export type ActorType = 'user' | 'group';
export type TargetType = 'project' | 'domain' | 'system';

/** Domains and projects share a table, as a domain can act as a project; a domain has `is_domain` 1 and no `domain_id`. */
export type ProjectRow = {
  id: string;
  domain_id: string | null;
  parent_id: string | null;
  name: string;
  description: string;
  enabled: number;
  is_domain: number;
  /** JSON array of text. */
  tags: string;
  options: string;
  extra: string;
};

export type UserRow = {
  id: string;
  domain_id: string;
  name: string;
  enabled: number;
  default_project_id: string | null;
  created_at_us: number;
  /** JSON object, Keystone's user options. */
  options: string;
  extra: string;
  failed_count: number;
  failed_at_us: number | null;
  last_active_at_us: number | null;
};

export type PasswordRow = {
  id: string;
  user_id: string;
  hash: string;
  created_at_us: number;
  expires_at_us: number | null;
  /** 1: the user chose it, rather than an administrator. */
  self_service: number;
};

export type GroupRow = {
  id: string;
  domain_id: string;
  name: string;
  description: string;
  extra: string;
};

export type MembershipRow = { user_id: string; group_id: string };

export type RoleRow = {
  id: string;
  /** `` for a role of the whole cloud: unique names need a value that equals itself. */
  domain_id: string;
  name: string;
  description: string | null;
  options: string;
  extra: string;
};

export type ImpliedRoleRow = { prior_role_id: string; implied_role_id: string };

export type AssignmentRow = {
  actor_type: ActorType;
  actor_id: string;
  target_type: TargetType;
  /** `system` when the target is the system. */
  target_id: string;
  role_id: string;
  /** 1: holds for the projects below the target, not for the target itself. */
  inherited: number;
};

export type RegionRow = {
  id: string;
  description: string;
  parent_region_id: string | null;
  extra: string;
};

export type ServiceRow = {
  id: string;
  type: string;
  name: string;
  description: string | null;
  enabled: number;
  extra: string;
};

export type EndpointRow = {
  id: string;
  service_id: string;
  interface: string;
  region_id: string | null;
  url: string;
  enabled: number;
  extra: string;
};

export type CredentialRow = {
  /** For EC2 keys SHA-256 of the access key in hexadecimal, as it was when the key was made. */
  id: string;
  user_id: string;
  project_id: string | null;
  type: string;
  sealed_blob: string;
  extra: string;
  /** Of EC2 keys: SHA-256 of the access key, by which they are found. */
  access_hash: string | null;
};

export type ApplicationCredentialRow = {
  id: string;
  user_id: string;
  project_id: string;
  name: string;
  description: string | null;
  secret_hash: string;
  expires_at_us: number | null;
  unrestricted: number;
  /** JSON array of role ids. */
  role_ids: string;
  /** JSON array of ids of access rules, or null for no restriction. */
  access_rules: string | null;
};

export type TokenKeyRow = {
  kid: string;
  /** Public JWK. */
  public_key: string;
  /** Private JWK, sealed. */
  sealed_private_key: string;
  created_at_us: number;
  /** When it stopped signing; null for the key in use. */
  retired_at_us: number | null;
};

/** A token is refused when any row applies to it: its own audit id, its chain, or an older token of this user. */
export type RevocationRow = {
  id: string;
  audit_id: string | null;
  audit_chain_id: string | null;
  user_id: string | null;
  issued_before_us: number | null;
  /** No token it could apply to lives longer. */
  forget_at_us: number;
};

/** What one user may do as, or for, another in a project. */
export type TrustRow = {
  id: string;
  trustor_user_id: string;
  trustee_user_id: string;
  project_id: string | null;
  redelegated_trust_id: string | null;
  /** JSON array. */
  role_ids: string;
  extra: string;
  impersonation: number;
  expires_at_us: number | null;
  remaining_uses: number | null;
  redelegation_count: number;
};

export type AccessRuleRow = {
  id: string;
  user_id: string;
  service: string;
  method: string;
  path: string;
};

export type RegisteredLimitRow = {
  id: string;
  service_id: string;
  /** `` for every region. */
  region_id: string;
  resource_name: string;
  description: string | null;
  default_limit: number;
};

export type LimitRow = {
  id: string;
  registered_limit_id: string;
  target_type: 'project' | 'domain';
  target_id: string;
  description: string | null;
  resource_limit: number;
};

export type PolicyRow = { id: string; type: string; blob: string; extra: string };

/** `` where an association names no endpoint, service or region. */
export type PolicyAssociationRow = {
  policy_id: string;
  endpoint_id: string;
  service_id: string;
  region_id: string;
};

export type EndpointGroupRow = {
  id: string;
  name: string;
  description: string | null;
  /** JSON object. */
  filters: string;
};

export type ProjectEndpointRow = { endpoint_id: string; project_id: string };
export type ProjectEndpointGroupRow = { endpoint_group_id: string; project_id: string };

export type DomainConfigRow = {
  domain_id: string;
  group_name: string;
  option_name: string;
  /** JSON; sealed when `sensitive`. */
  value: string;
  sensitive: number;
};

export type ConsumerRow = {
  id: string;
  description: string | null;
  sealed_secret: string;
  extra: string;
};

export type ProviderRow = {
  id: string;
  domain_id: string;
  description: string | null;
  /** JSON array of issuers. */
  remote_ids: string;
  enabled: number;
  /** Minutes that memberships given by a mapping last after a log-in. */
  authorization_ttl: number | null;
};

export type MappingRow = { id: string; rules: string; schema_version: string };

export type ProtocolRow = {
  idp_id: string;
  id: string;
  mapping_id: string;
  remote_id_attribute: string | null;
};

export type ServiceProviderRow = {
  id: string;
  auth_url: string;
  sp_url: string;
  description: string | null;
  relay_state_prefix: string;
  enabled: number;
};

export type FederatedUserRow = {
  user_id: string;
  idp_id: string;
  protocol_id: string;
  unique_id: string;
  display_name: string | null;
};

export type ExpiringMembershipRow = {
  user_id: string;
  group_id: string;
  idp_id: string;
  verified_at_us: number;
  expires_at_us: number;
};

/** A user who is kept in a directory, under the id it has there. */
export type DirectoryUserRow = { user_id: string; external_id: string };

/** One row: raised by every change, so that other processes notice. */
export type EpochRow = { id: number; epoch: number };

export type IdentityTables = {
  identity_project: ProjectRow;
  identity_user: UserRow;
  identity_password: PasswordRow;
  identity_group: GroupRow;
  identity_membership: MembershipRow;
  identity_role: RoleRow;
  identity_implied_role: ImpliedRoleRow;
  identity_assignment: AssignmentRow;
  identity_region: RegionRow;
  identity_service: ServiceRow;
  identity_endpoint: EndpointRow;
  identity_credential: CredentialRow;
  identity_application_credential: ApplicationCredentialRow;
  identity_token_key: TokenKeyRow;
  identity_revocation: RevocationRow;
  identity_epoch: EpochRow;
  identity_directory_user: DirectoryUserRow;
  identity_trust: TrustRow;
  identity_access_rule: AccessRuleRow;
  identity_registered_limit: RegisteredLimitRow;
  identity_limit: LimitRow;
  identity_policy: PolicyRow;
  identity_policy_association: PolicyAssociationRow;
  identity_endpoint_group: EndpointGroupRow;
  identity_project_endpoint: ProjectEndpointRow;
  identity_project_endpoint_group: ProjectEndpointGroupRow;
  identity_domain_config: DomainConfigRow;
  identity_consumer: ConsumerRow;
  identity_provider: ProviderRow;
  identity_mapping: MappingRow;
  identity_protocol: ProtocolRow;
  identity_service_provider: ServiceProviderRow;
  identity_federated_user: FederatedUserRow;
  identity_expiring_membership: ExpiringMembershipRow;
};
