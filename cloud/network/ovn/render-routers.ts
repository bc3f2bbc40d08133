/** Routers, their legs, gateways, NAT, routes and port forwardings. */
import type { Port, Router, Subnet } from '../model/documents.ts';
import type { Value } from '../ovsdb/values.ts';
import { bounds } from '../resources/port-forwardings.ts';
import type { Desired } from './desired.ts';
import type { Model } from './model.ts';
import type { Chassis, RenderOptions } from './render.ts';
import { withLength } from './render-switches.ts';

const chassisMax = 5;

export function renderRouters(desired: Desired, model: Model, options: RenderOptions): void {
  const legs = new Map<string, Port[]>();
  for (const port of model.port.values())
    if (port.device_owner.startsWith('network:router'))
      legs.set(port.device_id, [...(legs.get(port.device_id) ?? []), port]);
  for (const router of model.router.values())
    desired.of(subjectOf(router), () =>
      renderRouter(desired, model, router, legs.get(router.id) ?? [], options),
    );
}

const subjectOf = (router: Router) => ({ kind: 'router', id: router.id }) as const;

function renderRouter(
  desired: Desired,
  model: Model,
  router: Router,
  legs: readonly Port[],
  options: RenderOptions,
): void {
  const gateway = legs.find((port) => port.id === router.gatewayPortId);
  const inner = legs.filter((port) => port !== gateway);
  const ports = legs.map((port) =>
    renderLeg(desired, model, port, port === gateway ? options.chassis : undefined, router),
  );
  const columns = {
    name: `pileus-${router.id}`,
    enabled: router.admin_state_up,
    ports: { refs: ports },
    nat: { refs: gateway === undefined ? [] : renderNat(desired, model, router, gateway, inner) },
    static_routes: { refs: renderRoutes(desired, model, router, gateway) },
    load_balancer: { refs: renderForwardings(desired, model, router) },
    options: { map: { always_learn_from_arp_request: 'false', dynamic_neigh_routers: 'true' } },
    external_ids: { map: { 'pileus:name': router.name } },
  };
  desired.add('Logical_Router', `router ${router.id}`, columns, subjectOf(router));
}

const subnetsOf = (model: Model, port: Port): { subnet: Subnet; address: string }[] =>
  port.fixed_ips.flatMap(({ subnet_id, ip_address }) => {
    const subnet = model.subnet.get(subnet_id);
    return subnet === undefined ? [] : [{ subnet, address: ip_address }];
  });

function renderLeg(
  desired: Desired,
  model: Model,
  port: Port,
  chassis: readonly Chassis[] | undefined,
  router: Router,
): string {
  const places = subnetsOf(model, port);
  const network = model.network.get(port.network_id);
  const columns = {
    name: `lrp-${port.id}`,
    mac: port.mac_address,
    networks: { set: places.map(({ subnet, address }) => withLength(subnet, address)) },
    gateway_chassis: {
      refs:
        chassis === undefined
          ? []
          : renderChassis(desired, port, network?.['provider:physical_network'] ?? null, chassis),
    },
    options: { map: chassis === undefined ? {} : { gateway_mtu: String(network?.mtu ?? 1_500) } },
    ipv6_ra_configs:
      chassis === undefined
        ? advertisement(
            places.map(({ subnet }) => subnet),
            network?.mtu,
          )
        : { map: {} },
    external_ids: { map: { 'pileus:router': router.id } },
  };
  return desired.add('Logical_Router_Port', `leg ${port.id}`, columns, subjectOf(router));
}

/** The hosts that reach the external network, in an order of the router's own, so that routers spread over them. */
function renderChassis(
  desired: Desired,
  port: Port,
  physical: string | null,
  all: readonly Chassis[],
): string[] {
  const able = all.filter((one) => physical === null || one.physical.includes(physical));
  const start = able.length === 0 ? 0 : parseInt(port.id.slice(0, 6), 16) % able.length;
  const ordered = [...able.slice(start), ...able.slice(0, start)].slice(0, chassisMax);
  return ordered.map((one, at) =>
    desired.add(
      'Gateway_Chassis',
      `chassis ${port.id} ${one.name}`,
      {
        name: `lrp-${port.id}_${one.name}`,
        chassis_name: one.name,
        priority: ordered.length - at,
      },
      { kind: 'router', id: port.device_id },
    ),
  );
}

