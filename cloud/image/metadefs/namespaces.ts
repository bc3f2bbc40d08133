/** Namespaces of metadata definitions: found for a caller, shown, made, changed. */
import { sql } from 'kysely';
import { callerOf, isAdmin, parameter, type Request } from '../caller.ts';
import type { Db, ImageCore, Tx } from '../core.ts';
import { conflict, forbidden, imageFailure, invalid, missing } from '../failures.ts';
import type { MetadefKind, MetadefRow, NamespaceRow } from '../tables.ts';
import { isoTime } from '../times.ts';

export type Body = Readonly<Record<string, unknown>>;

export const readOnlyFields = ['self', 'schema', 'created_at', 'updated_at'];

export function refuseReadOnly(body: Body): void {
  for (const name of readOnlyFields)
    if (name in body) throw forbidden(`Attribute '${name}' is read-only.`);
}

export const targetOf = (row: NamespaceRow) => ({
  project_id: row.owner,
  visibility: row.visibility,
});

/** The namespace of the path, which the caller may do `rule` to; 404 when he may not see it. */
export async function getNamespace(request: Request, rule: string, db: Db): Promise<NamespaceRow> {
  const name = parameter(request, 'namespace');
  const row = await db
    .selectFrom('image_metadef_namespace')
    .selectAll()
    .where('namespace', '=', name)
    .executeTakeFirst();
  const absent = missing(`Namespace ${name.slice(0, 80)} not found`);
  if (row === undefined) throw absent;
  if (!request.may('get_metadef_namespace', targetOf(row))) throw absent;
  if (!request.may(rule, targetOf(row))) throw imageFailure('forbidden-action', { action: rule });
  return row;
}

export const itemsOf = (db: Db, namespaceId: string, kind?: MetadefKind): Promise<MetadefRow[]> => {
  const all = db
    .selectFrom('image_metadef_item')
    .selectAll()
    .where('namespace_id', '=', namespaceId)
    .orderBy('name');
  return (kind === undefined ? all : all.where('kind', '=', kind)).limit(10_000).execute();
};

export const documentOf = (row: MetadefRow): Body => ({
  name: row.name,
  ...(JSON.parse(row.document) as Body),
});

export function itemView(row: MetadefRow, namespace: string): Body {
  const document = documentOf(row);
  const at = { created_at: isoTime(row.created_at_us), updated_at: isoTime(row.updated_at_us) };
  if (row.kind === 'property') return document;
  if (row.kind === 'tag' || row.kind === 'resource_type') return { ...document, ...at };
  const self = `/v2/metadefs/namespaces/${encodeURIComponent(namespace)}/objects/${encodeURIComponent(row.name)}`;
  return { ...document, ...at, self, schema: '/v2/schemas/metadefs/object' };
}

/** Of an object or namespace, properties as clients see them for one resource type. */
const prefixed = (prefix: string, properties: unknown): Body =>
  Object.fromEntries(
    Object.entries((properties ?? {}) as Body).map(([name, value]) => [prefix + name, value]),
  );

export function namespaceView(
  row: NamespaceRow,
  items?: readonly MetadefRow[],
  resourceType?: string | null,
): Body {
  const of = (kind: MetadefKind) => (items ?? []).filter((item) => item.kind === kind);
  const association = of('resource_type').find(({ name }) => name === resourceType);
  const prefix = String(association === undefined ? '' : (documentOf(association).prefix ?? ''));
  const objects = of('object').map((item) => {
    const view = itemView(item, row.namespace);
    return { ...view, properties: prefixed(prefix, view.properties) };
  });
  const properties = Object.fromEntries(
    of('property').map((item) => {
      const { name: _, ...document } = documentOf(item);
      return [prefix + item.name, document];
    }),
  );
  return {
    namespace: row.namespace,
    ...(row.display_name === null ? {} : { display_name: row.display_name }),
    ...(row.description === null ? {} : { description: row.description }),
    visibility: row.visibility,
    protected: row.protected === 1,
    owner: row.owner,
    created_at: isoTime(row.created_at_us),
    updated_at: isoTime(row.updated_at_us),
    self: `/v2/metadefs/namespaces/${encodeURIComponent(row.namespace)}`,
    schema: '/v2/schemas/metadefs/namespace',
    ...(of('resource_type').length === 0
      ? {}
      : { resource_type_associations: of('resource_type').map((item) => itemView(item, '')) }),
    ...(of('property').length === 0 ? {} : { properties }),
    ...(objects.length === 0 ? {} : { objects }),
    ...(of('tag').length === 0 ? {} : { tags: of('tag').map((item) => itemView(item, '')) }),
  };
}

