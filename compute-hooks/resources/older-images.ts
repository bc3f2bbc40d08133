/** Images as versions before 2.36 show them: the image service's, in Nova's words. */
import type { Route } from '#cloud/api';
import { type ComputeCaller, compute, parameter, type Request } from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { computeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import { ask } from '../service-calls.ts';
import { linksOf } from './server-views.ts';

interface Image {
  readonly id: string;
  readonly name: string | null;
  readonly status: string;
  readonly size: number | null;
  readonly min_disk: number;
  readonly min_ram: number;
  readonly created_at: string;
  readonly updated_at: string;
  readonly [property: string]: unknown;
}

const until = { until: '2.35' } as const;
const untilMetadata = { until: '2.38' } as const;
const policy = 'os_compute_api:images';

/** What an image is made of; everything else is a property that somebody has set. */
const own = new Set(
  `id name status size min_disk min_ram created_at updated_at visibility protected checksum owner disk_format container_format tags self file
   schema virtual_size os_hidden os_hash_algo os_hash_value locations direct_url stores`.split(
    /\s+/,
  ),
);

const statuses: Readonly<Record<string, readonly [status: string, progress: number]>> = {
  active: ['ACTIVE', 100],
  queued: ['SAVING', 0],
  saving: ['SAVING', 50],
  importing: ['SAVING', 50],
  killed: ['ERROR', 0],
  deleted: ['DELETED', 0],
};

export function olderImageRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const one = async (request: Request): Promise<Image> => {
    const id = parameter(request, 'image_id');
    if (!new RegExp(fields.uuidPattern).test(id))
      throw computeFailure('missing', { why: 'Image not found.' });
    return (await ask(core, request, {
      ...{ service: 'image', method: 'GET', path: `/v2/images/${id}` },
    })) as Image;
  };
  const list = async (request: Request): Promise<readonly Image[]> => {
    const query = queryOf(request.query);
    const { images } = await ask(core, request, {
      ...{ service: 'image', method: 'GET', path: `/v2/images?${query}` },
    });
    const server = request.query.get('server')?.split('/').at(-1);
    return (images as Image[]).filter(
      (image) => server === undefined || image.instance_uuid === server,
    );
  };
  return [
    compute({
      method: 'GET',
      path: '/images',
      policy,
      versions: until,
      handle: async (request) => ({
        body: {
          images: (await list(request)).map(({ id, name }) => ({
            ...{ id, name: name ?? '', links: imageLinks(request, id) },
          })),
        },
      }),
    }),
    compute({
      method: 'GET',
      path: '/images/detail',
      policy,
      versions: until,
      handle: async (request) => ({
        body: { images: (await list(request)).map((image) => view(request, image)) },
      }),
    }),
    compute({
      method: 'GET',
      path: '/images/:image_id',
      policy,
      versions: until,
      handle: async (request) => ({ body: { image: view(request, await one(request)) } }),
    }),
    compute({
      method: 'DELETE',
      path: '/images/:image_id',
      policy,
      versions: until,
      handle: async (request) => {
        const { id } = await one(request);
        await ask(core, request, { service: 'image', method: 'DELETE', path: `/v2/images/${id}` });
        return { status: 204 };
      },
    }),
    ...metadataRoutes(core, one),
  ];
}

