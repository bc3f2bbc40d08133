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
};

export type PasswordRow = {
  id: string;
  user_id: string;
  hash: string;
  created_at_us: number;
  expires_at_us: number | null;
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
  /** For EC2 keys SHA-256 of the access key in hexadecimal, so that looking one up is by primary key. */
  id: string;
  user_id: string;
  project_id: string | null;
  type: string;
  sealed_blob: string;
  extra: string;
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
  /** JSON array of access rules, or null for none. */
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
};
