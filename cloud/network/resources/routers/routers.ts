/** Routers: between a project's subnets, and by a gateway to an external network. */
import { cidrOf, contains, parseIp } from '../../addresses/ip.ts';
import type { NetworkCore, Tx } from '../../core.ts';
import { fail } from '../../failures.ts';
import { atStart, decided, type Input, open, shown, standard } from '../../model/attributes.ts';
import type { HostRoute, Router } from '../../model/documents.ts';
import { cidr, flag, ip, listOf, name, orNull, record, text, uuid } from '../../model/readers.ts';
import type { Change, Resource, View } from '../../model/resource.ts';
import { plainView } from '../../model/views.ts';
import { changeGateway, removeGateway, setGateway } from './gateways.ts';

const gatewayReader = orNull((value) =>
  typeof value === 'object' && value !== null && Object.keys(value).length === 0
    ? null
    : record({
        network_id: { read: uuid, required: true },
        enable_snat: { read: flag },
        external_fixed_ips: {
          read: listOf(record({ subnet_id: { read: uuid }, ip_address: { read: ip } }), 16),
        },
        qos_policy_id: { read: orNull(uuid) },
      })(value),
);

export const routeReader = record({
  destination: { read: cidr, required: true },
  nexthop: { read: ip, required: true },
});

export const routerAttributes = {
  ...standard(name),
  admin_state_up: open(flag, true),
  status: shown({ filter: false }),
  external_gateway_info: open(gatewayReader, null, { filter: false, sort: false }),
  routes: { ...open(listOf(routeReader, 256), [], { filter: false, sort: false }) },
  distributed: decided(orNull(flag), { put: true }),
  ha: decided(orNull(flag), { put: true }),
  flavor_id: atStart(orNull(text(36)), null),
  availability_zone_hints: atStart(listOf(text(255), 16), []),
  availability_zones: shown({ filter: false }),
  enable_ndp_proxy: decided(orNull(flag), { put: true }),
};

export function routers(core: NetworkCore): Resource<'router'> {
  return {
    kind: 'router',
    member: 'router',
    collection: 'routers',
    path: '/v2.0/routers',
    rule: 'router',
    attributes: routerAttributes,
    indexed: { name: 'name' },
    views: async (_, documents) => documents.map((router) => routerView(core, router)),
    create: (tx, values, change) => createRouter(core, tx, values, change),
    update: (tx, before, values, change) => updateRouter(core, tx, before, values, change),
    remove: (tx, router) => removeRouter(core, tx, router),
  };
}

export function routerView(core: NetworkCore, router: Router): View {
  return {
    ...plainView(routerAttributes, router),
    status: core.observed.refusalOf('router', router.id) === undefined ? 'ACTIVE' : 'ERROR',
    availability_zones: core.observed.available ? ['nova'] : [],
  };
}

async function createRouter(
  core: NetworkCore,
  tx: Tx,
  values: Input,
  { asker }: Change,
): Promise<Router> {
  const { external_gateway_info: wanted, ...given } = values as Partial<Router> & Input;
  if ((given.routes ?? []).length > 0)
    throw fail(
      'bad-request',
      'Bad router request: extra routes need an interface that reaches their next hops.',
    );
  refuseUnsupported(given);
  const router = await core.insert(tx, 'router', {
    ...(given as unknown as Router),
    id: core.newId(),
    distributed: false,
    ha: false,
    enable_ndp_proxy: false,
    external_gateway_info: null,
    gatewayPortId: null,
  });
  await core.count(tx, 'router', router);
  return wanted == null ? router : await setGateway(core, tx, router, wanted, asker);
}

function refuseUnsupported(given: Partial<Router>): void {
  if (given.ha === true)
    throw fail(
      'not-implemented',
      'Routers are highly available by OVN itself; ha=True is not implemented.',
    );
  if (given.distributed === true)
    throw fail(
      'not-implemented',
      'distributed=True is not implemented: OVN routes east-west on every host anyway.',
    );
  if (given.enable_ndp_proxy === true)
    throw fail('not-implemented', 'NDP proxies are not implemented.');
}

async function updateRouter(
  core: NetworkCore,
  tx: Tx,
  before: Router,
  values: Input,
  { asker }: Change,
): Promise<Router> {
  const { external_gateway_info: gateway, ...given } = values as Partial<Router>;
  refuseUnsupported(given);
  const { distributed, ha, enable_ndp_proxy, ...rest } = given;
  void [distributed, ha, enable_ndp_proxy];
  if (rest.routes !== undefined) await checkRoutes(core, tx, before, rest.routes);
  const changed = await core.update(tx, 'router', before, rest);
  if (gateway === undefined) return changed;
  if (gateway === null) return await removeGateway(core, tx, changed);
  return await changeGateway(core, tx, changed, gateway, asker);
}

/** Every next hop is a neighbour of the router, and no address of its own. */
export async function checkRoutes(
  core: NetworkCore,
  tx: Tx,
  router: Router,
  routes: readonly HostRoute[],
): Promise<void> {
  const ports = await core.list(tx, 'port', { by: { device_id: router.id } });
  const ids = ports.flatMap((port) => port.fixed_ips.map((fixed) => fixed.subnet_id));
  const subnets = await core.list(tx, 'subnet', { ids });
  const own = ports.flatMap((port) => port.fixed_ips.map((fixed) => fixed.ip_address));
  for (const { destination, nexthop } of routes) {
    const hop = parseIp(nexthop);
    const near = hop !== undefined && subnets.some((subnet) => contains(cidrOf(subnet.cidr), hop));
    if (!near)
      throw fail(
        'bad-request',
        `Invalid format for routes: [{'destination': '${destination}', 'nexthop': '${nexthop}'}], the nexthop is not connected with router`,
      );
    if (own.includes(nexthop))
      throw fail(
        'bad-request',
        `Invalid format for routes: [{'destination': '${destination}', 'nexthop': '${nexthop}'}], the nexthop is used by router`,
      );
  }
}

async function removeRouter(core: NetworkCore, tx: Tx, router: Router): Promise<void> {
  const ports = await core.list(tx, 'port', { by: { device_id: router.id } });
  if (ports.some((port) => port.id !== router.gatewayPortId))
    throw fail('router-in-use', `Router ${router.id} still has ports`);
  if (router.external_gateway_info !== null) await removeGateway(core, tx, router);
  await core.remove(tx, router);
}
