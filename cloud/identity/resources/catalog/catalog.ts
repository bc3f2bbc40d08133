/** The catalog: enabled services with their endpoints, as a token's owner sees them. */
import type { Db } from '../../core.ts';
import type { EndpointRow } from '../../tables.ts';
import type { View } from '../views.ts';
import { endpointsOfProject } from './endpoint-filters.ts';

/** The catalog of a token; endpoints that need a project are left out without one, as upstream does. */
export async function catalogFor(db: Db, projectId: string | undefined): Promise<View[]> {
  const services = await db
    .selectFrom('identity_service')
    .select(['id', 'type', 'name'])
    .where('enabled', '=', 1)
    .orderBy('type')
    .orderBy('name')
    .execute();
  const endpoints = await visibleEndpoints(db, projectId);
  return services.map((service) => ({
    ...service,
    endpoints: endpoints
      .filter((endpoint) => endpoint.service_id === service.id)
      .flatMap((endpoint) => {
        const url = fillUrl(endpoint.url, projectId);
        if (url === undefined) return [];
        const { id, interface: face, region_id } = endpoint;
        return [{ id, interface: face, region_id, region: region_id, url }];
      }),
  }));
}

/** A project that endpoints are chosen for sees those; every other one sees all. */
async function visibleEndpoints(db: Db, projectId: string | undefined): Promise<EndpointRow[]> {
  const enabled = await db
    .selectFrom('identity_endpoint')
    .selectAll()
    .where('enabled', '=', 1)
    .orderBy('interface')
    .execute();
  const chosen = projectId === undefined ? undefined : await endpointsOfProject(db, projectId);
  if (chosen === undefined) return enabled;
  const ids = new Set(chosen.map((endpoint) => endpoint.id));
  return enabled.filter((endpoint) => ids.has(endpoint.id));
}

const placeholder = /[%$]\((?:project_id|tenant_id)\)s/g;

/** Pure: puts the project into a URL template; nothing when it needs one and there is none. */
export function fillUrl(template: string, projectId: string | undefined): string | undefined {
  if (projectId !== undefined) return template.replaceAll(placeholder, projectId);
  return template.search(placeholder) < 0 ? template : undefined;
}
