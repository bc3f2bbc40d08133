/** Versions and extensions: what this API is, as clients ask before they use it. */
import type { Caller, Route } from '#cloud/api';
import { type Request, route } from '../caller.ts';
import { fail } from '../failures.ts';
import { param } from '../model/routes.ts';
import { extensions } from './extensions.ts';

const collections = [
  'network',
  'subnet',
  'subnetpool',
  'port',
  'router',
  'floatingip',
  'security_group',
  'security_group_rule',
];

export function discoveryRoutes(): Route<Caller>[] {
  return [
    route({
      method: 'GET',
      path: '/',
      policy: 'public',
      handle: (request) => ({ body: { versions: [version(request)] } }),
    }),
    route({
      method: 'GET',
      path: '/v2.0',
      policy: 'public',
      handle: (request) => ({
        body: {
          resources: collections.map((name) => {
            const collection = `${name.replaceAll('_', '-')}s`;
            return {
              name,
              collection,
              links: [{ rel: 'self', href: `${request.baseUrl}/v2.0/${collection}` }],
            };
          }),
        },
      }),
    }),
    route({
      method: 'GET',
      path: '/v2.0/extensions',
      policy: 'any-token',
      handle: () => ({ body: { extensions } }),
    }),
    route({
      method: 'GET',
      path: '/v2.0/extensions/:alias',
      policy: 'any-token',
      handle: (request) => {
        const alias = param(request, 'alias');
        const found = extensions.find((one) => one.alias === alias);
        if (found === undefined)
          throw fail(
            'extension-not-found',
            `Extension with alias ${alias.slice(0, 64)} does not exist`,
          );
        return { body: { extension: found } };
      },
    }),
  ];
}

const version = (request: Request) => ({
  id: 'v2.0',
  status: 'CURRENT',
  links: [{ rel: 'self', href: `${request.baseUrl}/v2.0/` }],
});
