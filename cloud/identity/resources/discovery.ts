/** Version discovery. */
import type { Route } from '../../api/index.ts';
import { type IdentityCaller, type Request, route } from '../caller.ts';

// The version whose reference this API follows.
function versionView(request: Request) {
  return {
    id: 'v3.14',
    status: 'stable',
    updated: '2020-04-07T00:00:00Z',
    links: [{ rel: 'self', href: `${request.baseUrl}/v3/` }],
    'media-types': [
      { base: 'application/json', type: 'application/vnd.openstack.identity-v3+json' },
    ],
  };
}

export function discoveryRoutes(): Route<IdentityCaller>[] {
  return [
    route({
      method: 'GET',
      path: '/',
      policy: 'public',
      handle: (request) => ({
        status: 300,
        body: { versions: { values: [versionView(request)] } },
      }),
    }),
    route({
      method: 'GET',
      path: '/v3',
      policy: 'public',
      handle: (request) => ({ body: { version: versionView(request) } }),
    }),
  ];
}