export async function listNamespaces(core: ImageCore, request: Request) {
  const { query } = request;
  const { projectId = '' } = callerOf(request);
  const limitText = query.get('limit') ?? String(core.settings.limitDefault);
  if (!/^\d{1,9}$/.test(limitText)) throw invalid('limit param must be an integer');
  const limit = Math.min(Number(limitText), core.settings.limitMax);
  const direction = query.get('sort_dir') ?? 'desc';
  if (direction !== 'asc' && direction !== 'desc')
    throw invalid(`Invalid sort direction: ${direction.slice(0, 64)}`);
  const visibility = query.get('visibility');
  if (visibility !== null && visibility !== 'public' && visibility !== 'private')
    throw invalid(`Invalid visibility value: ${visibility.slice(0, 64)}`);
  let found = core.db.selectFrom('image_metadef_namespace').selectAll();
  if (visibility !== null) found = found.where('visibility', '=', visibility);
  if (!isAdmin(request))
    found = found.where((where) =>
      where.or([where('visibility', '=', 'public'), where('owner', '=', projectId)]),
    );
  const types = query.get('resource_types')?.split(',') ?? [];
  if (types.length > 0)
    found = found.where(
      sql<boolean>`exists (select 1 from image_metadef_item where namespace_id = image_metadef_namespace.id
        and kind = 'resource_type' and image_metadef_item.name in (${sql.join(types)}))`,
    );
  const marker = query.get('marker');
  if (marker !== null) {
    const beyond = sql.raw(direction === 'asc' ? '>' : '<');
    const last = sql`(select created_at_us, namespace from image_metadef_namespace where namespace = ${marker})`;
    found = found.where(sql<boolean>`(created_at_us, namespace) ${beyond} ${last}`);
  }
  const rows = await found
    .orderBy('created_at_us', direction)
    .orderBy('namespace', direction)
    .limit(limit + 1)
    .execute();
  return { rows: rows.slice(0, limit), more: rows.length > limit };
}

export function rowOf(core: ImageCore, body: Body, owner: string): NamespaceRow {
  const nowUs = core.nowUs();
  const text = (name: string) => (typeof body[name] === 'string' ? String(body[name]) : null);
  return {
    id: core.newId(),
    namespace: String(body.namespace),
    owner: text('owner') ?? owner,
    visibility: text('visibility') ?? 'private',
    protected: body.protected === true ? 1 : 0,
    display_name: text('display_name'),
    description: text('description'),
    created_at_us: nowUs,
    updated_at_us: nowUs,
  };
}

/** What a namespace is made with may hold everything that will be in it. */
export async function insertNested(
  core: ImageCore,
  tx: Tx,
  namespaceId: string,
  body: Body,
): Promise<void> {
  const list = (name: string) => (Array.isArray(body[name]) ? (body[name] as Body[]) : []);
  const insert = (kind: MetadefKind, document: Body) =>
    insertItem(core, tx, { namespaceId, kind, document });
  for (const document of list('resource_type_associations'))
    await insert('resource_type', document);
  for (const document of list('objects')) await insert('object', document);
  for (const document of list('tags')) await insert('tag', document);
  for (const [name, document] of Object.entries((body.properties ?? {}) as Body))
    await insert('property', { ...(document as Body), name });
}

export interface NewItem {
  readonly namespaceId: string;
  readonly kind: MetadefKind;
  readonly document: Body;
}

export async function insertItem(core: ImageCore, tx: Tx, item: NewItem): Promise<MetadefRow> {
  const { name, ...document } = item.document;
  const nowUs = core.nowUs();
  const row: MetadefRow = {
    namespace_id: item.namespaceId,
    kind: item.kind,
    name: String(name),
    document: JSON.stringify(document),
    created_at_us: nowUs,
    updated_at_us: nowUs,
  };
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('image_metadef_item')
    .values(row)
    .onConflict((clash) => clash.doNothing())
    .executeTakeFirst();
  if (numInsertedOrUpdatedRows === 0n)
    throw conflict(`A metadata definition ${item.kind} with name=${row.name} already exists.`);
  return row;
}
