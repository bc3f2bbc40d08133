/** Who may do what: upstream's secure defaults (`role:admin` of a project rules over its secrets, members over what is not private). */
import type { PolicyRules } from '#cloud/api';

const ofSecret = '(rule:secret_project_admin or (rule:secret_project_member and rule:secret_owner)';
const mayChangeSecret = `${ofSecret} or (rule:secret_project_member and rule:secret_is_not_private))`;
const mayReadSecret = `${mayChangeSecret} or rule:secret_acl_read`;
const ofContainer =
  '(rule:container_project_admin or (rule:container_project_member and rule:container_owner)';
const mayChangeContainer = `${ofContainer} or (rule:container_project_member and rule:container_is_not_private))`;
const mayReadContainer = `${mayChangeContainer} or rule:container_acl_read`;

const named = (names: readonly string[], rule: string): PolicyRules =>
  Object.fromEntries(names.map((name) => [name, rule]));

export const secretRules: PolicyRules = {
  system_reader: 'role:reader and system_scope:all',
  system_admin: 'role:admin and system_scope:all',
  service_admin: 'role:key-manager:service-admin',

  secret_project_match: 'project_id:%(target.secret.project_id)s',
  secret_project_member: 'role:member and rule:secret_project_match',
  secret_project_admin: 'role:admin and rule:secret_project_match',
  secret_owner: 'user_id:%(target.secret.creator_id)s',
  secret_is_not_private: 'True:%(target.secret.read_project_access)s',
  secret_acl_read: "'read':%(target.secret.read)s",
  container_project_match: 'project_id:%(target.container.project_id)s',
  container_project_member: 'role:member and rule:container_project_match',
  container_project_admin: 'role:admin and rule:container_project_match',
  container_owner: 'user_id:%(target.container.creator_id)s',
  container_is_not_private: 'True:%(target.container.read_project_access)s',
  container_acl_read: "'read':%(target.container.read)s",
  order_project_match: 'project_id:%(target.order.project_id)s',
  order_project_member: 'role:member and rule:order_project_match',

  ...named(['secrets:get', 'secrets:post', 'containers:get', 'containers:post'], 'role:member'),
  ...named(['orders:get', 'orders:post', 'orders:put'], 'role:member'),
  ...named(['secret:get', 'secret:decrypt', 'secret_meta:get'], mayReadSecret),
  ...named(
    [
      ...['secret:put', 'secret:delete', 'secret_meta:put', 'secret_meta:post'],
      ...['secret_meta:delete', 'secret_acls:get', 'secret_acls:put_patch', 'secret_acls:delete'],
    ],
    mayChangeSecret,
  ),
  ...named(
    ['secret_consumers:get', 'secret_consumers:post', 'secret_consumers:delete'],
    `rule:system_admin or ${mayReadSecret}`,
  ),
  'container:get': mayReadContainer,
  ...named(
    [
      ...['container:delete', 'container_secret:post', 'container_secret:delete'],
      ...['container_acls:get', 'container_acls:put_patch', 'container_acls:delete'],
    ],
    mayChangeContainer,
  ),
  ...named(
    [
      ...['consumer:get', 'container_consumers:get'],
      ...['container_consumers:post', 'container_consumers:delete'],
    ],
    `rule:system_admin or ${mayReadContainer}`,
  ),
  ...named(['order:get', 'order:delete'], 'rule:order_project_member'),

  'quotas:get': 'role:reader',
  'project_quotas:get': 'rule:system_reader or rule:service_admin',
  ...named(
    ['project_quotas:put', 'project_quotas:delete'],
    'rule:system_admin or rule:service_admin',
  ),
  ...named(
    [
      ...['secretstores:get', 'secretstore:get'],
      ...['secretstores:get_global_default', 'secretstores:get_preferred'],
    ],
    'role:reader',
  ),
  ...named(['secretstore_preferred:post', 'secretstore_preferred:delete'], 'role:admin'),
  'transport_keys:get': 'role:reader',
  'transport_keys:post': 'rule:service_admin or rule:system_admin',
};
