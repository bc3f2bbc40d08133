/**
 * Durable notes for work beside requests, in sets: which containers are synced, what was deleted in them and is to be told elsewhere,
 * which accounts are to be emptied. Kept as records of the object service.
 */
import type { ObjectService, Page } from '../objects/index.ts';

type Records = Pick<ObjectService, 'records'>;

const kind = 'swift';

export interface Note {
  readonly key: string;
  readonly value: string;
}

export async function readNote(
  { records }: Records,
  set: string,
  key: string,
): Promise<string | undefined> {
  return await records.find({ kind, owner: set, name: key });
}

export async function writeNote({ records }: Records, set: string, note: Note): Promise<void> {
  await records.update({ kind, owner: set, name: note.key }, () => note.value);
}

export async function removeNote({ records }: Records, set: string, key: string): Promise<void> {
  await records.update({ kind, owner: set, name: key }, () => undefined);
}

export async function listNotes(
  { records }: Records,
  set: string,
  page: { readonly after?: string; readonly limit: number },
): Promise<Page<Note>> {
  const { entries, more } = await records.list({ kind, owner: set }, page);
  return { entries: entries.map(({ name, text }) => ({ key: name, value: text })), more };
}
