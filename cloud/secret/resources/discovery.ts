/** Which versions there are. Since 1.1 they are written as other services write theirs. */
import type { Route } from '#cloud/api';
import { type Request, route, type SecretCaller } from '../caller.ts';
import { versionMax, versionMin } from '../versions.ts';

export function discoveryRoutes(): Route<SecretCaller>[] {
  return [
    route({
      method: 'GET',
      path: '/',
      policy: 'public',
      handle: (request) => {
        const entry = versionEntry(request);
        const versions = request.within({ from: '1.1' }) ? [entry] : { values: [entry] };
        return { status: 300, body: { versions } };
      },
    }),
    route({
      method: 'GET',
      path: '/v1',
      policy: 'public',
      handle: (request) => ({ body: { version: versionEntry(request) } }),
    }),
  ];
}

function versionEntry(request: Request) {
  const links = [
    { rel: 'self', href: `${request.baseUrl}/v1/` },
    { rel: 'describedby', type: 'text/html', href: 'https://docs.openstack.org/' },
  ];
  if (request.within({ from: '1.1' }))
    return {
      id: 'v1',
      status: 'CURRENT',
      min_version: versionMin,
      max_version: versionMax,
      links,
    };
  return {
    id: 'v1',
    status: 'stable',
    links,
    'media-types': [
      { base: 'application/json', type: 'application/vnd.openstack.key-manager-v1+json' },
    ],
  };
}
