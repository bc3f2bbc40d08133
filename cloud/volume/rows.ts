/** Finding rows for requests: what a caller may not know of is not there. */
import { isVisible, parameter, type Request } from './caller.ts';
import type { Db, Tx } from './core.ts';
import { notFound } from './failures.ts';
import type {
  AttachmentRow,
  BackupRow,
  GroupRow,
  GroupSnapshotRow,
  SnapshotRow,
  VolumeRow,
  VolumeTables,
} from './tables.ts';

type Reader = Db | Tx;

interface Owned {
  readonly volume: VolumeRow;
  readonly volume_snapshot: SnapshotRow;
  readonly volume_backup: BackupRow;
  readonly volume_attachment: AttachmentRow;
  readonly volume_group: GroupRow;
  readonly volume_group_snapshot: GroupSnapshotRow;
}

const words: Readonly<Record<keyof Owned, string>> = {
  volume: 'Volume',
  volume_snapshot: 'Snapshot',
  volume_backup: 'Backup',
  volume_attachment: 'Volume attachment could not be found with filter: attachment_id =',
  volume_group: 'Group',
  volume_group_snapshot: 'GroupSnapshot',
};

/** The row of this id, whosoever it is. */
export async function findRow<T extends keyof Owned>(
  db: Reader,
  table: T,
  id: string,
): Promise<Owned[T] | undefined> {
  // Kysely cannot see that a table chosen by a type parameter has the columns that all six have.
  const query = (db as Db)
    .selectFrom(table as 'volume')
    .selectAll()
    .where('id', '=', id);
  return (await query.executeTakeFirst()) as Owned[T] | undefined;
}

/** The row, when the caller may see it; the same 404 for what is not there and for what is another project's. */
export async function visibleRow<T extends keyof Owned>(
  db: Reader,
  request: Request,
  table: T,
  id: string,
): Promise<Owned[T]> {
  const row = await findRow(db, table, id);
  if (row === undefined || !isVisible(request, row)) throw notFound(words[table], id);
  return row;
}

/** What policy rules see of a row named in the path. */
export function targetOf<T extends keyof Owned>(db: Db, table: T, name: string) {
  return async (request: Request) => {
    const row = await visibleRow(db, request, table, parameter(request, name));
    return { project_id: row.project_id };
  };
}

export type WorkedTable =
  | 'volume'
  | 'volume_snapshot'
  | 'volume_backup'
  | 'volume_group'
  | 'volume_group_snapshot';

/** Changes columns that all rows with operations have; with `operationId` only while that one is at work. */
export async function setWorked(
  transaction: Tx,
  table: WorkedTable,
  id: string,
  change: Partial<
    Pick<
      VolumeTables['volume'],
      'made' | 'operation_id' | 'operation_kind' | 'failure' | 'said_status'
    >
  >,
  operationId?: string,
): Promise<void> {
  const update = transaction
    .updateTable(table as 'volume')
    .set(change)
    .where('id', '=', id);
  await (operationId === undefined
    ? update
    : update.where('operation_id', '=', operationId)
  ).execute();
}
