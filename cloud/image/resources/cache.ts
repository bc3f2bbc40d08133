/** The image cache API of upstream's `glance-api` hosts: here image bytes lie in the cloud's own store, and there is nothing to manage. */
import type { Route } from '#cloud/api';
import { type ImageCaller, route } from '../caller.ts';
import { imageFailure } from '../failures.ts';

export function cacheRoutes(): Route<ImageCaller>[] {
  const refused = (method: 'GET' | 'PUT' | 'DELETE', path: string, policy: string) =>
    route({
      method,
      path,
      policy,
      handle: () => {
        throw imageFailure('missing', { why: 'Caching via API is not supported at this site.' });
      },
    });
  return [
    refused('GET', '/v2/cache', 'cache_list'),
    refused('DELETE', '/v2/cache', 'cache_delete'),
    refused('PUT', '/v2/cache/:image_id', 'cache_image'),
    refused('DELETE', '/v2/cache/:image_id', 'cache_delete'),
  ];
}
