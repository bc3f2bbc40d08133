/** Resource types: what kinds of things the definitions of a namespace are about. */
import type { Route } from '#cloud/api';
import { callerOf, type ImageCaller, parameter, route } from '../caller.ts';
import type { ImageCore } from '../core.ts';
import { missing } from '../failures.ts';
import { isoTime } from '../times.ts';
import { getNamespace, insertItem, itemsOf, itemView, refuseReadOnly } from './namespaces.ts';
import { bodies } from './schemas.ts';

/** The resource types that the services of this cloud have, associated with anything or not. */
const known = [
  ...['OS::Cinder::Volume', 'OS::Glance::Image', 'OS::Nova::Aggregate', 'OS::Nova::Flavor'],
  'OS::Nova::Server',
];

const path = '/v2/metadefs/namespaces/:namespace/resource_types';
const kind = 'resource_type';

export function resourceTypeRoutes(core: ImageCore): Route<ImageCaller>[] {
  return [
    route({
      method: 'GET',
      path: '/v2/metadefs/resource_types',
      policy: 'list_metadef_resource_types',
      target: (request) => ({ project_id: callerOf(request).projectId }),
      handle: async () => {
        const used = await core.db
          .selectFrom('image_metadef_item')
          .select((select) => ['name', select.fn.min('created_at_us').as('created_at_us')])
          .where('kind', '=', kind)
          .groupBy('name')
          .execute();
        const times = new Map(used.map((row) => [row.name, Number(row.created_at_us)]));
        const names = [...new Set([...known, ...times.keys()])].sort();
        const types = names.map((name) => {
          const at = isoTime(times.get(name) ?? 0);
          return { name, created_at: at, updated_at: at };
        });
        return { body: { resource_types: types } };
      },
    }),
    route({
      method: 'GET',
      path,
      policy: 'any-token',
      handle: async (request) => {
        const { id } = await getNamespace(request, 'get_metadef_resource_type', core.db);
        const rows = await itemsOf(core.db, id, kind);
        return { body: { resource_type_associations: rows.map((row) => itemView(row, '')) } };
      },
    }),
    route({
      method: 'POST',
      path,
      policy: 'any-token',
      body: bodies.resource_type,
      handle: async (request) => {
        refuseReadOnly(request.body);
        const body = await core.change(async (tx) => {
          const rule = 'add_metadef_resource_type_association';
          const { id: namespaceId } = await getNamespace(request, rule, tx);
          const item = { namespaceId, kind, document: request.body } as const;
          return itemView(await insertItem(core, tx, item), '');
        });
        return { status: 201, body };
      },
    }),
    route({
      method: 'DELETE',
      path: `${path}/:name`,
      policy: 'any-token',
      handle: async (request) => {
        const name = parameter(request, 'name');
        await core.change(async (tx) => {
          const rule = 'remove_metadef_resource_type_association';
          const { id } = await getNamespace(request, rule, tx);
          const { numDeletedRows } = await tx
            .deleteFrom('image_metadef_item')
            .where('namespace_id', '=', id)
            .where('kind', '=', kind)
            .where('name', '=', name)
            .executeTakeFirst();
          if (numDeletedRows === 0n)
            throw missing(
              `The metadata definition resource-type association of resource-type=${name.slice(0, 80)} was not found.`,
            );
        });
        return { status: 204 };
      },
    }),
  ];
}
