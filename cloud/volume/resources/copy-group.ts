/** A new group out of a group snapshot or another group: a volume of each. */
import { callerOf, type Request } from '../caller.ts';
import type { Tx, VolumeCore } from '../core.ts';
import { volumeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import { begin } from '../operations.ts';
import { hold, volumeAmounts } from '../quotas.ts';
import { visibleRow } from '../rows.ts';
import { groupSnapshotStatus } from '../status.ts';
import type { GroupRow, VolumeRow } from '../tables.ts';
import { typeNameOf } from '../workflows/change-volume.ts';
import type { CreateInput } from '../workflows/create-volume.ts';
import { newGroup, volumesOf } from './groups.ts';

interface Wanted {
  readonly name?: string | null;
  readonly description?: string | null;
  readonly group_snapshot_id?: string | null;
  readonly source_group_id?: string | null;
}

interface Copy {
  readonly volume: VolumeRow;
  readonly source: CreateInput['source'];
  readonly row: Partial<VolumeRow>;
}

export async function copyVolumes(
  core: VolumeCore,
  request: Request,
  wanted: Wanted,
): Promise<GroupRow> {
  const { group, copies } = await sourceOf(core, request, wanted);
  const row = newGroup(core, request, {
    name: fields.trimmed(wanted.name),
    description: fields.trimmed(wanted.description),
    group_type_id: group.group_type_id,
    type_ids_json: group.type_ids_json,
    group_snapshot_id: wanted.group_snapshot_id ?? null,
    source_group_id: wanted.source_group_id ?? null,
  });
  await core.changeOf(row.project_id, async (transaction) => {
    await hold(core, transaction, row.project_id, row.id, { groups: 1 });
    await transaction.insertInto('volume_group').values(row).execute();
    for (const copy of copies) await beginCopy(core, transaction, request, row, copy);
  });
  return row;
}

async function sourceOf(
  core: VolumeCore,
  request: Request,
  wanted: Wanted,
): Promise<{ group: GroupRow; copies: readonly Copy[] }> {
  const { group_snapshot_id: snapshotId, source_group_id: groupId } = wanted;
  if ((snapshotId ? 1 : 0) + (groupId ? 1 : 0) !== 1)
    throw volumeFailure('refused', {
      why: "Either 'group_snapshot_id' or 'source_group_id' must be provided to create group from source, and not both.",
    });
  if (groupId) {
    const group = await visibleRow(core.db, request, 'volume_group', groupId);
    const volumes = await volumesOf(core.db, groupId);
    const copies = volumes.map((volume) => ({
      volume,
      source: { kind: 'volume', volumeId: volume.id } as const,
      row: { source_volid: volume.id },
    }));
    return { group, copies: filled(copies) };
  }
  const snapshot = await visibleRow(core.db, request, 'volume_group_snapshot', snapshotId ?? '');
  const rows = await core.db
    .selectFrom('volume_snapshot')
    .selectAll()
    .where('group_snapshot_id', '=', snapshot.id)
    .execute();
  if (groupSnapshotStatus(snapshot, rows) !== 'available')
    throw volumeFailure('refused', { why: `Group snapshot ${snapshot.id} is not available.` });
  const copies: Copy[] = [];
  for (const row of rows) {
    const volume = await visibleRow(core.db, request, 'volume', row.volume_id);
    const source = { kind: 'snapshot', volumeId: volume.id, snapshotId: row.id } as const;
    copies.push({ volume, source, row: { snapshot_id: row.id, size_gib: row.size_gib } });
  }
  const group = await visibleRow(core.db, request, 'volume_group', snapshot.group_id);
  return { group, copies: filled(copies) };
}

function filled(copies: readonly Copy[]): readonly Copy[] {
  if (copies.length === 0)
    throw volumeFailure('refused', { why: 'The source has no volumes to make a group of.' });
  return copies;
}

async function beginCopy(
  core: VolumeCore,
  transaction: Tx,
  request: Request,
  group: GroupRow,
  copy: Copy,
): Promise<void> {
  const now = core.clock.nowUs();
  const id = core.newId();
  const row: VolumeRow = {
    ...copy.volume,
    id,
    encryption_key_id: copy.volume.encryption_key_id === null ? null : core.newId(),
    project_id: group.project_id,
    user_id: callerOf(request).userId,
    snapshot_id: null,
    source_volid: null,
    group_id: group.id,
    created_at_us: now,
    updated_at_us: now,
    made: 0,
    operation_id: null,
    operation_kind: null,
    failure: null,
    ...copy.row,
  };
  const amounts = volumeAmounts(await typeNameOf(core, row.type_id), row.size_gib);
  await hold(core, transaction, row.project_id, row.id, amounts);
  await transaction.insertInto('volume').values(row).execute();
  await begin(core, transaction, request, {
    table: 'volume',
    id: row.id,
    kind: 'volume.create',
    workflow: 'volume.create',
    input: { volumeId: row.id, source: copy.source },
    projectId: row.project_id,
  });
}
