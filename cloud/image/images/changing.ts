/** Making and changing images: rows of an image and of what belongs to it, inside a transaction. */
import type { ImageCore, Tx } from '../core.ts';
import { conflict, forbidden, imageFailure, invalid } from '../failures.ts';
import type { ImageSettings } from '../settings.ts';
import type { ImageRow } from '../tables.ts';
import type { Draft } from './patch.ts';
import type { ImageRecord } from './records.ts';

/** Base properties as columns; what is absent stays as it is. */
export function columnsOf(base: Readonly<Record<string, unknown>>): Partial<ImageRow> {
  const columns: Partial<ImageRow> = {};
  const text = (value: unknown) => (typeof value === 'string' ? value : null);
  if ('name' in base) columns.name = text(base.name);
  if ('owner' in base) columns.owner = text(base.owner);
  if ('disk_format' in base) columns.disk_format = text(base.disk_format);
  if ('container_format' in base) columns.container_format = text(base.container_format);
  if ('visibility' in base) columns.visibility = String(base.visibility);
  if ('protected' in base) columns.protected = base.protected === true ? 1 : 0;
  if ('os_hidden' in base) columns.os_hidden = base.os_hidden === true ? 1 : 0;
  if ('min_disk' in base) columns.min_disk = Number(base.min_disk);
  if ('min_ram' in base) columns.min_ram = Number(base.min_ram);
  return columns;
}

/** Formats say what the bytes are, so they are settled once the bytes are. */
export function checkFormatChange(
  image: ImageRecord,
  base: Readonly<Record<string, unknown>>,
): void {
  for (const name of ['disk_format', 'container_format'] as const) {
    if (!(name in base) || base[name] === image[name]) continue;
    if (image.status !== 'queued' && image.status !== 'importing')
      throw forbidden(`Attribute ${name} can be only replaced for a queued image.`);
  }
}

export function checkCounts(
  draft: Pick<Draft, 'tags' | 'properties'>,
  settings: ImageSettings,
): void {
  const { propertiesMax, tagsMax } = settings;
  const refuse = (what: string, count: number, max: number) =>
    imageFailure('limit-exceeded', {
      why: `The limit has been exceeded on the number of allowed image ${what}. Attempted: ${count}, Maximum: ${max}`,
    });
  if (draft.properties.size > propertiesMax)
    throw refuse('properties', draft.properties.size, propertiesMax);
  if (draft.tags.length > tagsMax) throw refuse('tags', draft.tags.length, tagsMax);
}

export async function writeParts(
  tx: Tx,
  id: string,
  parts: { readonly tags: readonly string[]; readonly properties: ReadonlyMap<string, string> },
): Promise<void> {
  await tx.deleteFrom('image_tag').where('image_id', '=', id).execute();
  await tx.deleteFrom('image_property').where('image_id', '=', id).execute();
  const tags = parts.tags.map((value) => ({ image_id: id, value }));
  if (tags.length > 0) await tx.insertInto('image_tag').values(tags).execute();
  const properties = [...parts.properties].map(([name, value]) => ({ image_id: id, name, value }));
  if (properties.length > 0) await tx.insertInto('image_property').values(properties).execute();
}

export async function insertImage(
  core: ImageCore,
  tx: Tx,
  id: string,
  columns: Partial<ImageRow>,
): Promise<void> {
  const nowUs = core.nowUs();
  const row: ImageRow = {
    owner: null,
    name: null,
    visibility: 'shared',
    container_format: null,
    disk_format: null,
    protected: 0,
    os_hidden: 0,
    min_disk: 0,
    min_ram: 0,
    ...columns,
    id,
    state: 'queued',
    reason: '',
    size: null,
    virtual_size: null,
    checksum: null,
    os_hash_value: null,
    content_id: null,
    staged_id: null,
    created_at_us: nowUs,
    updated_at_us: nowUs,
  };
  const taken = await tx
    .insertInto('image_image')
    .values(row)
    .onConflict((clash) => clash.doNothing())
    .executeTakeFirst();
  if (taken.numInsertedOrUpdatedRows === 0n) throw conflict(`Image ID ${id} already exists!`);
}

/** Refuses a virtual size or minimum that contradicts what is known. */
export function checkNumbers(base: Readonly<Record<string, unknown>>): void {
  for (const name of ['min_disk', 'min_ram'])
    if (name in base && Number(base[name]) < 0) throw invalid('Cannot be a negative value');
}
