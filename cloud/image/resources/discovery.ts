/** Version discovery, and what this service can do: import methods, stores, a project's usage. */
import type { Route } from '#cloud/api';
import { callerOf, type ImageCaller, projectOf, type Request, route } from '../caller.ts';
import type { ImageCore } from '../core.ts';
import { usageView } from '../images/quotas.ts';
import { storeId } from '../images/view.ts';
import { importMethods } from '../tasks/methods.ts';

/** 2.14 and 2.16 are those of the image cache, which is not here: bytes lie beside the service already. */
const minors = [
  ...[
    '2.17',
    '2.15',
    '2.13',
    '2.12',
    '2.11',
    '2.10',
    '2.9',
    '2.8',
    '2.7',
    '2.6',
    '2.5',
    '2.4',
    '2.3',
  ],
  ...['2.2', '2.1', '2.0'],
];

const versions = (request: Request) =>
  minors.map((id, at) => ({
    id: `v${id}`,
    status: at === 0 ? 'CURRENT' : 'SUPPORTED',
    links: [{ rel: 'self', href: `${request.baseUrl}/v2/` }],
  }));

export function discoveryRoutes(core: ImageCore): Route<ImageCaller>[] {
  const listed = (path: string, status: number) =>
    route({
      method: 'GET',
      path,
      policy: 'public',
      handle: (request) => ({ status, body: { versions: versions(request) } }),
    });
  const store = { id: storeId, description: 'The object storage of this cloud', default: 'true' };
  return [
    listed('/', 300),
    listed('/versions', 200),
    listed('/v2', 200),
    route({
      method: 'GET',
      path: '/v2/info/import',
      policy: 'any-token',
      handle: () => ({
        body: {
          'import-methods': {
            description: 'Import methods available.',
            type: 'array',
            value: importMethods,
          },
        },
      }),
    }),
    route({
      method: 'GET',
      path: '/v2/info/stores',
      policy: 'any-token',
      handle: () => ({ body: { stores: [store] } }),
    }),
    route({
      method: 'GET',
      path: '/v2/info/stores/detail',
      policy: 'stores_info_detail',
      handle: () => ({ body: { stores: [{ ...store, type: 'swift', properties: {} }] } }),
    }),
    route({
      method: 'GET',
      path: '/v2/info/usage',
      policy: 'any-token',
      handle: async (request) => {
        callerOf(request);
        return { body: { usage: await usageView(core, projectOf(request)) } };
      },
    }),
  ];
}
