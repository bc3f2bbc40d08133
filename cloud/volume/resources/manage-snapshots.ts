/** Snapshots of the engine taken over by the service, and given up by it. */
import Type, { type Static } from 'typebox';
import type { Route } from '../../api/index.ts';
import { callerOf, type Request, scoped, type VolumeCaller } from '../caller.ts';
import type { Tx, VolumeCore } from '../core.ts';
import { volumeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import { hold, snapshotAmounts } from '../quotas.ts';
import { visibleRow } from '../rows.ts';
import { snapshotStatus } from '../status.ts';
import type { SnapshotRow } from '../tables.ts';
import { typeNameOf } from '../workflows/change-volume.ts';
import { byReference, manageableSnapshots, manageableView, snapshotsOf } from './manageable.ts';
import { onDuplicate } from './removal.ts';
import { snapshotView } from './snapshots.ts';
import { refuseCopied } from './volumes.ts';

const body = Type.Object(
  {
    snapshot: Type.Object(
      {
        ref: Type.Unknown(),
        volume_id: fields.uuid,
        name: fields.optional(fields.text),
        description: fields.optional(fields.text),
        metadata: fields.optional(fields.metadata),
      },
      { additionalProperties: false },
    ),
  },
  { additionalProperties: false },
);
type Wanted = Static<typeof body>['snapshot'];

export function manageSnapshotRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  const listed = (full: boolean) => async (request: Request) => ({
    body: {
      'manageable-snapshots': manageableView(
        core,
        request,
        await manageableSnapshots(core, request),
        full,
      ),
    },
  });
  return ['/manageable_snapshots', '/os-snapshot-manage'].flatMap((path) => {
    const versions = path === '/manageable_snapshots' ? { versions: { from: '3.8' } } : {};
    const policy = 'snapshot_extension:list_manageable';
    return [
      ...scoped({ method: 'GET', path, policy, ...versions, handle: listed(false) }),
      ...scoped({
        method: 'GET',
        path: `${path}/detail`,
        policy,
        ...versions,
        handle: listed(true),
      }),
      ...scoped({
        method: 'POST',
        path,
        policy: 'snapshot_extension:snapshot_manage',
        ...versions,
        body,
        handle: async (request) => {
          const row = await manage(core, request, request.body.snapshot);
          return { status: 202, body: { snapshot: snapshotView(request, row) } };
        },
      }),
    ];
  });
}

async function manage(core: VolumeCore, request: Request, wanted: Wanted): Promise<SnapshotRow> {
  const volume = await visibleRow(core.db, request, 'volume', wanted.volume_id);
  const found = byReference(await snapshotsOf(core, volume.id), wanted.ref);
  const now = core.clock.nowUs();
  const row: SnapshotRow = {
    id: found.id,
    volume_id: volume.id,
    project_id: volume.project_id,
    user_id: callerOf(request).userId,
    name: fields.trimmed(wanted.name),
    description: fields.trimmed(wanted.description),
    size_gib: found.sizeGib,
    metadata_json: JSON.stringify(wanted.metadata ?? {}),
    group_snapshot_id: null,
    created_at_us: now,
    updated_at_us: now,
    made: 1,
    operation_id: null,
    operation_kind: null,
    failure: null,
  };
  const amounts = snapshotAmounts(await typeNameOf(core, volume.type_id), row.size_gib);
  const taken = () => volumeFailure('invalid-snapshot', { why: 'it is already managed' });
  await onDuplicate(taken, () =>
    core.changeOf(row.project_id, async (transaction) => {
      // It may have been given away or deleted while the engine was asked.
      const { project_id: owner } = await visibleRow(transaction, request, 'volume', volume.id);
      if (owner !== row.project_id) throw volumeFailure('invalid-volume', { why: 'it has moved.' });
      await hold(core, transaction, row.project_id, row.id, amounts);
      await transaction.insertInto('volume_snapshot').values(row).execute();
    }),
  );
  return row;
}

/** The snapshot stays in the engine; what is known of it here goes. */
export async function unmanageSnapshot(
  core: VolumeCore,
  transaction: Tx,
  row: SnapshotRow,
): Promise<void> {
  if (snapshotStatus(row) !== 'available' || row.group_snapshot_id !== null)
    throw volumeFailure('invalid-snapshot', {
      why: 'Snapshot status must be available or error and must not be part of a group.',
    });
  await refuseCopied(transaction, 'snapshot_id', row.id);
  await transaction.deleteFrom('volume_snapshot').where('id', '=', row.id).execute();
  await core.quotas.release(transaction, row.id);
}
