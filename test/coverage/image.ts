/** Every operation of Glance's Image API v2 (2.0 to 2.17) with its parameters, and what of it is there. */
import type { State } from './upstream.ts';

export interface ImageOperation {
  readonly operation: string;
  readonly parameters?: string;
  readonly state: State;
  readonly note?: string;
}

const list = (state: State, operations: readonly string[], note?: string): ImageOperation[] =>
  operations.map((operation) => ({ operation, state, ...(note === undefined ? {} : { note }) }));

export const imageOperations: readonly ImageOperation[] = [
  ...list('works', ['GET /', 'GET /versions', 'GET /v2']),
  {
    operation: 'POST /v2/images',
    parameters: 'all base properties, id, owner (administrators), any other property, tags',
    state: 'works',
  },
  {
    operation: 'GET /v2/images',
    parameters:
      'limit, marker, sort, sort_key, sort_dir; name, id, status, container_format, disk_format (also in:), owner, visibility (all too), member_status, tag, size_min, size_max, min_disk, min_ram, created_at and updated_at (gt, gte, lt, lte, eq, neq), protected, os_hidden, checksum, os_hash_value, any property',
    state: 'works',
  },
  { operation: 'DELETE /v2/images', state: 'refused', note: '405, as upstream' },
  ...list('works', [
    'GET /v2/images/:image_id',
    'DELETE /v2/images/:image_id',
    'POST /v2/images/:image_id/actions/deactivate',
    'POST /v2/images/:image_id/actions/reactivate',
  ]),
  {
    operation: 'PATCH /v2/images/:image_id',
    parameters: 'add, replace, remove; both patch media types; /locations answers 403',
    state: 'works',
  },
  {
    operation: 'PUT /v2/images/:image_id/file',
    parameters: 'X-Image-Meta-Store, Content-Length or chunked',
    state: 'works',
  },
  { operation: 'PUT /v2/images/:image_id/stage', state: 'works' },
  {
    operation: 'GET /v2/images/:image_id/file',
    parameters: 'Range, Content-Range',
    state: 'works',
  },
  {
    operation: 'POST /v2/images/:image_id/import',
    parameters:
      'glance-direct, web-download (an object of this cloud by reference), copy-image; stores, all_stores',
    state: 'works',
    note: 'glance-download (from another cloud) is refused (400)',
  },
  ...list('works', [
    'GET /v2/images/:image_id/tasks',
    'PUT /v2/images/:image_id/tags/:tag_value',
    'DELETE /v2/images/:image_id/tags/:tag_value',
    'GET /v2/images/:image_id/members',
    'POST /v2/images/:image_id/members',
    'GET /v2/images/:image_id/members/:member_id',
    'PUT /v2/images/:image_id/members/:member_id',
    'DELETE /v2/images/:image_id/members/:member_id',
    'GET /v2/info/import',
    'GET /v2/info/stores',
    'GET /v2/info/stores/detail',
    'GET /v2/info/usage',
  ]),
  {
    operation: 'DELETE /v2/stores/:store_id/:image_id',
    state: 'refused',
    note: '403: there is one store, and the only copy is not deleted from it',
  },
  {
    operation: 'GET /v2/tasks',
    parameters: 'status, type, owner, limit, marker, sort_dir',
    state: 'works',
  },
  { operation: 'POST /v2/tasks', parameters: 'type import', state: 'works' },
  { operation: 'GET /v2/tasks/:task_id', state: 'works' },
  { operation: 'DELETE /v2/tasks/:task_id', state: 'refused', note: '405, as upstream' },
  ...list(
    'refused',
    ['GET /v2/cache', 'DELETE /v2/cache', 'PUT /v2/cache/:image_id', 'DELETE /v2/cache/:image_id'],
    '404 “not supported at this site”: image bytes lie in the cloud’s own store, so there is no cache to manage',
  ),
  ...list('works', [
    'GET /v2/schemas/image',
    'GET /v2/schemas/images',
    'GET /v2/schemas/member',
    'GET /v2/schemas/members',
    'GET /v2/schemas/task',
    'GET /v2/schemas/tasks',
  ]),
  {
    operation: 'POST /v2/images/:image_id/locations',
    parameters: 'url of an object of this cloud (http, https, swift, s3); validation_data',
    state: 'works',
    note: 'taken by reference; locations elsewhere are refused (400)',
  },
  {
    operation: 'GET /v2/images/:image_id/locations',
    state: 'works',
    note: 'for services, as upstream',
  },
  ...list('works', [
    'GET /v2/metadefs/namespaces',
    'POST /v2/metadefs/namespaces',
    'GET /v2/metadefs/namespaces/:namespace',
    'PUT /v2/metadefs/namespaces/:namespace',
    'DELETE /v2/metadefs/namespaces/:namespace',
    'GET /v2/metadefs/namespaces/:namespace/objects',
    'POST /v2/metadefs/namespaces/:namespace/objects',
    'DELETE /v2/metadefs/namespaces/:namespace/objects',
    'GET /v2/metadefs/namespaces/:namespace/objects/:name',
    'PUT /v2/metadefs/namespaces/:namespace/objects/:name',
    'DELETE /v2/metadefs/namespaces/:namespace/objects/:name',
    'GET /v2/metadefs/namespaces/:namespace/properties',
    'POST /v2/metadefs/namespaces/:namespace/properties',
    'DELETE /v2/metadefs/namespaces/:namespace/properties',
    'GET /v2/metadefs/namespaces/:namespace/properties/:name',
    'PUT /v2/metadefs/namespaces/:namespace/properties/:name',
    'DELETE /v2/metadefs/namespaces/:namespace/properties/:name',
    'GET /v2/metadefs/namespaces/:namespace/tags',
    'POST /v2/metadefs/namespaces/:namespace/tags',
    'DELETE /v2/metadefs/namespaces/:namespace/tags',
    'GET /v2/metadefs/namespaces/:namespace/tags/:name',
    'PUT /v2/metadefs/namespaces/:namespace/tags/:name',
    'DELETE /v2/metadefs/namespaces/:namespace/tags/:name',
    'POST /v2/metadefs/namespaces/:namespace/tags/:name',
    'GET /v2/metadefs/resource_types',
    'GET /v2/metadefs/namespaces/:namespace/resource_types',
    'POST /v2/metadefs/namespaces/:namespace/resource_types',
    'DELETE /v2/metadefs/namespaces/:namespace/resource_types/:name',
    'GET /v2/schemas/metadefs/namespace',
    'GET /v2/schemas/metadefs/namespaces',
    'GET /v2/schemas/metadefs/object',
    'GET /v2/schemas/metadefs/objects',
    'GET /v2/schemas/metadefs/property',
    'GET /v2/schemas/metadefs/properties',
    'GET /v2/schemas/metadefs/tag',
    'GET /v2/schemas/metadefs/tags',
    'GET /v2/schemas/metadefs/resource_type',
    'GET /v2/schemas/metadefs/resource_types',
  ]),
];

/** The rows of the table; throws when it and the routes that exist say different things. */
export function imageRows(
  routes: readonly { readonly method: string; readonly path: string }[],
): string[][] {
  const present = new Set(routes.map(({ method, path }) => `${method} ${path}`));
  for (const { operation, state } of imageOperations) {
    const isThere = present.delete(operation);
    if (isThere === (state === 'missing'))
      throw new Error(`coverage of images: ${operation} is said to be ${state}`);
  }
  if (present.size > 0) throw new Error(`coverage of images lacks ${[...present].join(', ')}`);
  return imageOperations.map(({ operation, parameters = '', state, note = '' }) => [
    `\`${operation}\``,
    parameters,
    state,
    note,
  ]);
}
