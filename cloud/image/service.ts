/** The image service's HTTP API: every route, the policy, the dialect. */

import {
  apiService,
  type MountableService,
  type Policy,
  type RequestLine,
  type Route,
} from '#cloud/api';
import type { ImageCaller } from './caller.ts';
import type { ImageCore } from './core.ts';
import { imageFailures } from './failures.ts';
import { metadefRoutes } from './metadefs/routes.ts';
import { actionRoutes } from './resources/actions.ts';
import { cacheRoutes } from './resources/cache.ts';
import { dataRoutes } from './resources/data.ts';
import { discoveryRoutes } from './resources/discovery.ts';
import { imageRoutes } from './resources/images.ts';
import { importRoutes } from './resources/imports.ts';
import { locationRoutes } from './resources/locations.ts';
import { memberRoutes } from './resources/members.ts';
import { schemaRoutes } from './resources/schemas.ts';
import { tagRoutes } from './resources/tags.ts';
import { taskRoutes } from './resources/tasks.ts';

export type Authenticate = (token: string, line: RequestLine) => Promise<ImageCaller | undefined>;

export function imageApiRoutes(core: ImageCore): Route<ImageCaller>[] {
  return [
    ...discoveryRoutes(core),
    ...imageRoutes(core),
    ...dataRoutes(core),
    ...actionRoutes(core),
    ...tagRoutes(core),
    ...memberRoutes(core),
    ...importRoutes(core),
    ...locationRoutes(core),
    ...taskRoutes(core),
    ...cacheRoutes(),
    ...metadefRoutes(core),
    ...schemaRoutes(),
  ];
}

export function imageService(
  core: ImageCore,
  authenticate: Authenticate,
  policy: Policy,
): MountableService {
  return apiService<ImageCaller>({
    name: 'image',
    dialect: {
      failures: imageFailures,
      body: ({ status, message, title }) => ({ error: { code: status, message, title } }),
    },
    policy,
    routes: imageApiRoutes(core),
    headers: { Vary: 'X-Auth-Token' },
    authenticate,
  });
}
