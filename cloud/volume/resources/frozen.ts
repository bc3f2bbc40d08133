/** A back end that an administrator has frozen: guests go on reading and writing, but nothing is made, snapshot or deleted (`volume host set --disable`). */
import type { Db, Tx, VolumeCore } from '../core.ts';
import { volumeFailure } from '../failures.ts';

const idOf = (core: VolumeCore) => `frozen/${core.host}@pileus`;

export async function isFrozen(core: VolumeCore, db: Db | Tx = core.db): Promise<boolean> {
  const row = await db
    .selectFrom('volume_disabled_service')
    .select('id')
    .where('id', '=', idOf(core))
    .executeTakeFirst();
  return row !== undefined;
}

export async function refuseFrozen(core: VolumeCore, db: Db | Tx): Promise<void> {
  if (await isFrozen(core, db))
    throw volumeFailure('invalid-input', {
      why: 'Modification operations are not allowed on frozen storage backends.',
    });
}

export async function freeze(core: VolumeCore): Promise<void> {
  const row = { id: idOf(core), reason: null, since_us: core.clock.nowUs() };
  await core.db
    .insertInto('volume_disabled_service')
    .values(row)
    .onConflict((conflict) => conflict.column('id').doNothing())
    .execute();
}

export async function thaw(core: VolumeCore): Promise<void> {
  await core.db.deleteFrom('volume_disabled_service').where('id', '=', idOf(core)).execute();
}
