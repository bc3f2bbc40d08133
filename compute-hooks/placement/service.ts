/** Placement as a service of its own, in the catalog as `placement`. */
import { apiService, type MountableService, Policy } from '#cloud/api';
import type { ComputeCaller } from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { placementDialect } from './failures.ts';
import { placementRoutes } from './routes.ts';
import { placementMax, placementMin } from './versions.ts';

export function placementService(
  core: ComputeCore,
  authenticate: (token: string) => Promise<ComputeCaller | undefined>,
): MountableService {
  return apiService<ComputeCaller>({
    name: 'placement',
    dialect: placementDialect,
    policy: new Policy({
      'placement:admin': 'role:admin',
      'placement:usages': 'role:admin or (role:reader and project_id:%(project_id)s)',
    }),
    routes: placementRoutes(core),
    versions: { service: 'placement', min: placementMin, max: placementMax, olderHeaders: [] },
    headers: {},
    authenticate,
  });
}
