/** `POST /snapshots/{id}/action`: what administrators, and hypervisors that snapshot by themselves, do to a snapshot. */
import Type from 'typebox';
import { Value } from 'typebox/value';
import type { Route } from '../../api/index.ts';
import { parameter, type Request, scoped, type VolumeCaller } from '../caller.ts';
import type { Tx, VolumeCore } from '../core.ts';
import { volumeFailure } from '../failures.ts';
import { targetOf, visibleRow } from '../rows.ts';
import { sayStatus } from '../said-status.ts';
import { snapshotStatus } from '../status.ts';
import type { SnapshotRow } from '../tables.ts';
import { unmanageSnapshot } from './manage-snapshots.ts';
import { beginSnapshotDelete } from './snapshots.ts';

const admin = 'volume_extension:snapshot_admin_actions';
const unmanaged = 'snapshot_extension:snapshot_unmanage';
const rules: Readonly<Record<string, string>> = {
  'os-reset_status': `${admin}:reset_status`,
  'os-force_delete': `${admin}:force_delete`,
  'os-unmanage': unmanaged,
  'os-update_snapshot_status': 'volume_extension:snapshot_actions:update_snapshot_status',
};

export function snapshotActionRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  const target = targetOf(core.db, 'volume_snapshot', 'snapshot_id');
  return scoped({
    method: 'POST',
    path: '/snapshots/:snapshot_id/action',
    // Each action has a rule of its own, asked below.
    policy: 'volume:get_snapshot',
    target,
    body: Type.Object({}, { minProperties: 1, maxProperties: 1 }),
    handle: async (request) => {
      const [name = ''] = Object.keys(request.body);
      const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
      if (rule === undefined)
        throw volumeFailure('refused', {
          why: `There is no such action: ${name.slice(0, 64)}`,
        });
      if (!request.may(rule, await target(request)))
        throw volumeFailure('forbidden-action', { action: rule });
      await run(core, request, name);
      return { status: 202 };
    },
  });
}

async function run(core: VolumeCore, request: Request<object>, name: string): Promise<void> {
  await core.change(async (transaction) => {
    const id = parameter(request, 'snapshot_id');
    const row = await visibleRow(transaction, request, 'volume_snapshot', id);
    if (name === 'os-unmanage') return unmanageSnapshot(core, transaction, row);
    if (name === 'os-force_delete')
      return beginSnapshotDelete(core, transaction, request, row, true);
    const said: unknown = Reflect.get(Reflect.get(request.body, name) ?? {}, 'status');
    const isUpdate = name === 'os-update_snapshot_status';
    if (isUpdate) checkTransition(row, said);
    await sayStatus(transaction, 'volume_snapshot', id, said);
    if (isUpdate) await sayProgress(transaction, id, Reflect.get(request.body, name));
  });
}

async function sayProgress(transaction: Tx, id: string, given: unknown): Promise<void> {
  if (!Value.Check(progressed, given))
    throw volumeFailure('invalid-input', { why: 'progress must be a percentage, 0% to 100%.' });
  const { progress } = given;
  if (progress === undefined) return;
  await transaction
    .updateTable('volume_snapshot')
    .set({ said_progress: progress })
    .where('id', '=', id)
    .execute();
}

const progressed = Type.Object({
  progress: Type.Optional(Type.String({ pattern: '^(100|[0-9]{1,2})%$' })),
});

const transitions: Readonly<Record<string, readonly string[]>> = {
  creating: ['creating', 'available', 'error'],
  deleting: ['deleting', 'error_deleting'],
};

/** For snapshots that a hypervisor makes: what it may say after what. */
function checkTransition(row: SnapshotRow, said: unknown): void {
  const current = snapshotStatus(row);
  const allowed = Object.hasOwn(transitions, current) ? transitions[current] : undefined;
  if (row.operation_id !== null || allowed === undefined)
    throw volumeFailure('refused', {
      why: `Snapshot status ${current} not allowed for update_snapshot_status`,
    });
  if (allowed.includes(String(said))) return;
  throw volumeFailure('refused', {
    why: `Provided snapshot status ${String(said).slice(0, 64)} not allowed for snapshot with status ${current}.`,
  });
}
