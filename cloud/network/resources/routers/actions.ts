/** What is done to routers beyond the five verbs: legs and extra routes. */
import type { Caller, Route } from '#cloud/api';
import { askerOf, type Request, route } from '../../caller.ts';
import type { NetworkCore, Tx } from '../../core.ts';
import { badRequest, fail } from '../../failures.ts';
import type { Input } from '../../model/attributes.ts';
import { Wrong } from '../../model/attributes.ts';
import type { HostRoute, Router } from '../../model/documents.ts';
import { getVisible } from '../../model/policing.ts';
import { AnyBody, announce, param } from '../../model/routes.ts';
import { addInterface, type InterfaceAnswer, removeInterface } from './interfaces.ts';
import { checkRoutes, routeReader, routers, routerView } from './routers.ts';

export function routerActions(core: NetworkCore): Route<Caller>[] {
  const resource = routers(core);
  const action = (
    name: string,
    rule: string,
    run: (tx: Tx, router: Router, request: Request) => Promise<unknown>,
  ) =>
    route({
      method: 'PUT',
      path: `/v2.0/routers/:id/${name}`,
      policy: 'any-token',
      body: AnyBody,
      handle: async (request) => {
        const asker = askerOf(request);
        const body = await core.change(
          async (tx) => {
            const { document, target } = await getVisible(
              core,
              tx,
              resource,
              param(request, 'id'),
              asker,
            );
            if (!asker.may(rule, target))
              throw fail('policy-not-authorized', `rule:${rule} is disallowed by policy`);
            const answer = await run(tx, document, request);
            await core.touch(tx, 'router', document.id);
            await announce(core, tx, resource, document, asker, name);
            return answer;
          },
          `network router ${param(request, 'id')}`,
        );
        return { body };
      },
    });
  return [
    action('add_router_interface', 'add_router_interface', async (tx, router, request) =>
      answerOf(
        router,
        await addInterface(core, tx, router, request.body as Input, askerOf(request)),
      ),
    ),
    action('remove_router_interface', 'remove_router_interface', async (tx, router, request) =>
      answerOf(router, await removeInterface(core, tx, router, request.body as Input)),
    ),
    action('add_extraroutes', 'add_extraroutes', (tx, router, request) =>
      changeRoutes(core, tx, router, request, (held, given) => [
        ...held.filter((one) => !given.some((other) => same(one, other))),
        ...given,
      ]),
    ),
    action('remove_extraroutes', 'remove_extraroutes', (tx, router, request) =>
      changeRoutes(core, tx, router, request, (held, given) =>
        held.filter((one) => !given.some((other) => same(one, other))),
      ),
    ),
  ];
}

const same = (one: HostRoute, other: HostRoute) =>
  one.destination === other.destination && one.nexthop === other.nexthop;

function answerOf(router: Router, { port, subnetIds }: InterfaceAnswer) {
  return {
    id: router.id,
    tenant_id: router.project_id,
    project_id: router.project_id,
    port_id: port.id,
    network_id: port.network_id,
    subnet_id: subnetIds[0],
    subnet_ids: subnetIds,
  };
}

async function changeRoutes(
  core: NetworkCore,
  tx: Tx,
  router: Router,
  request: Request,
  next: (held: readonly HostRoute[], given: readonly HostRoute[]) => HostRoute[],
): Promise<unknown> {
  const body = (request.body as Input).router;
  const given: unknown =
    typeof body === 'object' && body !== null ? Reflect.get(body, 'routes') : undefined;
  if (!Array.isArray(given)) throw badRequest("Unable to find 'routes' in request body");
  const routes = next(router.routes, given.map(readRoute));
  await checkRoutes(core, tx, router, routes);
  return { router: routerView(core, await core.update(tx, 'router', router, { routes })) };
}

function readRoute(value: unknown): HostRoute {
  try {
    return routeReader(value) as HostRoute;
  } catch (error) {
    if (error instanceof Wrong)
      throw badRequest(`Invalid input for routes. Reason: ${error.message}.`);
    throw error;
  }
}
