/** A router's gateway: a port of its own on an external network, whose first address is what SNAT shows. */
import type { Asker } from '../../caller.ts';
import type { NetworkCore, Tx } from '../../core.ts';
import { fail } from '../../failures.ts';
import type { FixedIp, GatewayInfo, Router } from '../../model/documents.ts';
import { changeAddresses } from '../ports/addressing.ts';
import { makePort } from '../ports/making.ts';
import { removePort } from '../ports/removing.ts';
import { checkQos } from '../qos-choice.ts';
import { visibleNetwork } from '../subnets.ts';
import { checkOverlap } from './interfaces.ts';

type Wanted = Omit<Partial<GatewayInfo>, 'external_fixed_ips'> & {
  readonly network_id: string;
  readonly external_fixed_ips?: readonly Partial<FixedIp>[];
};

export const gatewayOwner = 'network:router_gateway';

export async function setGateway(
  core: NetworkCore,
  tx: Tx,
  router: Router,
  wanted: Wanted,
  asker: Asker,
): Promise<Router> {
  const network = await visibleNetwork(core, tx, wanted.network_id, asker);
  await checkQos(core, tx, wanted.qos_policy_id ?? null, asker);
  if (!network['router:external'])
    throw fail(
      'bad-request',
      `Bad router request: Network ${network.id} is not an external network.`,
    );
  const subnets = await core.list(tx, 'subnet', { by: { network_id: network.id } });
  for (const subnet of subnets) await checkOverlap(core, tx, router, subnet);
  const asked = wanted.external_fixed_ips;
  const port = await makePort(core, tx, network, {
    // As with the reference, a gateway's port is nobody's, so that projects cannot touch it.
    project_id: '',
    device_id: router.id,
    device_owner: gatewayOwner,
    fixed_ips: asked === undefined || asked.length === 0 ? undefined : asked,
  });
  if (port.fixed_ips.length === 0)
    throw fail(
      'bad-request',
      `Bad router request: No IPs available for external network ${network.id}.`,
    );
  return await core.update(tx, 'router', router, {
    gatewayPortId: port.id,
    external_gateway_info: {
      network_id: network.id,
      enable_snat: wanted.enable_snat ?? true,
      external_fixed_ips: port.fixed_ips,
      ...(wanted.qos_policy_id === undefined ? {} : { qos_policy_id: wanted.qos_policy_id }),
    },
  });
}

export async function changeGateway(
  core: NetworkCore,
  tx: Tx,
  router: Router,
  wanted: Wanted,
  asker: Asker,
): Promise<Router> {
  const held = router.external_gateway_info;
  if (held === null || held.network_id !== wanted.network_id) {
    const bare = held === null ? router : await removeGateway(core, tx, router);
    return await setGateway(core, tx, bare, wanted, asker);
  }
  await checkQos(core, tx, wanted.qos_policy_id ?? null, asker);
  const addresses =
    wanted.external_fixed_ips === undefined
      ? held.external_fixed_ips
      : await moveGateway(core, tx, router, wanted.external_fixed_ips);
  return await core.update(tx, 'router', router, {
    external_gateway_info: {
      ...held,
      enable_snat: wanted.enable_snat ?? true,
      external_fixed_ips: addresses,
      ...(wanted.qos_policy_id === undefined ? {} : { qos_policy_id: wanted.qos_policy_id }),
    },
  });
}

async function moveGateway(
  core: NetworkCore,
  tx: Tx,
  router: Router,
  asked: readonly Partial<FixedIp>[],
): Promise<readonly FixedIp[]> {
  const port = await core.get(tx, 'port', router.gatewayPortId ?? '');
  const network = await core.get(tx, 'network', port.network_id);
  const owner = { portId: port.id, mac: port.mac_address, deviceOwner: gatewayOwner };
  const fixed_ips = await changeAddresses(core, tx, network, owner, port.fixed_ips, asked);
  await core.update(tx, 'port', port, { fixed_ips });
  return fixed_ips;
}

export async function removeGateway(core: NetworkCore, tx: Tx, router: Router): Promise<Router> {
  const held = router.external_gateway_info;
  if (held === null) return router;
  const floating = await core.list(tx, 'floatingip', { by: { router_id: router.id } });
  if (floating.length > 0)
    throw fail(
      'router-external-gateway-in-use-by-floating-ip',
      `Gateway cannot be updated for router ${router.id}, since a gateway to external network ${held.network_id} is required by one or more floating IPs.`,
    );
  const port = await core.find(tx, 'port', router.gatewayPortId ?? '');
  if (port !== undefined) await removePort(core, tx, port);
  return await core.update(tx, 'router', router, {
    external_gateway_info: null,
    gatewayPortId: null,
  });
}
