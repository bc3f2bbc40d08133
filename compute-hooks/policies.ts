/** Who may do what: upstream's defaults (readers look, members change what is their project's, administrators everything). */
import type { PolicyRules } from '#cloud/api';

const reader = 'role:admin or (role:reader and project_id:%(project_id)s)';
const member = 'role:admin or (role:member and project_id:%(project_id)s)';
const admin = 'role:admin';
const owner = 'role:admin or user_id:%(user_id)s';

const named = (names: string, rule: string): PolicyRules =>
  Object.fromEntries(
    names
      .split(/\s+/)
      .filter((name) => name !== '')
      .map((name) => [`os_compute_api:${name}`, rule]),
  );

export const computeRules: PolicyRules = {
  ...named(
    `servers:index servers:detail servers:show os-instance-actions:list os-instance-actions:show os-server-tags:index
     os-server-tags:show ips:index ips:show os-attach-interfaces:list os-attach-interfaces:show os-volumes-attachments:index
     os-volumes-attachments:show server-metadata:index server-metadata:show os-server-groups:index os-server-groups:show
     os-quota-sets:show os-simple-tenant-usage:show os-server-password:show compute:server:topology:index limits`,
    reader,
  ),
  ...named(
    `servers:create servers:update servers:delete servers:start servers:stop servers:reboot servers:rebuild servers:resize
     servers:confirm_resize servers:revert_resize servers:create_image os-pause-server:pause os-pause-server:unpause
     os-suspend-server:suspend os-suspend-server:resume os-lock-server:lock os-lock-server:unlock os-shelve:shelve os-shelve:unshelve
     os-rescue os-unrescue os-create-backup os-console-output os-remote-consoles os-admin-password os-server-tags:update
     os-server-tags:update_all os-server-tags:delete os-server-tags:delete_all os-attach-interfaces:create
     os-attach-interfaces:delete os-volumes-attachments:create os-volumes-attachments:delete os-volumes-attachments:update
     server-metadata:create server-metadata:update server-metadata:update_all server-metadata:delete os-server-groups:create
     os-server-groups:delete os-deferred-delete:restore os-deferred-delete:force os-server-password:clear
     servers:trigger_crash_dump images os-security-groups os-security-groups:add os-security-groups:remove`,
    member,
  ),
  ...named(
    `servers:detail:get_all_tenants servers:index:get_all_tenants servers:show:host_status servers:create:forced_host
     os-extended-server-attributes os-migrate-server:migrate os-migrate-server:migrate_live os-evacuate
     os-shelve:shelve_offload os-shelve:unshelve_to_host os-lock-server:unlock:unlock_override os-admin-actions:reset_state
     os-admin-actions:inject_network_info os-server-diagnostics os-hypervisors:list os-hypervisors:show os-hypervisors:search
     os-aggregates:index os-aggregates:show os-aggregates:create os-aggregates:update os-aggregates:delete os-aggregates:add_host
     os-aggregates:remove_host os-aggregates:set_metadata os-services:list os-services:update os-services:delete
     os-availability-zone:detail os-migrations:index servers:migrations:index servers:migrations:show servers:migrations:delete servers:migrations:force_complete os-flavor-manage:create
     os-flavor-manage:update os-flavor-manage:delete os-flavor-access:add_tenant_access os-flavor-access:remove_tenant_access
     os-flavor-extra-specs:create os-flavor-extra-specs:update os-flavor-extra-specs:delete os-quota-sets:update
     os-quota-sets:delete os-quota-class-sets:show os-quota-class-sets:update os-simple-tenant-usage:list
     os-server-external-events:create os-instance-usage-audit-log:list os-instance-usage-audit-log:show os-hypervisors:servers os-hosts:list os-hosts:show os-flavor-access os-assisted-volume-snapshots:create
     os-swap-volume os-console-auth-tokens`,
    admin,
  ),
  ...named('os-keypairs:index os-keypairs:show os-keypairs:create os-keypairs:delete', owner),
  ...named(
    `flavors os-flavor-extra-specs:index os-flavor-extra-specs:show os-availability-zone:list os-quota-sets:defaults versions`,
    '',
  ),
};
