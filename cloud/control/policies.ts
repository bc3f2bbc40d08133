/** Who may see and stop what: a project its own, an administrator everything. */
import type { PolicyRules } from '#cloud/api';

const own = (role: string) => `(role:${role} and project_id:%(target.project_id)s)`;

export const controlRules: PolicyRules = {
  admin_required: 'role:admin',
  'operation:list': 'rule:admin_required or role:reader',
  'operation:list_all': 'rule:admin_required',
  'operation:get': `rule:admin_required or ${own('reader')}`,
  'operation:cancel': `rule:admin_required or ${own('member')}`,
  'event:list': 'rule:admin_required or role:reader',
  'event:list_all': 'rule:admin_required',
  'audit:list': 'rule:admin_required',
};
