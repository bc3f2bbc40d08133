/** `/v2/metadefs/namespaces`. */
import type { Route } from '#cloud/api';
import { callerOf, type ImageCaller, projectOf, type Request, route } from '../caller.ts';
import type { ImageCore } from '../core.ts';
import { conflict, forbidden } from '../failures.ts';
import {
  type Body,
  getNamespace,
  insertNested,
  itemsOf,
  listNamespaces,
  namespaceView,
  refuseReadOnly,
  rowOf,
} from './namespaces.ts';
import { bodies } from './schemas.ts';

const path = '/v2/metadefs/namespaces/:namespace';

export function namespaceRoutes(core: ImageCore): Route<ImageCaller>[] {
  return [
    route({
      method: 'GET',
      path: '/v2/metadefs/namespaces',
      policy: 'get_metadef_namespaces',
      target: (request) => ({ project_id: callerOf(request).projectId }),
      handle: async (request) => {
        const { rows, more } = await listNamespaces(core, request);
        const query = new URLSearchParams(request.query);
        query.delete('marker');
        const linkTo = (text: string) => `/v2/metadefs/namespaces${text === '' ? '' : `?${text}`}`;
        const first = linkTo(query.toString());
        const last = rows.at(-1);
        if (last !== undefined) query.set('marker', last.namespace);
        return {
          body: {
            namespaces: rows.map((row) => namespaceView(row)),
            first,
            schema: '/v2/schemas/metadefs/namespaces',
            ...(more ? { next: linkTo(query.toString()) } : {}),
          },
        };
      },
    }),
    route({
      method: 'POST',
      path: '/v2/metadefs/namespaces',
      policy: 'add_metadef_namespace',
      body: bodies.namespace,
      handle: (request) => createNamespace(core, request),
    }),
    route({
      method: 'GET',
      path,
      policy: 'any-token',
      handle: async (request) => {
        const row = await getNamespace(request, 'get_metadef_namespace', core.db);
        const items = await itemsOf(core.db, row.id);
        return { body: namespaceView(row, items, request.query.get('resource_type')) };
      },
    }),
    route({
      method: 'PUT',
      path,
      policy: 'any-token',
      body: bodies.namespace,
      handle: (request) => updateNamespace(core, request),
    }),
    route({
      method: 'DELETE',
      path,
      policy: 'any-token',
      handle: async (request) => {
        await core.change(async (tx) => {
          const row = await getNamespace(request, 'delete_metadef_namespace', tx);
          if (row.protected === 1)
            throw forbidden(
              `Metadata definition namespace ${row.namespace} is protected and cannot be deleted.`,
            );
          await tx.deleteFrom('image_metadef_namespace').where('id', '=', row.id).execute();
        });
        return { status: 204 };
      },
    }),
  ];
}

const taken = (name: string) =>
  conflict(`The metadata definition namespace=${name} already exists.`);

async function createNamespace(core: ImageCore, request: Request<Body>) {
  refuseReadOnly(request.body);
  const row = rowOf(core, request.body, projectOf(request) ?? '');
  const items = await core.change(async (tx) => {
    const { numInsertedOrUpdatedRows } = await tx
      .insertInto('image_metadef_namespace')
      .values(row)
      .onConflict((clash) => clash.doNothing())
      .executeTakeFirst();
    if (numInsertedOrUpdatedRows === 0n) throw taken(row.namespace);
    await insertNested(core, tx, row.id, request.body);
    return await itemsOf(tx, row.id);
  });
  const body = namespaceView(row, items);
  return { status: 201, body, headers: { Location: `${request.baseUrl}${String(body.self)}` } };
}

async function updateNamespace(core: ImageCore, request: Request<Body>) {
  refuseReadOnly(request.body);
  const after = await core.change(async (tx) => {
    const before = await getNamespace(request, 'modify_metadef_namespace', tx);
    const wanted = rowOf(core, request.body, before.owner);
    const { id, created_at_us } = before;
    if (wanted.namespace !== before.namespace) {
      const other = await tx
        .selectFrom('image_metadef_namespace')
        .select('id')
        .where('namespace', '=', wanted.namespace)
        .executeTakeFirst();
      if (other !== undefined) throw taken(wanted.namespace);
    }
    const row = { ...wanted, id, created_at_us };
    await tx.updateTable('image_metadef_namespace').set(row).where('id', '=', id).execute();
    return row;
  });
  return { body: namespaceView(after) };
}
