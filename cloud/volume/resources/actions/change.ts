/** Growing, going back, another type, flags. */
import Type from 'typebox';
import { flagOf, parameter, type Request } from '../../caller.ts';
import type { VolumeCore } from '../../core.ts';
import { volumeFailure } from '../../failures.ts';
import * as fields from '../../fields.ts';
import { begin } from '../../operations.ts';
import { hold, refuseTooLarge, volumeAmounts } from '../../quotas.ts';
import { visibleRow } from '../../rows.ts';
import { typeAllowsMultiattach } from '../../specs.ts';
import { snapshotStatus } from '../../status.ts';
import type { VolumeRow } from '../../tables.ts';
import { factsOf } from '../../volume-facts.ts';
import { typeNameOf } from '../../workflows/change-volume.ts';
import { encryptionOf } from '../type-encryption.ts';
import { visibleType } from '../types.ts';
import { type Action, accepted, action } from './action.ts';

export function changeActions(core: VolumeCore): readonly Action[] {
  const set = (volume: VolumeRow, change: Partial<VolumeRow>) =>
    core.db
      .updateTable('volume')
      .set({ ...change, updated_at_us: core.clock.nowUs() })
      .where('id', '=', volume.id)
      .execute();
  return [
    action({
      name: 'os-extend',
      policy: 'volume:extend',
      body: Type.Object({ new_size: fields.sizeGib }),
      run: async (request, volume, { new_size: size }) => {
        await beginExtend(core, request, volume.id, fields.gibOf(size));
        return accepted;
      },
    }),
    action({
      name: 'revert',
      policy: 'volume:revert_to_snapshot',
      since: 40,
      body: Type.Object({ snapshot_id: fields.uuid }),
      run: async (request, _volume, { snapshot_id: snapshotId }) => {
        await beginRevert(core, request, snapshotId);
        return accepted;
      },
    }),
    action({
      name: 'os-retype',
      policy: 'volume:retype',
      body: Type.Object({
        new_type: Type.String({ minLength: 1, maxLength: 255 }),
        migration_policy: fields.optional(
          Type.Union([Type.Literal('on-demand'), Type.Literal('never')]),
        ),
      }),
      run: async (request, volume, { new_type: name }) => {
        await beginRetype(core, request, volume.id, name);
        return accepted;
      },
    }),
    action({
      name: 'os-update_readonly_flag',
      policy: 'volume:update_readonly_flag',
      body: Type.Object({ readonly: fields.flag }),
      run: async (_request, volume, { readonly }) => {
        const { status } = await factsOf(core.db, volume);
        if (status !== 'available')
          throw volumeFailure('invalid-volume', {
            why: `Volume ${volume.id} status must be available to update readonly flag, but current status is: ${status}.`,
          });
        await set(volume, { readonly: flagOf(readonly, 'readonly') ? 1 : 2 });
        return accepted;
      },
    }),
    action({
      name: 'os-set_bootable',
      policy: 'volume:update',
      body: Type.Object({ bootable: fields.flag }),
      run: async (_request, volume, { bootable }) => {
        await set(volume, { bootable: flagOf(bootable, 'bootable') ? 1 : 0 });
        return {};
      },
    }),
  ];
}

async function beginExtend(
  core: VolumeCore,
  request: Request,
  volumeId: string,
  toGib: number,
): Promise<void> {
  await core.change(async (transaction) => {
    const volume = await visibleRow(transaction, request, 'volume', volumeId);
    const { status } = await factsOf(transaction, volume);
    const attached = status === 'in-use' && request.version.minor >= 42;
    if (status !== 'available' && !attached)
      throw volumeFailure('invalid-volume', {
        why: `Volume ${volumeId} status must be available to extend, but current status is: ${status}.`,
      });
    if (
      attached &&
      !request.may('volume:extend_attached_volume', { project_id: volume.project_id })
    )
      throw volumeFailure('forbidden-action', { action: 'volume:extend_attached_volume' });
    const fromGib = volume.size_gib;
    if (toGib <= fromGib)
      throw volumeFailure('invalid-input', {
        why: `New size for extend must be greater than current size. (current: ${fromGib}, extended: ${toGib}).`,
      });
    await refuseTooLarge(core, volume.project_id, toGib);
    const amounts = volumeAmounts(await typeNameOf(core, volume.type_id), toGib);
    await hold(core, transaction, volume.project_id, volumeId, amounts);
    await begin(core, transaction, request, {
      table: 'volume',
      id: volumeId,
      kind: 'volume.extend',
      workflow: 'volume.extend',
      input: { volumeId, fromGib, toGib },
      projectId: volume.project_id,
    });
  });
}

