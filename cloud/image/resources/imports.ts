/** Importing data into an image, and the tasks that do it. */
import Type from 'typebox';
import type { Route } from '#cloud/api';
import { callerOf, type ImageCaller, projectOf, type Request, route } from '../caller.ts';
import { objectAt } from '../content/user-objects.ts';
import { checkUri } from '../content/web-download.ts';
import type { ImageCore } from '../core.ts';
import { conflict, imageFailure, invalid } from '../failures.ts';
import { getImage } from '../images/access.ts';
import { roomFor } from '../images/quotas.ts';
import type { ImageRecord } from '../images/records.ts';
import { storeId } from '../images/view.ts';
import { inject } from '../tasks/injection.ts';
import { importMethods } from '../tasks/methods.ts';
import { type ImportSource, startTask } from '../tasks/task-rows.ts';
import { taskView } from './tasks.ts';

const importBody = Type.Object(
  {
    method: Type.Optional(
      Type.Object(
        { name: Type.Optional(Type.String({ maxLength: 255 })), uri: Type.Optional(Type.String()) },
        { additionalProperties: true },
      ),
    ),
    stores: Type.Optional(Type.Array(Type.String({ maxLength: 255 }), { maxItems: 64 })),
    all_stores: Type.Optional(Type.Unknown()),
    all_stores_must_succeed: Type.Optional(Type.Unknown()),
  },
  { additionalProperties: true },
);

interface Asked {
  readonly method: string;
  readonly uri: string | undefined;
}

export function importRoutes(core: ImageCore): Route<ImageCaller>[] {
  return [
    route({
      method: 'POST',
      path: '/v2/images/:image_id/import',
      policy: 'any-token',
      body: importBody,
      handle: async (request) => {
        const asked = askedFor(request.body);
        const image = await getImage(
          core,
          request,
          asked.method === 'copy-image' ? 'copy_image' : 'modify_image',
        );
        checkState(image, asked);
        checkStores(request, asked);
        const source = await sourceOf(core, request, asked);
        if (asked.method !== 'copy-image') await roomFor(core, image.owner, 'size_total');
        await core.change(async (tx) => {
          const now = await getImage(core, request, 'get_image', tx);
          checkState(now, asked);
          if (asked.method !== 'copy-image') await inject(core, tx, request, now);
          await startTask(core, tx, {
            type: 'api_image_import',
            owner: projectOf(request),
            imageId: image.id,
            userId: callerOf(request).userId,
            requestId: request.requestId,
            input: { image_id: image.id, import_req: request.body, backend: [storeId] },
            source,
          });
        });
        return { status: 202 };
      },
    }),
    route({
      method: 'GET',
      path: '/v2/images/:image_id/tasks',
      policy: 'any-token',
      handle: async (request) => {
        const image = await getImage(core, request, 'get_image');
        const rows = await core.db
          .selectFrom('image_task')
          .selectAll()
          .where('image_id', '=', image.id)
          .orderBy('created_at_us')
          .limit(core.settings.limitMax)
          .execute();
        return { body: { tasks: rows.map(taskView) } };
      },
    }),
  ];
}

/** A URL of this cloud's own object store means the object itself; every other is asked for over the network. */
async function sourceOf(
  core: ImageCore,
  request: Request,
  { method, uri = '' }: Asked,
): Promise<ImportSource> {
  if (method !== 'web-download') return { method };
  const object = await objectAt(core, request, uri);
  if (object !== undefined) return { method, uri, object };
  checkUri(core.settings, uri);
  return { method, uri };
}

function askedFor(body: {
  readonly method?: { readonly name?: string; readonly uri?: string };
  readonly all_stores?: unknown;
  readonly all_stores_must_succeed?: unknown;
}): Asked {
  const { method } = body;
  if (method === undefined) throw invalid("Import request requires a 'method' field.");
  if (method.name === undefined) throw invalid("Import request requires a 'name' field.");
  if (!importMethods.includes(method.name))
    throw invalid(`Unknown import method name '${method.name}'.`);
  for (const name of ['all_stores', 'all_stores_must_succeed'] as const)
    if (body[name] !== undefined && typeof body[name] !== 'boolean')
      throw invalid(`'${name}' must be boolean value only`);
  return { method: method.name, uri: method.uri };
}

function checkState(image: ImageRecord, { method }: Asked): void {
  if (image.status === 'importing') throw conflict('Image has active task');
  if (image.status === 'active' && method !== 'copy-image')
    throw conflict('Image with status active cannot be target for import');
  if (image.status !== 'active' && method === 'copy-image')
    throw conflict('Only images with status active can be targeted for copying');
  if (image.status !== 'queued' && method === 'web-download')
    throw conflict(`Image needs to be in 'queued' state to use '${method}' method`);
  if (image.staged_id === null && method === 'glance-direct')
    throw conflict("Image needs to be staged before 'glance-direct' method can be used");
  if (image.container_format === null)
    throw conflict("'container_format' needs to be set before import");
  if (image.disk_format === null) throw conflict("'disk_format' needs to be set before import");
}

function checkStores(
  request: Request<{ readonly stores?: readonly string[]; readonly all_stores?: unknown }>,
  { method }: Asked,
): void {
  const { stores = [], all_stores } = request.body;
  const header = request.headers['x-image-meta-store'];
  for (const store of [...stores, ...(typeof header === 'string' ? [header] : [])])
    if (store !== storeId) throw conflict(`Unknown scheme '${store.slice(0, 64)}' found in URI`);
  // With one store there is never anything to copy; `all_stores` has nothing left to do, which is no error.
  if (method === 'copy-image' && all_stores !== true)
    throw imageFailure('invalid', { why: `Image is already present at store '${storeId}'` });
}
