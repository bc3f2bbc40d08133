/** What administrators do to a volume when something is wrong with it. */
import Type from 'typebox';
import { isFailure } from '#common';
import type { VolumeCore } from '../../core.ts';
import { volumeFailure } from '../../failures.ts';
import * as fields from '../../fields.ts';
import { setWorked, visibleRow } from '../../rows.ts';
import { sayStatus, statusSaid } from '../../said-status.ts';
import { unmanage } from '../manage-volumes.ts';
import { poolOf } from '../volume-views.ts';
import { beginDelete } from '../volumes.ts';
import { type Action, accepted, action } from './action.ts';

const actions = 'volume_extension:volume_admin_actions';
const word = fields.optional(Type.String({ maxLength: 64 }));

export function adminActions(core: VolumeCore): readonly Action[] {
  return [
    action({
      name: 'os-reset_status',
      policy: `${actions}:reset_status`,
      body: Type.Object({ status: word, attach_status: word, migration_status: word }),
      run: async (_request, volume, wanted) => {
        const { status } = wanted;
        if (!status && !wanted.attach_status && !wanted.migration_status)
          throw volumeFailure('invalid-input', {
            why: "Must specify 'status', 'attach_status' or 'migration_status' for update.",
          });
        // The other two follow from attachments, and nothing migrates.
        if (!status) return accepted;
        const said = statusSaid('volume', status);
        if (said === 'available') await lookAgain(core, volume.id);
        else await core.change((transaction) => sayStatus(transaction, 'volume', volume.id, said));
        return accepted;
      },
    }),
    action({
      name: 'os-force_delete',
      policy: `${actions}:force_delete`,
      body: Type.Object({}),
      run: async (request, volume) => {
        await core.change(async (transaction) => {
          const row = await visibleRow(transaction, request, 'volume', volume.id);
          await beginDelete(core, transaction, request, row, { cascade: true, force: true });
        });
        return accepted;
      },
    }),
    action({
      name: 'os-unmanage',
      policy: 'volume_extension:volume_unmanage',
      body: Type.Unknown(),
      run: async (request, volume) => {
        await unmanage(core, request, volume.id);
        return accepted;
      },
    }),
    action({
      name: 'os-migrate_volume',
      policy: `${actions}:migrate_volume`,
      body: Type.Object({
        host: fields.optional(fields.text),
        cluster: fields.optional(fields.text),
        force_host_copy: Type.Optional(fields.flag),
        lock_volume: Type.Optional(fields.flag),
      }),
      run: async (_request, volume, { host, cluster }) => {
        const wanted = host ?? cluster ?? '';
        // There is one pool, and data moves between devices by the ring, not volume by volume.
        if (wanted === poolOf(core) || wanted === core.host)
          throw volumeFailure('invalid-input', {
            why: `Destination host must be different than the current host of volume ${volume.id}.`,
          });
        throw volumeFailure('refused', { why: `No available service named ${wanted}.` });
      },
    }),
    action({
      name: 'os-migrate_volume_completion',
      policy: `${actions}:migrate_volume_completion`,
      body: Type.Object({ new_volume: fields.uuid, error: Type.Optional(fields.flag) }),
      run: async (_request, volume) => {
        throw volumeFailure('invalid-volume', { why: `Volume ${volume.id} is not migrating.` });
      },
    }),
  ];
}

/**
 * What an administrator says is forgotten, and the facts are looked at again: a volume that the engine has is there, whatever failed
 * before; one that it has not is not.
 */
async function lookAgain(core: VolumeCore, id: string): Promise<void> {
  const there = await isThere(core, id);
  await core.change((transaction) =>
    setWorked(transaction, 'volume', id, {
      made: there ? 1 : 0,
      failure: there ? null : 'The volume is not in the store.',
      said_status: null,
    }),
  );
}

async function isThere(core: VolumeCore, id: string): Promise<boolean> {
  try {
    await core.engine.get(id);
    return true;
  } catch (error) {
    if (isFailure(error) && error.kind === 'missing') return false;
    throw error;
  }
}
