/** The image service's HTTP API: every route, the policy, the dialect. */

import {
  apiService,
  type MountableService,
  Policy,
  type PolicyRules,
  type RequestLine,
  type Route,
} from '#cloud/api';
import { Failure } from '#common';
import type { ImageCaller } from './caller.ts';
import type { ImageCore } from './core.ts';
import { imageFailures } from './failures.ts';
import { metadefRoutes } from './metadefs/routes.ts';
import { imageRules } from './policies.ts';
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

/** `overrides` replace the defaults rule by rule, as upstream's policy file does. */
export function imageService(
  core: ImageCore,
  authenticate: Authenticate,
  overrides: PolicyRules,
): MountableService {
  for (const rule of Object.keys(overrides)) {
    if (!Object.hasOwn(imageRules, rule))
      throw new Failure('invalid', 'bad-policy', `There is no policy rule ${rule} to replace`);
  }
  return apiService<ImageCaller>({
    name: 'image',
    dialect: {
      failures: imageFailures,
      body: ({ status, message, title }) => ({ error: { code: status, message, title } }),
    },
    policy: new Policy({ ...imageRules, ...overrides }),
    routes: imageApiRoutes(core),
    headers: { Vary: 'X-Auth-Token' },
    authenticate,
  });
}
