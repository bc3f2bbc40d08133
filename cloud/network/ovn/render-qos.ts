/** QoS policies as OVN's rules: on the ports that have them, by themselves or by their network; on floating IPs; on routers' gateways. */
import type { Network, Port, QosRule } from '../model/documents.ts';
import type { Desired } from './desired.ts';
import type { Model } from './model.ts';

/** A floating IP's rule goes before its router's: only the first that matches counts. */
const priorities = { gateway: 2_002, port: 2_004, floating: 2_006 } as const;

interface Place {
  /** Of the rule's row. */
  readonly key: string;
  readonly port: string;
  readonly priority: number;
  /** An address on the port's far side that alone is meant. */
  readonly address?: string;
  /** The router's leg at whose host it is done. */
  readonly leg?: string;
}

export function renderQos(
  desired: Desired,
  model: Model,
  network: Network,
  ports: readonly Port[],
): string[] {
  const keys: string[] = [];
  const apply = (policy: string | null | undefined, place: Place) => {
    if (policy === null || policy === undefined) return;
    for (const rule of model.qos_rule.values())
      if (rule.policyId === policy)
        keys.push(...(desired.of(subjectOf(rule), () => renderRule(desired, place, rule)) ?? []));
  };
  for (const port of ports) {
    if (port.device_owner === 'network:router_gateway') renderGateway(model, port, apply);
    if (port.device_owner.startsWith('network:')) continue;
    const place = { key: port.id, port: port.id, priority: priorities.port };
    apply(port.qos_policy_id ?? network.qos_policy_id, place);
  }
  return keys;
}

function renderGateway(
  model: Model,
  gateway: Port,
  apply: (policy: string | null | undefined, place: Place) => void,
): void {
  const router = model.router.get(gateway.device_id);
  if (router === undefined) return;
  const leg = `cr-lrp-${gateway.id}`;
  const place = { port: gateway.id, leg };
  const info = router.external_gateway_info;
  apply(info?.qos_policy_id, { ...place, key: router.id, priority: priorities.gateway });
  for (const floating of model.floatingip.values())
    if (floating.router_id === router.id)
      apply(floating.qos_policy_id, {
        ...place,
        key: floating.id,
        priority: priorities.floating,
        address: floating.floating_ip_address,
      });
}

const subjectOf = (rule: QosRule) => ({ kind: 'qos_policy', id: rule.policyId }) as const;

/** What leaves a guest comes from its port (`from-lport`), or from its router's. */
function renderRule(desired: Desired, place: Place, rule: QosRule): string[] {
  const egress = rule.direction !== 'ingress';
  const match = [
    `${egress ? 'inport' : 'outport'} == "${place.port}"`,
    ...(place.address === undefined ? [] : [`ip4.${egress ? 'src' : 'dst'} == ${place.address}`]),
    ...(place.leg === undefined ? [] : [`is_chassis_resident("${place.leg}")`]),
  ].join(' && ');
  const key = `qos ${rule.id} ${place.key}`;
  const direction = egress ? 'from-lport' : 'to-lport';
  if (rule.type === 'dscp_marking')
    return [
      desired.add(
        'QoS',
        key,
        {
          direction,
          priority: place.priority - 1,
          match: `${match} && ip`,
          action: { map: { dscp: rule.dscp_mark ?? 0 } },
          bandwidth: { map: {} },
        },
        subjectOf(rule),
      ),
    ];
  if ((rule.max_kbps ?? 0) === 0) return [];
  // Without a burst the reference takes four fifths of the rate.
  const burst =
    rule.max_burst_kbps === undefined || rule.max_burst_kbps === 0
      ? Math.max(1, Math.floor((rule.max_kbps ?? 0) * 0.8))
      : rule.max_burst_kbps;
  const columns = {
    direction,
    priority: place.priority,
    match,
    action: { map: {} },
    bandwidth: { map: { rate: rule.max_kbps ?? 0, burst } },
  };
  return [desired.add('QoS', key, columns, subjectOf(rule))];
}
