/** Auto-allocated topology: a project's network, subnet and router, made when it first asks for them. */
import type { ApiReply, Caller, Route } from '#cloud/api';
import { type Asker, askerOf, programFor, type Request, route } from '../caller.ts';
import type { NetworkCore, Tx } from '../core.ts';
import { fail } from '../failures.ts';
import { readBody } from '../model/attributes.ts';
import type { Network, Router } from '../model/documents.ts';
import { param } from '../model/routes.ts';
import { claim, claimant } from '../model/store.ts';
import { networks } from './networks.ts';
import { addInterface, removeInterface } from './routers/interfaces.ts';
import { routers } from './routers/routers.ts';
import { subnets } from './subnets.ts';

const scope = 'auto-allocated topology';

export function topologyRoutes(core: NetworkCore): Route<Caller>[] {
  const path = '/v2.0/auto-allocated-topology/:project_id';
  return [
    route({
      method: 'GET',
      path,
      policy: 'any-token',
      handle: (request) => getTopology(core, request),
    }),
    route({
      method: 'DELETE',
      path,
      policy: 'any-token',
      handle: (request) => removeTopology(core, request),
    }),
  ];
}

function projectAsked(request: Request, asker: Asker): string {
  const asked = param(request, 'project_id');
  const project = asked === 'None' || asked === 'null' ? (asker.projectId ?? '') : asked;
  if (!asker.isAdmin && project !== asker.projectId)
    throw fail('policy-not-authorized', 'rule:get_auto_allocated_topology is disallowed by policy');
  return project;
}

async function getTopology(core: NetworkCore, request: Request): Promise<ApiReply> {
  const project = projectAsked(request, askerOf(request));
  const dry = request.query.getAll('fields').includes('dry-run');
  if (dry) {
    await core.change((tx) => requirements(core, tx));
    return { body: { auto_allocated_topology: { id: 'dry-run=pass', tenant_id: project } } };
  }
  const id = await ensureTopology(core, project);
  return { body: { auto_allocated_topology: { id, tenant_id: project, project_id: project } } };
}

/** The id of the project's own network. */
export async function ensureTopology(core: NetworkCore, project: string): Promise<string> {
  const present = await claimant(core.db, scope, project);
  if (present !== undefined && (await core.find(core.db, 'network', present)) !== undefined)
    return present;
  return await core.change((tx) => makeTopology(core, tx, project), 'network subnets');
}

async function requirements(core: NetworkCore, tx: Tx): Promise<Network> {
  const external = (await core.list(tx, 'network')).find(
    (one) => one['router:external'] && one.is_default,
  );
  if (external === undefined)
    throw fail('auto-allocation-failure', 'Deployment error: No default router:external network.');
  return external;
}

async function makeTopology(core: NetworkCore, tx: Tx, project: string): Promise<string> {
  const external = await requirements(core, tx);
  const asker = programFor(project);
  const change = { asker, explicit: new Set<string>() };
  const values = (attributes: Parameters<typeof readBody>[0], body: object) => ({
    ...readBody(attributes, body, 'post').values,
    project_id: project,
  });
  const [network, subnet, router] = [networks(core), subnets(core), routers(core)];
  const made = await network.create?.(
    tx,
    values(network.attributes, { name: 'auto_allocated_network' }),
    change,
    {},
  );
  if (made === undefined) throw fail('auto-allocation-failure', 'No network could be made.');
  await claim(tx, scope, project, made.id);
  const pools = await core.list(tx, 'subnetpool');
  const pool = pools.find((one) => one.is_default && one.ip_version === 4);
  const place =
    pool === undefined ? { cidr: await freeRange(core, tx, project) } : { subnetpool_id: pool.id };
  const leg = await subnet.create?.(
    tx,
    values(subnet.attributes, {
      name: 'auto_allocated_subnet_v4',
      network_id: made.id,
      ip_version: 4,
      ...place,
    }),
    change,
    {},
  );
  const gate = await router.create?.(
    tx,
    values(router.attributes, {
      name: 'auto_allocated_router',
      external_gateway_info: { network_id: external.id },
    }),
    change,
    {},
  );
  if (leg !== undefined && gate !== undefined)
    await addInterface(core, tx, gate, { subnet_id: leg.id }, asker);
  return made.id;
}

/** Without a default subnet pool: the first /24 of 10.0/16 that the project does not use. */
async function freeRange(core: NetworkCore, tx: Tx, project: string): Promise<string> {
  const used = new Set(
    (await core.list(tx, 'subnet', { projectId: project })).map((one) => one.cidr),
  );
  for (let third = 0; third < 256; third++)
    if (!used.has(`10.0.${third}.0/24`)) return `10.0.${third}.0/24`;
  throw fail('auto-allocation-failure', 'No range is left.');
}

async function removeTopology(core: NetworkCore, request: Request): Promise<ApiReply> {
  const project = projectAsked(request, askerOf(request));
  await core.change(async (tx) => {
    const id = await claimant(tx, scope, project);
    const network = id === undefined ? undefined : await core.find(tx, 'network', id);
    if (network === undefined)
      throw fail('auto-allocation-not-found', `No auto-allocated topology of project ${project}.`);
    await removeRouters(core, tx, network);
    const resource = networks(core);
    await resource.remove?.(tx, network, { asker: programFor(project), explicit: new Set() });
  });
  return { status: 204 };
}

async function removeRouters(core: NetworkCore, tx: Tx, network: Network): Promise<void> {
  const legs = await core.list(tx, 'port', {
    by: { network_id: network.id, device_owner: 'network:router_interface' },
  });
  const resource = routers(core);
  for (const leg of legs) {
    const router: Router = await core.get(tx, 'router', leg.device_id);
    await removeInterface(core, tx, router, { port_id: leg.id });
    await resource.remove?.(tx, router, { asker: programFor(undefined), explicit: new Set() });
  }
}
