/** Who may do what: upstream's secure RBAC defaults. `admin` on any project is an administrator of all images. */
import type { PolicyRules } from '#cloud/api';

const admin = 'role:admin';
const ofProject = 'project_id:%(project_id)s';
const projectMember = `(role:member and ${ofProject})`;
const projectReader = `(role:reader and ${ofProject})`;
const imageMember = 'project_id:%(member_id)s';
const openTo = (role: string) =>
  `(role:${role} and (${ofProject} or ${imageMember} or 'community':%(visibility)s or 'public':%(visibility)s))`;
const publicOr = `(role:reader and (${ofProject} or 'public':%(visibility)s))`;

const adminOrMember = `${admin} or ${projectMember}`;
const named = (names: readonly string[], rule: string): PolicyRules =>
  Object.fromEntries(names.map((name) => [name, rule]));

export const imageRules: PolicyRules = {
  context_is_admin: admin,
  default: '',

  add_image: `${admin} or (${projectMember} and project_id:%(owner)s)`,
  get_image: `${admin} or ${openTo('reader')}`,
  // Upstream also lets everybody through whose image is `shared`, and leaves the members to its database layer.
  download_image: `${admin} or ${openTo('member')}`,
  get_images: `${admin} or ${projectReader}`,
  publicize_image: admin,
  ...named(
    [
      ...['modify_image', 'delete_image', 'upload_image', 'communitize_image'],
      ...['deactivate', 'reactivate', 'set_image_location'],
    ],
    adminOrMember,
  ),
  get_image_location: `${admin} or ${projectReader}`,
  delete_image_location: admin,
  add_image_location: `role:service or ${adminOrMember}`,
  fetch_image_location: 'role:service',
  copy_image: admin,

  ...named(['add_member', 'delete_member'], adminOrMember),
  ...named(
    ['get_member', 'get_members'],
    `${admin} or (role:reader and (${ofProject} or ${imageMember}))`,
  ),
  modify_member: `${admin} or (role:member and ${imageMember})`,

  stores_info_detail: admin,
  ...named(['cache_image', 'cache_list', 'cache_delete', 'manage_image_cache'], admin),
  ...named(['tasks_api_access', 'get_task', 'get_tasks', 'add_task'], admin),

  ...named(
    [
      ...['get_metadef_namespace', 'get_metadef_namespaces', 'get_metadef_object'],
      ...['get_metadef_objects', 'list_metadef_resource_types'],
      ...['get_metadef_resource_type', 'get_metadef_property', 'get_metadef_properties'],
      ...['get_metadef_tag', 'get_metadef_tags'],
    ],
    `${admin} or ${publicOr}`,
  ),
  ...named(
    [
      ...['add_metadef_namespace', 'modify_metadef_namespace', 'delete_metadef_namespace'],
      ...['add_metadef_object', 'modify_metadef_object', 'delete_metadef_object'],
      ...['add_metadef_resource_type_association', 'remove_metadef_resource_type_association'],
      ...['add_metadef_property', 'modify_metadef_property', 'remove_metadef_property'],
      ...['add_metadef_tag', 'add_metadef_tags', 'modify_metadef_tag', 'delete_metadef_tag'],
      'delete_metadef_tags',
    ],
    admin,
  ),
};
