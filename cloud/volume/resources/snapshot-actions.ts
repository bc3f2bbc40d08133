/** `POST /snapshots/{id}/action`: what administrators, and hypervisors that snapshot by themselves, do to a snapshot. */
import Type from 'typebox';
import type { Route } from '../../api/index.ts';
import { parameter, type Request, scoped, type VolumeCaller } from '../caller.ts';
import type { VolumeCore } from '../core.ts';
import { volumeFailure } from '../failures.ts';
import { saidByAdministrator } from '../operations.ts';
import { targetOf, visibleRow } from '../rows.ts';
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

const errorKinds: ReadonlyMap<string, string> = new Map([
  ['error', 'snapshot.create'],
  ['error_deleting', 'snapshot.delete'],
]);

async function run(core: VolumeCore, request: Request<object>, name: string): Promise<void> {
  await core.change(async (transaction) => {
    const id = parameter(request, 'snapshot_id');
    const row = await visibleRow(transaction, request, 'volume_snapshot', id);
    if (name === 'os-unmanage') return unmanageSnapshot(core, transaction, row);
    if (name === 'os-force_delete') return beginSnapshotDelete(core, transaction, request, row);
    if (name === 'os-update_snapshot_status')
      // Only for back ends whose hypervisor makes the snapshot; here the gateway does.
      throw volumeFailure('invalid-snapshot', {
        why: `Snapshot ${id} is not made by a hypervisor.`,
      });
    const said: unknown = Reflect.get(Reflect.get(request.body, name) ?? {}, 'status');
    const kind = typeof said === 'string' ? errorKinds.get(said) : undefined;
    // Otherwise a status is what is known: looking again forgets the last failure.
    const change =
      kind === undefined
        ? { failure: null }
        : { failure: saidByAdministrator, operation_kind: kind };
    await transaction
      .updateTable('volume_snapshot')
      .set(change)
      .where('id', '=', id)
      .where('operation_id', 'is', null)
      .execute();
  });
}
