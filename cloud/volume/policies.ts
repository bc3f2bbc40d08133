/** Who may do what: upstream's defaults (readers look, members change what is their project's, administrators everything). */
import type { PolicyRules } from '../api/index.ts';

const reader = 'role:admin or (role:reader and project_id:%(project_id)s)';
const member = 'role:admin or (role:member and project_id:%(project_id)s)';
const admin = 'role:admin';

const named = (prefix: string, names: string, rule: string): PolicyRules =>
  Object.fromEntries(names.split(' ').map((name) => [`${prefix}:${name}`, rule]));

const extension = 'volume_extension';

export const volumeRules: PolicyRules = {
  ...named('volume', 'get get_all get_snapshot get_all_snapshots', reader),
  ...named('volume', 'get_volume_metadata get_snapshot_metadata', reader),
  ...named('volume', 'get_transfer get_all_transfers', reader),
  ...named('volume', 'create create_from_image update delete multiattach', member),
  ...named('volume', 'extend extend_attached_volume retype update_readonly_flag', member),
  ...named('volume', 'revert_to_snapshot reimage reimage_reserved', member),
  ...named(
    'volume',
    'create_volume_metadata update_volume_metadata delete_volume_metadata',
    member,
  ),
  ...named('volume', 'update_volume_admin_metadata', admin),
  ...named('volume', 'create_snapshot update_snapshot delete_snapshot', member),
  ...named('volume', 'update_snapshot_metadata delete_snapshot_metadata', member),
  ...named('volume', 'create_transfer accept_transfer delete_transfer', member),
  ...named('volume', 'attachment_get attachment_get_all', reader),
  ...named('volume', 'attachment_create attachment_update attachment_delete', member),
  ...named('volume', 'attachment_complete multiattach_bootable_volume', member),
  ...named('volume', 'force_delete', admin),

  ...named(`${extension}:volume_actions`, 'upload_image attach detach reserve unreserve', member),
  ...named(`${extension}:volume_actions`, 'begin_detaching roll_detaching', member),
  ...named(`${extension}:volume_actions`, 'initialize_connection terminate_connection', member),
  ...named(`${extension}:volume_actions`, 'upload_public', admin),
  ...named(`${extension}:volume_admin_actions`, 'reset_status force_delete force_detach', admin),
  ...named(`${extension}:volume_admin_actions`, 'migrate_volume migrate_volume_completion', admin),
  ...named(`${extension}:snapshot_admin_actions`, 'reset_status force_delete', admin),
  ...named(`${extension}:backup_admin_actions`, 'reset_status force_delete', admin),
  ...named(extension, 'snapshot_actions:update_snapshot_status', member),
  ...named(extension, 'volume_host_attribute volume_mig_status_attribute', admin),
  ...named(extension, 'volume_tenant_attribute extended_snapshot_attributes', reader),
  ...named(extension, 'volume_encryption_metadata', reader),
  ...named(extension, 'volume_image_metadata:show', reader),
  ...named(extension, 'volume_image_metadata:set volume_image_metadata:remove', member),
  ...named(extension, 'volume_manage volume_unmanage list_manageable', admin),
  ...named('snapshot_extension', 'snapshot_manage snapshot_unmanage list_manageable', admin),

  ...named('backup', 'get get_all', reader),
  ...named('backup', 'create update delete restore', member),
  ...named('backup', 'backup-import export-import backup_project_attribute', admin),

  ...named(extension, 'type_get type_get_all default_get availability_zone_list', ''),
  ...named(extension, 'type_create type_update type_delete types_manage', admin),
  ...named(extension, 'access_types_extra_specs', ''),
  ...named(extension, 'access_types_qos_specs_id', admin),
  ...named(extension, 'types_extra_specs:index types_extra_specs:show', ''),
  ...named(extension, 'types_extra_specs:read_sensitive', admin),
  ...named(
    extension,
    'types_extra_specs:create types_extra_specs:update types_extra_specs:delete',
    admin,
  ),
  ...named(`${extension}:volume_type_access`, 'get_all_for_type', admin),
  ...named(`${extension}:volume_type_access`, 'addProjectAccess removeProjectAccess', admin),
  ...named(`${extension}:volume_type_encryption`, 'get create update delete', admin),
  ...named(`${extension}:qos_specs_manage`, 'get get_all create update delete', admin),
  ...named(extension, 'default_set_or_update default_get_all default_unset', admin),

  ...named(`${extension}:quotas`, 'show', reader),
  ...named(`${extension}:quotas`, 'update delete', admin),
  ...named(extension, 'quota_classes:get quota_classes:update', admin),
  ...named('limits_extension', 'used_limits', reader),
  ...named(extension, 'services:index services:update', admin),
  ...named(extension, 'capabilities hosts', admin),
  ...named('scheduler_extension', 'scheduler_stats:get_pools', admin),
  ...named('message', 'get get_all', reader),
  ...named('message', 'delete', member),
  ...named('clusters', 'get get_all update', admin),
  ...named('workers', 'cleanup', admin),

  ...named('group', 'get get_all get_group_snapshot get_all_group_snapshots', reader),
  ...named('group', 'create update delete', member),
  ...named('group', 'create_group_snapshot update_group_snapshot delete_group_snapshot', member),
  ...named('group', 'group_types:get', ''),
  ...named('group', 'group_types:create group_types:update group_types:delete', admin),
  ...named('group', 'group_types_specs:get', admin),
  ...named(
    'group',
    'group_types_specs:create group_types_specs:update group_types_specs:delete',
    admin,
  ),
  ...named('group', 'access_group_types_specs', admin),
  ...named('group', 'reset_status reset_group_snapshot_status', admin),
};
