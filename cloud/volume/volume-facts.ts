/** Volumes with what their status and view need beside the row: attachments, type, transfer. */
import type { Db, Tx } from './core.ts';
import { volumeStatus } from './status.ts';
import type { AttachmentRow, TypeRow, VolumeRow } from './tables.ts';

export interface VolumeFacts {
  readonly row: VolumeRow;
  readonly attachments: readonly AttachmentRow[];
  readonly type: TypeRow | undefined;
  readonly transferring: boolean;
  readonly status: string;
}

/** Three queries however many volumes there are. */
export async function volumeFacts(
  db: Db | Tx,
  rows: readonly VolumeRow[],
): Promise<readonly VolumeFacts[]> {
  if (rows.length === 0) return [];
  const ids = rows.map((row) => row.id);
  const [attachments, types, transfers] = await Promise.all([
    db
      .selectFrom('volume_attachment')
      .selectAll()
      .where('volume_id', 'in', ids)
      .orderBy('created_at_us')
      .execute(),
    db
      .selectFrom('volume_type')
      .selectAll()
      .where('id', 'in', [...new Set(rows.map((row) => row.type_id))])
      .execute(),
    db.selectFrom('volume_transfer').select('volume_id').where('volume_id', 'in', ids).execute(),
  ]);
  const given = new Set(transfers.map((transfer) => transfer.volume_id));
  return rows.map((row) => {
    const own = attachments.filter((attachment) => attachment.volume_id === row.id);
    const transferring = given.has(row.id);
    return {
      row,
      attachments: own,
      type: types.find((type) => type.id === row.type_id),
      transferring,
      status: volumeStatus(row, own, transferring),
    };
  });
}

export async function factsOf(db: Db | Tx, row: VolumeRow): Promise<VolumeFacts> {
  const [facts] = await volumeFacts(db, [row]);
  if (facts === undefined) throw new Error('a row has facts');
  return facts;
}
