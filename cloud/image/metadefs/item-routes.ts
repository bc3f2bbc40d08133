/** Objects, properties and tags of a namespace: one set of routes each, of the same making. */
import type { Route } from '#cloud/api';
import { type ImageCaller, parameter, type Request, route } from '../caller.ts';
import type { Db, ImageCore } from '../core.ts';
import { conflict, missing } from '../failures.ts';
import type { MetadefKind, MetadefRow } from '../tables.ts';
import {
  type Body,
  documentOf,
  getNamespace,
  insertItem,
  itemsOf,
  itemView,
  refuseReadOnly,
} from './namespaces.ts';
import { bodies } from './schemas.ts';

interface Kind {
  readonly kind: 'object' | 'property' | 'tag';
  /** In paths. */
  readonly plural: 'objects' | 'properties' | 'tags';
  readonly removeRule: string;
}

const kinds: readonly Kind[] = [
  { kind: 'object', plural: 'objects', removeRule: 'delete_metadef_object' },
  { kind: 'property', plural: 'properties', removeRule: 'remove_metadef_property' },
  { kind: 'tag', plural: 'tags', removeRule: 'delete_metadef_tag' },
];

export const itemRoutes = (core: ImageCore): Route<ImageCaller>[] =>
  kinds.flatMap((kind) => routesOf(core, kind));

function routesOf(core: ImageCore, of: Kind): Route<ImageCaller>[] {
  const { kind, plural, removeRule } = of;
  const all = `/v2/metadefs/namespaces/:namespace/${plural}`;
  const one = `${all}/:name`;
  return [
    route({
      method: 'GET',
      path: all,
      policy: 'any-token',
      handle: (request) => listItems(core, request, of),
    }),
    ...(kind === 'tag' ? tagMakers(core, all, one) : [maker(core, kind, all)]),
    route({
      method: 'DELETE',
      path: all,
      policy: 'any-token',
      handle: async (request) => {
        await core.change(async (tx) => {
          const { id } = await getNamespace(request, 'delete_metadef_namespace', tx);
          await tx
            .deleteFrom('image_metadef_item')
            .where('namespace_id', '=', id)
            .where('kind', '=', kind)
            .execute();
        });
        return { status: 204 };
      },
    }),
    route({
      method: 'GET',
      path: one,
      policy: 'any-token',
      handle: async (request) => {
        const namespace = await getNamespace(request, `get_metadef_${kind}`, core.db);
        const row = await getItem(core.db, request, { namespaceId: namespace.id, kind });
        return { body: itemView(row, namespace.namespace) };
      },
    }),
    route({
      method: 'PUT',
      path: one,
      policy: 'any-token',
      body: bodies[kind],
      handle: (request) => updateItem(core, request, kind),
    }),
    route({
      method: 'DELETE',
      path: one,
      policy: 'any-token',
      handle: async (request) => {
        await core.change(async (tx) => {
          const { id: namespaceId } = await getNamespace(request, removeRule, tx);
          const { name } = await getItem(tx, request, { namespaceId, kind });
          await tx
            .deleteFrom('image_metadef_item')
            .where('namespace_id', '=', namespaceId)
            .where('kind', '=', kind)
            .where('name', '=', name)
            .execute();
        });
        return { status: 204 };
      },
    }),
  ];
}

async function listItems(core: ImageCore, request: Request, { kind, plural }: Kind) {
  const rule = kind === 'property' ? 'get_metadef_properties' : `get_metadef_${kind}s`;
  const namespace = await getNamespace(request, rule, core.db);
  const rows = await itemsOf(core.db, namespace.id, kind);
  if (kind === 'property')
    return {
      body: { properties: Object.fromEntries(rows.map((row) => [row.name, documentOf(row)])) },
    };
  const first = `/v2/metadefs/namespaces/${encodeURIComponent(namespace.namespace)}/${plural}`;
  const views = rows.map((row) =>
    kind === 'tag' ? { name: row.name } : itemView(row, namespace.namespace),
  );
  return { body: { [plural]: views, first, schema: `/v2/schemas/metadefs/${plural}` } };
}

function maker(core: ImageCore, kind: 'object' | 'property', path: string): Route<ImageCaller> {
  return route({
    method: 'POST',
    path,
    policy: 'any-token',
    body: bodies[kind],
    handle: async (request) => {
      refuseReadOnly(request.body);
      const body = await core.change(async (tx) => {
        const namespace = await getNamespace(request, `add_metadef_${kind}`, tx);
        const item = { namespaceId: namespace.id, kind, document: request.body };
        return itemView(await insertItem(core, tx, item), namespace.namespace);
      });
      return { status: 201, body };
    },
  });
}

/** One tag by its path, or a list that replaces all (or, with a header, joins them). */
function tagMakers(core: ImageCore, all: string, one: string): Route<ImageCaller>[] {
  const kind = 'tag' as const;
  return [
    route({
      method: 'POST',
      path: all,
      policy: 'any-token',
      body: bodies.tags,
      handle: async (request) => {
        const tags = request.body.tags as readonly Body[];
        const append = /^true$/i.test(String(request.headers['x-openstack-append'] ?? ''));
        const names = [...new Set(tags.map(({ name }) => String(name)))];
        await core.change(async (tx) => {
          const { id: namespaceId } = await getNamespace(request, 'add_metadef_tags', tx);
          if (!append)
            await tx
              .deleteFrom('image_metadef_item')
              .where('namespace_id', '=', namespaceId)
              .where('kind', '=', kind)
              .execute();
          for (const name of names)
            await insertItem(core, tx, { namespaceId, kind, document: { name } });
        });
        return { status: 201, body: { tags: names.map((name) => ({ name })) } };
      },
    }),
    route({
      method: 'POST',
      path: one,
      policy: 'any-token',
      handle: async (request) => {
        const body = await core.change(async (tx) => {
          const { id: namespaceId } = await getNamespace(request, 'add_metadef_tag', tx);
          const document = { name: parameter(request, 'name') };
          return itemView(await insertItem(core, tx, { namespaceId, kind, document }), '');
        });
        return { status: 201, body };
      },
    }),
  ];
}

async function getItem(
  db: Db,
  request: Request,
  of: { readonly namespaceId: string; readonly kind: MetadefKind },
): Promise<MetadefRow> {
  const name = parameter(request, 'name');
  const row = (await itemsOf(db, of.namespaceId, of.kind)).find((item) => item.name === name);
  if (row === undefined)
    throw missing(
      `The metadata definition ${of.kind} with name=${name.slice(0, 80)} was not found.`,
    );
  return row;
}

async function updateItem(core: ImageCore, request: Request<Body>, kind: MetadefKind) {
  refuseReadOnly(request.body);
  const body = await core.change(async (tx) => {
    const namespace = await getNamespace(request, `modify_metadef_${kind}`, tx);
    const of = { namespaceId: namespace.id, kind };
    const before = await getItem(tx, request, of);
    const { name, ...document } = request.body;
    const items = await itemsOf(tx, namespace.id, kind);
    if (name !== before.name && items.some((item) => item.name === name))
      throw conflict(`A metadata definition ${kind} with name=${String(name)} already exists.`);
    const after: MetadefRow = {
      ...before,
      name: String(name),
      document: JSON.stringify(document),
      updated_at_us: core.nowUs(),
    };
    await tx
      .updateTable('image_metadef_item')
      .set(after)
      .where('namespace_id', '=', namespace.id)
      .where('kind', '=', kind)
      .where('name', '=', before.name)
      .execute();
    return itemView(after, namespace.namespace);
  });
  return { body };
}
