/** Metadata definitions: vocabularies of properties that images, volumes and flavors may have. */
import type { Route } from '#cloud/api';
import type { ImageCaller } from '../caller.ts';
import type { ImageCore } from '../core.ts';
import { itemRoutes } from './item-routes.ts';
import { namespaceRoutes } from './namespace-routes.ts';
import { resourceTypeRoutes } from './resource-type-routes.ts';

export const metadefRoutes = (core: ImageCore): Route<ImageCaller>[] => [
  ...namespaceRoutes(core),
  ...itemRoutes(core),
  ...resourceTypeRoutes(core),
];
