/** Documents in the database: read by id or by a value they are indexed by, written whole. */
import type { Kysely, Transaction } from 'kysely';
import type { NetworkTables } from '../migrations.ts';
import type { Kind, Kinds, NewDocument } from './documents.ts';
import { type Lookup, lookupsOf } from './lookups.ts';

export type Db = Kysely<NetworkTables>;
export type Tx = Transaction<NetworkTables>;

type Row = NetworkTables['network_object'];

const chunk = 500;

function documentOf<K extends Kind>(row: Row): Kinds[K] {
  return {
    // Written by `write` below, for this kind.
    ...(JSON.parse(row.document) as Kinds[K]),
    id: row.id,
    project_id: row.project_id,
    revision: Number(row.revision),
    createdAtUs: Number(row.created_at_us),
    updatedAtUs: Number(row.updated_at_us),
  };
}

export interface Where {
  readonly ids?: readonly string[];
  readonly projectId?: string;
  /** Index name without its kind → any of these values. */
  readonly by?: Readonly<Record<string, string | readonly string[]>>;
}

export async function find<K extends Kind>(
  db: Db,
  kind: K,
  id: string,
): Promise<Kinds[K] | undefined> {
  const row = await db
    .selectFrom('network_object')
    .selectAll()
    .where('id', '=', id)
    .where('kind', '=', kind)
    .executeTakeFirst();
  return row === undefined ? undefined : documentOf<K>(row);
}

export async function list<K extends Kind>(
  db: Db,
  kind: K,
  where: Where = {},
): Promise<Kinds[K][]> {
  if (where.ids !== undefined && where.ids.length > chunk)
    return await inChunks(db, kind, where, where.ids);
  let query = db.selectFrom('network_object').selectAll().where('kind', '=', kind);
  if (where.ids !== undefined) {
    if (where.ids.length === 0) return [];
    query = query.where('id', 'in', where.ids);
  }
  if (where.projectId !== undefined) query = query.where('project_id', '=', where.projectId);
  for (const [name, wanted] of Object.entries(where.by ?? {})) {
    const values = typeof wanted === 'string' ? [wanted] : wanted;
    if (values.length === 0) return [];
    query = query.where('id', 'in', (inner) =>
      inner
        .selectFrom('network_lookup')
        .select('object_id')
        .where('name', '=', `${kind}.${name}`)
        .where('value', 'in', values),
    );
  }
  const rows = await query.orderBy('created_at_us').orderBy('id').execute();
  return rows.map((row) => documentOf<K>(row));
}

async function inChunks<K extends Kind>(
  db: Db,
  kind: K,
  where: Where,
  ids: readonly string[],
): Promise<Kinds[K][]> {
  const found: Kinds[K][] = [];
  for (let at = 0; at < ids.length; at += chunk)
    found.push(...(await list(db, kind, { ...where, ids: ids.slice(at, at + chunk) })));
  return found;
}

export async function insert<K extends Kind>(
  tx: Tx,
  kind: K,
  fresh: NewDocument<K>,
  nowUs: number,
): Promise<Kinds[K]> {
  const document = { ...fresh, revision: 0, createdAtUs: nowUs, updatedAtUs: nowUs } as Kinds[K];
  await tx
    .insertInto('network_object')
    .values({ ...columnsOf(document), id: document.id, kind, created_at_us: nowUs })
    .execute();
  await writeLookups(tx, document.id, lookupsOf(kind, document));
  return document;
}

/** Replaces the document; its revision counts up. */
export async function update<K extends Kind>(
  tx: Tx,
  kind: K,
  before: Kinds[K],
  changes: Partial<Kinds[K]>,
  nowUs: number,
): Promise<Kinds[K]> {
  const document = {
    ...before,
    ...changes,
    revision: before.revision + 1,
    updatedAtUs: nowUs,
  };
  await tx
    .updateTable('network_object')
    .set(columnsOf(document))
    .where('id', '=', before.id)
    .execute();
  const old = lookupsOf(kind, before);
  const fresh = lookupsOf(kind, document);
  if (JSON.stringify(old) !== JSON.stringify(fresh)) {
    await tx.deleteFrom('network_lookup').where('object_id', '=', before.id).execute();
    await writeLookups(tx, before.id, fresh);
  }
  return document;
}

/** Only counts the revision up: something that belongs to it has changed. */
export async function touch<K extends Kind>(
  tx: Tx,
  kind: K,
  id: string,
  nowUs: number,
): Promise<void> {
  await tx
    .updateTable('network_object')
    .set((row) => ({ revision: row('revision', '+', 1), updated_at_us: nowUs }))
    .where('id', '=', id)
    .where('kind', '=', kind)
    .execute();
}

/** Its claims and index go with it. */
export async function remove(tx: Tx, id: string): Promise<void> {
  await tx.deleteFrom('network_lookup').where('object_id', '=', id).execute();
  await tx.deleteFrom('network_claim').where('object_id', '=', id).execute();
  await tx.deleteFrom('network_object').where('id', '=', id).execute();
}

function columnsOf(document: Kinds[Kind]) {
  const { id, project_id, revision, createdAtUs, updatedAtUs, ...rest } = document;
  return { project_id, revision, updated_at_us: updatedAtUs, document: JSON.stringify(rest) };
}

async function writeLookups(tx: Tx, id: string, lookups: readonly Lookup[]): Promise<void> {
  if (lookups.length === 0) return;
  await tx
    .insertInto('network_lookup')
    .values(lookups.map(({ name, value }) => ({ object_id: id, name, value })))
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** Takes a value that only one may have; false when another has it. */
export async function claim(tx: Tx, scope: string, value: string, id: string): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('network_claim')
    .values({ scope, value, object_id: id })
    .onConflict((conflict) => conflict.columns(['scope', 'value']).doNothing())
    .executeTakeFirst();
  if ((numInsertedOrUpdatedRows ?? 0n) > 0n) return true;
  return (await claimant(tx, scope, value)) === id;
}

export async function claimant(db: Db, scope: string, value: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('network_claim')
    .select('object_id')
    .where('scope', '=', scope)
    .where('value', '=', value)
    .executeTakeFirst();
  return row?.object_id;
}

export async function unclaim(tx: Tx, scope: string, value: string, id: string): Promise<void> {
  await tx
    .deleteFrom('network_claim')
    .where('scope', '=', scope)
    .where('value', '=', value)
    .where('object_id', '=', id)
    .execute();
}

/** Which of these values are taken. */
export async function claimed(
  db: Db,
  scope: string,
  values: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await db
    .selectFrom('network_claim')
    .select('value')
    .where('scope', '=', scope)
    .where('value', 'in', values)
    .execute();
  return new Set(rows.map((row) => row.value));
}

export async function countClaims(db: Db, scope: string): Promise<number> {
  const { count } = await db
    .selectFrom('network_claim')
    .select((row) => row.fn.countAll<number>().as('count'))
    .where('scope', '=', scope)
    .executeTakeFirstOrThrow();
  return Number(count);
}