async function beginRevert(core: VolumeCore, request: Request, snapshotId: string): Promise<void> {
  const volumeId = parameter(request, 'volume_id');
  await core.change(async (transaction) => {
    const volume = await visibleRow(transaction, request, 'volume', volumeId);
    const latest = await transaction
      .selectFrom('volume_snapshot')
      .selectAll()
      .where('volume_id', '=', volumeId)
      .orderBy('created_at_us', 'desc')
      .executeTakeFirst();
    if (latest === undefined)
      throw volumeFailure('refused', { why: `Volume ${volumeId} doesn't have any snapshots.` });
    if (latest.id !== snapshotId)
      throw volumeFailure('refused', {
        why: `Specified snapshot ${snapshotId} is None or not the latest one of volume ${volumeId}.`,
      });
    if (latest.size_gib !== volume.size_gib)
      throw volumeFailure('refused', {
        why: `Can't revert volume ${volumeId} to its latest snapshot ${snapshotId}. The volume size must be equal to the snapshot size.`,
      });
    const { status } = await factsOf(transaction, volume);
    if (status !== 'available' || snapshotStatus(latest) !== 'available')
      throw volumeFailure('refused-conflict', {
        why: `Can't revert volume ${volumeId}: volume and snapshot must be available.`,
      });
    await begin(core, transaction, request, {
      table: 'volume',
      id: volumeId,
      kind: 'volume.revert',
      workflow: 'volume.revert',
      input: { volumeId, snapshotId },
      projectId: volume.project_id,
    });
  });
}

async function beginRetype(
  core: VolumeCore,
  request: Request,
  volumeId: string,
  name: string,
): Promise<void> {
  const type = await visibleType(core.db, request, name);
  await core.change(async (transaction) => {
    const volume = await visibleRow(transaction, request, 'volume', volumeId);
    const { status, type: before } = await factsOf(transaction, volume);
    if (status !== 'available' && status !== 'in-use')
      throw volumeFailure('invalid-volume', {
        why: `Volume ${volumeId} status must be available or in-use to retype, but current status is: ${status}.`,
      });
    if (before === undefined || before.id === type.id)
      throw volumeFailure('invalid-input', {
        why: `New volume_type same as original: ${type.name}.`,
      });
    const sameEncryption =
      (encryptionOf(before) === undefined) === (encryptionOf(type) === undefined);
    if (!sameEncryption)
      throw volumeFailure('invalid-input', { why: 'Retype cannot change encryption.' });
    const multiattach = typeAllowsMultiattach(type);
    if (status === 'in-use' && multiattach !== (volume.multiattach === 1))
      throw volumeFailure('invalid-input', {
        why: 'Changing multiattach of a volume that is in use is not possible.',
      });
    // Until it is decided the volume counts towards both types.
    await hold(
      core,
      transaction,
      volume.project_id,
      volumeId,
      volumeAmounts(type.name, volume.size_gib),
    );
    await begin(core, transaction, request, {
      table: 'volume',
      id: volumeId,
      kind: 'volume.retype',
      workflow: 'volume.retype',
      input: { volumeId, fromTypeId: before.id, toTypeId: type.id, multiattach },
      projectId: volume.project_id,
    });
  });
}
