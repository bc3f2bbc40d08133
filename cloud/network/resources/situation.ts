/** How things are: agents (the chassis of OVN), zones, addresses that are left, providers of services. */
import type { Caller, Route } from '#cloud/api';
import { scopeOf } from '../addresses/allocation.ts';
import { parseIp } from '../addresses/ip.ts';
import { askerOf, route } from '../caller.ts';
import type { NetworkCore } from '../core.ts';
import { badRequest, fail } from '../failures.ts';
import type { Network, Subnet } from '../model/documents.ts';
import { withFields } from '../model/listing.ts';
import type { View } from '../model/resource.ts';
import { param } from '../model/routes.ts';
import { countClaims } from '../model/store.ts';

export function situationRoutes(core: NetworkCore): Route<Caller>[] {
  return [
    route({
      method: 'GET',
      path: '/v2.0/agents',
      policy: 'any-token',
      handle: (request) => {
        // A listing shows what the caller may see, which may be nothing.
        const agents = request.may('get_agent') ? core.agents() : [];
        return { body: { agents: filtered(agents, request.query) } };
      },
    }),
    route({
      method: 'GET',
      path: '/v2.0/agents/:id',
      policy: 'get_agent',
      handle: (request) => {
        const agent = core.agents().find((one) => one.id === param(request, 'id'));
        if (agent === undefined)
          throw fail(
            'agent-not-found',
            `Agent ${param(request, 'id').slice(0, 64)} could not be found.`,
          );
        return { body: { agent } };
      },
    }),
    ...(['PUT', 'DELETE'] as const).map((method) =>
      route({
        method,
        path: '/v2.0/agents/:id',
        policy: method === 'PUT' ? 'update_agent' : 'delete_agent',
        handle: () => {
          throw badRequest(
            'Bad agent request: OVN agents are what their hosts say and cannot be changed here.',
          );
        },
      }),
    ),
    route({
      method: 'GET',
      path: '/v2.0/availability_zones',
      policy: 'any-token',
      handle: () => ({
        body: {
          availability_zones: core.observed.available
            ? ['network', 'router'].map((resource) => ({
                name: 'nova',
                resource,
                state: 'available',
              }))
            : [],
        },
      }),
    }),
    route({
      method: 'GET',
      path: '/v2.0/network-ip-availabilities',
      policy: 'any-token',
      handle: async (request) => {
        const found = [];
        const networks = request.may('get_network_ip_availability')
          ? await core.list(core.db, 'network')
          : [];
        for (const network of networks) found.push(await availabilityOf(core, network));
        return { body: { network_ip_availabilities: filtered(found, request.query) } };
      },
    }),
    route({
      method: 'GET',
      path: '/v2.0/network-ip-availabilities/:id',
      policy: 'get_network_ip_availability',
      handle: async (request) => {
        const network = await core.get(core.db, 'network', param(request, 'id'));
        return { body: { network_ip_availability: await availabilityOf(core, network) } };
      },
    }),
    route({
      method: 'GET',
      path: '/v2.0/service-providers',
      policy: 'any-token',
      handle: () => ({ body: { service_providers: [] } }),
    }),
    route({
      method: 'GET',
      path: '/v2.0/floatingip_pools',
      policy: 'any-token',
      handle: async (request) => {
        const asker = askerOf(request);
        const external = (await core.list(core.db, 'network')).filter(
          (one) => one['router:external'],
        );
        const pools = [];
        for (const network of external)
          for (const subnet of await core.list(core.db, 'subnet', {
            by: { network_id: network.id },
          }))
            pools.push({
              network_id: network.id,
              network_name: network.name,
              subnet_id: subnet.id,
              subnet_name: subnet.name,
              cidr: subnet.cidr,
              project_id: asker.projectId,
              tenant_id: asker.projectId,
            });
        return { body: { floatingip_pools: pools } };
      },
    }),
  ];
}

function filtered(views: readonly View[], query: URLSearchParams): View[] {
  const found = views.filter((view) =>
    [...new Set(query.keys())].every(
      (name) =>
        name === 'fields' ||
        !Object.hasOwn(view, name) ||
        query
          .getAll(name)
          .some((value) => String(view[name]).toLowerCase() === value.toLowerCase()),
    ),
  );
  return found.map((view) => withFields(view, query));
}

async function availabilityOf(core: NetworkCore, network: Network): Promise<View> {
  const subnets = await core.list(core.db, 'subnet', { by: { network_id: network.id } });
  const each: { total_ips: number; used_ips: number; [name: string]: unknown }[] = [];
  for (const subnet of subnets) {
    const used = await countClaims(core.db, scopeOf(subnet.id));
    each.push({
      subnet_id: subnet.id,
      subnet_name: subnet.name,
      ip_version: subnet.ip_version,
      cidr: subnet.cidr,
      total_ips: Number(poolSize(subnet)),
      used_ips: used,
    });
  }
  const sum = (member: 'total_ips' | 'used_ips') =>
    each.reduce((total, one) => total + one[member], 0);
  return {
    network_id: network.id,
    network_name: network.name,
    project_id: network.project_id,
    tenant_id: network.project_id,
    total_ips: sum('total_ips'),
    used_ips: sum('used_ips'),
    subnet_ip_availability: each,
  };
}

const poolSize = (subnet: Subnet): bigint =>
  subnet.allocation_pools.reduce(
    (sum, { start, end }) => sum + (parseIp(end)?.value ?? 0n) - (parseIp(start)?.value ?? 0n) + 1n,
    0n,
  );
