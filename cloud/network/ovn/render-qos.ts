/** QoS policies as OVN's rules on the ports that have them, by themselves or by their network. */
import type { Network, Port, QosRule } from '../model/documents.ts';
import type { Desired } from './desired.ts';
import type { Model } from './model.ts';

const priority = 2_002;

export function renderQos(
  desired: Desired,
  model: Model,
  network: Network,
  ports: readonly Port[],
): string[] {
  const keys: string[] = [];
  for (const port of ports) {
    if (port.device_owner.startsWith('network:')) continue;
    const policy = port.qos_policy_id ?? network.qos_policy_id;
    if (policy === null) continue;
    for (const rule of model.qos_rule.values())
      if (rule.policyId === policy) keys.push(...renderRule(desired, port, rule));
  }
  return keys;
}

/** What leaves a guest comes from its port (`from-lport`). */
function renderRule(desired: Desired, port: Port, rule: QosRule): string[] {
  const egress = rule.direction !== 'ingress';
  const base = {
    direction: egress ? 'from-lport' : 'to-lport',
    priority: priority - (rule.type === 'dscp_marking' ? 1 : 0),
    match: `${egress ? 'inport' : 'outport'} == "${port.id}"`,
  };
  if (rule.type === 'dscp_marking')
    return [
      desired.add('QoS', `qos ${rule.id} ${port.id}`, {
        ...base,
        match: `${base.match} && ip`,
        action: { map: { dscp: String(rule.dscp_mark) } },
        bandwidth: { map: {} },
      }),
    ];
  if ((rule.max_kbps ?? 0) === 0) return [];
  // Without a burst the reference takes four fifths of the rate.
  const burst =
    rule.max_burst_kbps === undefined || rule.max_burst_kbps === 0
      ? Math.max(1, Math.floor((rule.max_kbps ?? 0) * 0.8))
      : rule.max_burst_kbps;
  return [
    desired.add('QoS', `qos ${rule.id} ${port.id}`, {
      ...base,
      action: { map: {} },
      bandwidth: { map: { rate: String(rule.max_kbps), burst: String(burst) } },
    }),
  ];
}
