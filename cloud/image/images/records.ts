/** Images as they lie in the tables, with what belongs to them, and their status as it follows from that. */
import { type RawBuilder, sql } from 'kysely';
import type { Db, ImageCore } from '../core.ts';
import type { ImageRow } from '../tables.ts';

export type Status = ImageRow['state'] | 'saving' | 'uploading' | 'importing';

export interface ImageRecord extends ImageRow {
  readonly status: Status;
  /** Whether an import of its data was ever asked for. */
  readonly wasImported: boolean;
  /** Whether the caller's project is a member of the (shared) image. */
  readonly isMember: boolean;
  readonly tags: readonly string[];
  readonly properties: ReadonlyMap<string, string>;
}

/**
 * The status is never stored: an upload that died with its process ends when its lease does, and the image is again
 * what is settled about it.
 */
export function statusOf(nowUs: number): RawBuilder<Status> {
  return sql<Status>`case
    when image_image.state = 'queued' and exists (select 1 from image_task
      where image_task.image_id = image_image.id and image_task.status in ('pending', 'processing')) then 'importing'
    when image_image.state = 'queued' and exists (select 1 from image_transfer
      where image_transfer.image_id = image_image.id and image_transfer.lease_until_us > ${nowUs})
      then (select kind from image_transfer where image_transfer.image_id = image_image.id)
    when image_image.state = 'queued' and image_image.staged_id is not null then 'uploading'
    else image_image.state end`;
}

/** Whether the project is a member of the shared image. */
export function memberOf(projectId: string | undefined): RawBuilder<number> {
  return sql<number>`case when image_image.visibility = 'shared' and exists (select 1 from image_member
    where image_member.image_id = image_image.id and image_member.member_id = ${projectId ?? ''})
    then 1 else 0 end`;
}

const importedOf = sql<number>`case when exists (select 1 from image_task
  where image_task.image_id = image_image.id) then 1 else 0 end`;

export function selectImages(core: ImageCore, db: Db, projectId: string | undefined) {
  return db
    .selectFrom('image_image')
    .selectAll('image_image')
    .select([
      statusOf(core.nowUs()).as('status'),
      memberOf(projectId).as('member'),
      importedOf.as('imported'),
    ]);
}

export async function findImage(
  core: ImageCore,
  id: string,
  options: { readonly projectId: string | undefined; readonly db?: Db },
): Promise<ImageRecord | undefined> {
  const db = options.db ?? core.db;
  const row = await selectImages(core, db, options.projectId)
    .where('image_image.id', '=', id.toLowerCase())
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const [image] = await withParts(db, [row]);
  return image;
}

type SelectedRow = ImageRow & {
  readonly status: Status;
  readonly member: number;
  readonly imported: number;
};

/** Adds tags and properties, in two questions for all of them. */
export async function withParts(db: Db, rows: readonly SelectedRow[]): Promise<ImageRecord[]> {
  const ids = rows.map(({ id }) => id);
  if (ids.length === 0) return [];
  const properties = await db
    .selectFrom('image_property')
    .selectAll()
    .where('image_id', 'in', ids)
    .orderBy('name')
    .execute();
  const tags = await db
    .selectFrom('image_tag')
    .selectAll()
    .where('image_id', 'in', ids)
    .orderBy('value')
    .execute();
  return rows.map(({ member, imported, ...row }) => ({
    ...row,
    wasImported: Number(imported) === 1,
    isMember: Number(member) === 1,
    tags: tags.filter((tag) => tag.image_id === row.id).map(({ value }) => value),
    properties: new Map(
      properties
        .filter((property) => property.image_id === row.id)
        .map(({ name, value }) => [name, value]),
    ),
  }));
}
