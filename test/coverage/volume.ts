/** Every operation of Cinder's API v3 (3.0 to 3.70), and what of it is there: from the route table and the list of what is absent. */

import type { Route } from '../../cloud/api/index.ts';
import type { VolumeCaller } from '../../cloud/volume/caller.ts';
import { absent } from '../../cloud/volume/resources/absent.ts';

/** Actions in the body of one route. */
const actions: Readonly<Record<string, readonly string[]>> = {
  'POST /volumes/:volume_id/action': [
    'os-attach',
    'os-detach',
    'os-force_detach',
    'os-reserve',
    'os-unreserve',
    'os-begin_detaching',
    'os-roll_detaching',
    'os-initialize_connection',
    'os-terminate_connection',
    'os-volume_upload_image',
    'os-extend',
    'os-retype',
    'os-reimage',
    'revert',
    'os-update_readonly_flag',
    'os-set_bootable',
    'os-set_image_metadata',
    'os-unset_image_metadata',
    'os-show_image_metadata',
    'os-reset_status',
    'os-force_delete',
    'os-unmanage',
    'os-migrate_volume',
    'os-migrate_volume_completion',
  ],
  'POST /snapshots/:snapshot_id/action': [
    'os-reset_status',
    'os-force_delete',
    'os-unmanage',
    'os-update_snapshot_status',
  ],
  'POST /backups/:backup_id/action': ['os-reset_status', 'os-force_delete'],
  'POST /groups/:group_id/action': ['delete', 'reset_status'],
};

const notes: Readonly<Record<string, string>> = {
  'os-reset_status': 'sets errors; otherwise looks again: a status is computed',
  'os-migrate_volume': '400: there is one pool to be in',
  'os-update_snapshot_status': '400: no hypervisor makes snapshots',
  reset_status: 'forgets the last failure',
};

/** What other actions and routes of the reference answer. */
const refusals: readonly (readonly [operation: string, note: string])[] = [
  [
    'POST /groups/:group_id/action enable_replication, disable_replication, failover_replication, list_replication_targets',
    '501',
  ],
  ['PUT /os-services/failover, failover_host', '501'],
  ['PUT /os-services/get-log, set-log', '404'],
];

export function volumeRows(routes: readonly Route<VolumeCaller>[]): string[][] {
  const prefix = '/v3/:project_id';
  const missing = new Map(absent.map(([what, path]) => [path, what]));
  const rows: string[][] = [];
  for (const { method, path, policy } of routes) {
    if (!path.startsWith(prefix)) continue;
    const short = path.slice(prefix.length);
    const operation = `${method} ${short}`;
    const what = missing.get(short);
    if (what !== undefined) {
      rows.push([`\`${operation}\``, 'refused', `501: ${what}`]);
      continue;
    }
    const named = actions[operation];
    if (named === undefined) rows.push([`\`${operation}\``, 'works', `\`${policy}\``]);
    else
      for (const name of named) rows.push([`\`${operation}\` ${name}`, 'works', notes[name] ?? '']);
  }
  for (const [operation, note] of refusals) rows.push([`\`${operation}\``, 'refused', note]);
  return rows.sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
}