function advertisement(subnets: readonly Subnet[], mtu: number | undefined): Value {
  const six = subnets.find((subnet) => subnet.ip_version === 6 && subnet.ipv6_ra_mode !== null);
  if (six === undefined) return { map: {} };
  const mode = (
    {
      slaac: 'slaac',
      'dhcpv6-stateful': 'dhcpv6_stateful',
      'dhcpv6-stateless': 'dhcpv6_stateless',
    } as Readonly<Record<string, string>>
  )[six.ipv6_ra_mode ?? ''];
  return {
    map: {
      address_mode: mode ?? 'slaac',
      send_periodic: 'true',
      ...(mtu === undefined ? {} : { mtu: String(mtu) }),
    },
  };
}

function renderNat(
  desired: Desired,
  model: Model,
  router: Router,
  gateway: Port,
  inner: readonly Port[],
): string[] {
  const keys: string[] = [];
  const shown = gateway.fixed_ips.find((fixed) => !fixed.ip_address.includes(':'))?.ip_address;
  if (router.external_gateway_info?.enable_snat === true && shown !== undefined)
    for (const leg of inner)
      for (const { subnet } of subnetsOf(model, leg))
        if (subnet.ip_version === 4)
          keys.push(
            desired.add(
              'NAT',
              `snat ${router.id} ${subnet.id}`,
              { type: 'snat', external_ip: shown, logical_ip: subnet.cidr },
              subjectOf(router),
            ),
          );
  for (const floating of model.floatingip.values())
    if (floating.router_id === router.id && floating.fixed_ip_address !== null)
      keys.push(
        desired.add(
          'NAT',
          `floating ${floating.id}`,
          {
            type: 'dnat_and_snat',
            external_ip: floating.floating_ip_address,
            logical_ip: floating.fixed_ip_address,
          },
          { kind: 'floatingip', id: floating.id },
        ),
      );
  return keys;
}

function renderRoutes(
  desired: Desired,
  model: Model,
  router: Router,
  gateway: Port | undefined,
): string[] {
  const keys: string[] = [];
  for (const { subnet } of gateway === undefined ? [] : subnetsOf(model, gateway))
    if (subnet.gateway_ip !== null)
      keys.push(
        desired.add(
          'Logical_Router_Static_Route',
          `default ${router.id} ${subnet.id}`,
          {
            ip_prefix: subnet.ip_version === 4 ? '0.0.0.0/0' : '::/0',
            nexthop: subnet.gateway_ip,
          },
          subjectOf(router),
        ),
      );
  for (const { destination, nexthop } of router.routes)
    keys.push(
      desired.add(
        'Logical_Router_Static_Route',
        `route ${router.id} ${destination} ${nexthop}`,
        { ip_prefix: destination, nexthop },
        subjectOf(router),
      ),
    );
  return keys;
}

/** A load balancer of one member each: OVN's way to lead single ports of an address elsewhere. */
function renderForwardings(desired: Desired, model: Model, router: Router): string[] {
  const keys: string[] = [];
  for (const floating of model.floatingip.values()) {
    if (floating.router_id !== router.id || floating.port_id !== null) continue;
    for (const protocol of ['tcp', 'udp']) {
      const vips: Record<string, string> = {};
      for (const one of model.port_forwarding.values()) {
        if (one.floatingip_id !== floating.id || one.protocol !== protocol) continue;
        const [outer, inner] = [bounds(one.external_port_range), bounds(one.internal_port_range)];
        for (let at = 0; at <= outer.last - outer.first; at++)
          vips[`${floating.floating_ip_address}:${outer.first + at}`] =
            `${one.internal_ip_address}:${Math.min(inner.first + at, inner.last)}`;
      }
      if (Object.keys(vips).length === 0) continue;
      keys.push(
        desired.add(
          'Load_Balancer',
          `forwarding ${floating.id} ${protocol}`,
          {
            name: `pf-${floating.id}-${protocol}`,
            vips: { map: vips },
            protocol: { set: [protocol] },
          },
          { kind: 'floatingip', id: floating.id },
        ),
      );
    }
  }
  return keys;
}