function metadataRoutes(
  core: ComputeCore,
  one: (request: Request) => Promise<Image>,
): Route<ComputeCaller>[] {
  const path = '/images/:image_id/metadata';
  const set = async (request: Request, image: Image, wanted: Readonly<Record<string, string>>) => {
    const before = propertiesOf(image);
    const changes = [
      ...Object.keys(before)
        .filter((name) => !Object.hasOwn(wanted, name))
        .map((name) => ({ op: 'remove', path: `/${pointer(name)}` })),
      ...Object.entries(wanted)
        .filter(([name, value]) => before[name] !== value)
        .map(([name, value]) => ({
          op: Object.hasOwn(before, name) ? 'replace' : 'add',
          ...{ path: `/${pointer(name)}`, value },
        })),
    ];
    if (changes.length === 0) return before;
    const body = Buffer.from(JSON.stringify(changes));
    const type = 'application/openstack-images-v2.1-json-patch';
    const changed = await ask(core, request, {
      ...{ service: 'image', method: 'PATCH', path: `/v2/images/${image.id}`, body, type },
    });
    return propertiesOf(changed as Image);
  };
  const body = fields.object({ metadata: fields.metadata });
  const item = fields.object({ meta: fields.metadata });
  const named = (request: Request, image: Image): [string, string] => {
    const key = parameter(request, 'key');
    const value = propertiesOf(image)[key];
    if (value !== undefined) return [key, value];
    throw computeFailure('missing', { why: 'Metadata item was not found' });
  };
  return [
    compute({
      ...{ method: 'GET', path, policy, versions: untilMetadata },
      handle: async (request) => ({ body: { metadata: propertiesOf(await one(request)) } }),
    }),
    compute({
      ...{ method: 'POST', path, policy, versions: untilMetadata, body },
      handle: async (request) => {
        const image = await one(request);
        const wanted = { ...propertiesOf(image), ...request.body.metadata };
        return { body: { metadata: await set(request, image, wanted) } };
      },
    }),
    compute({
      ...{ method: 'PUT', path, policy, versions: untilMetadata, body },
      handle: async (request) => ({
        body: { metadata: await set(request, await one(request), request.body.metadata) },
      }),
    }),
    compute({
      ...{ method: 'GET', path: `${path}/:key`, policy, versions: untilMetadata },
      handle: async (request) => {
        const [key, value] = named(request, await one(request));
        return { body: { meta: { [key]: value } } };
      },
    }),
    compute({
      ...{ method: 'PUT', path: `${path}/:key`, policy, versions: untilMetadata, body: item },
      handle: async (request) => {
        const key = parameter(request, 'key');
        const value = request.body.meta[key];
        if (value === undefined || Object.keys(request.body.meta).length !== 1)
          throw computeFailure('refused', { why: 'Request body and URI mismatch' });
        const image = await one(request);
        await set(request, image, { ...propertiesOf(image), [key]: value });
        return { body: { meta: { [key]: value } } };
      },
    }),
    compute({
      ...{ method: 'DELETE', path: `${path}/:key`, policy, versions: untilMetadata },
      handle: async (request) => {
        const image = await one(request);
        const [key] = named(request, image);
        const { [key]: _gone, ...rest } = propertiesOf(image);
        await set(request, image, rest);
        return { status: 204 };
      },
    }),
  ];
}

/** RFC 6901. */
const pointer = (name: string) => name.replaceAll('~', '~0').replaceAll('/', '~1');

/** Nova's filters in the image service's words. */
function queryOf(asked: URLSearchParams): URLSearchParams {
  const query = new URLSearchParams();
  const copy = (name: string, as: string, change = (value: string) => value) => {
    const value = asked.get(name);
    if (value !== null) query.set(as, change(value));
  };
  copy('limit', 'limit');
  copy('marker', 'marker');
  copy('name', 'name');
  copy('minDisk', 'min_disk');
  copy('minRam', 'min_ram');
  copy('changes-since', 'updated_at', (value) => `gte:${value}`);
  copy('type', 'image_type');
  copy('status', 'status', (value) => (value === 'SAVING' ? 'saving' : value.toLowerCase()));
  return query;
}

function imageLinks(request: Request, id: string) {
  const href = `${request.baseUrl.replace(/\/compute$/, '/image')}/images/${id}`;
  const type = 'application/vnd.openstack.image';
  return [...linksOf(request, 'images', id), { rel: 'alternate', type, href }];
}

function propertiesOf(image: Image): Record<string, string> {
  return Object.fromEntries(
    Object.entries(image).flatMap(([name, value]) =>
      own.has(name) || value === null ? [] : [[name, String(value)]],
    ),
  );
}

function view(request: Request, image: Image) {
  const [status, progress] = statuses[image.status] ?? ['UNKNOWN', 0];
  const server = image.instance_uuid;
  return {
    id: image.id,
    name: image.name ?? '',
    minRam: image.min_ram,
    minDisk: image.min_disk,
    metadata: propertiesOf(image),
    created: image.created_at,
    updated: image.updated_at,
    status,
    progress,
    links: imageLinks(request, image.id),
    'OS-EXT-IMG-SIZE:size': image.size ?? 0,
    ...(typeof server === 'string'
      ? { server: { id: server, links: linksOf(request, 'servers', server) } }
      : {}),
  };
}
