/** What is said of something that is not there, or that the caller may not know of. */
import type { Failure } from '#common';
import { fail, type NetworkCode } from '../failures.ts';
import type { Kind } from './documents.ts';

const sentences: Readonly<Record<Kind, readonly [NetworkCode, (id: string) => string]>> = {
  network: ['network-not-found', (id) => `Network ${id} could not be found.`],
  subnet: ['subnet-not-found', (id) => `Subnet ${id} could not be found.`],
  port: ['port-not-found', (id) => `Port ${id} could not be found.`],
  router: ['router-not-found', (id) => `Router ${id} could not be found`],
  floatingip: ['floating-ip-not-found', (id) => `Floating IP ${id} could not be found`],
  port_forwarding: [
    'port-forwarding-not-found',
    (id) => `Port Forwarding ${id} could not be found.`,
  ],
  security_group: ['security-group-not-found', (id) => `Security group ${id} does not exist`],
  security_group_rule: [
    'security-group-rule-not-found',
    (id) => `Security group rule ${id} does not exist`,
  ],
  address_group: ['address-group-not-found', (id) => `Address group ${id} could not be found.`],
  rbac_policy: ['rbac-policy-not-found', (id) => `RBAC policy with ID ${id} not found`],
  subnetpool: ['subnet-pool-not-found', (id) => `Subnet pool ${id} could not be found.`],
  address_scope: ['address-scope-not-found', (id) => `Address scope ${id} could not be found.`],
  qos_policy: ['qos-policy-not-found', (id) => `QoS policy ${id} could not be found.`],
  qos_rule: ['qos-rule-not-found', (id) => `QoS rule ${id} could not be found.`],
  trunk: ['trunk-not-found', (id) => `Trunk ${id} could not be found.`],
};

export function notFound(kind: Kind, id: string): Failure {
  const [code, say] = sentences[kind];
  return fail(code, say(id.slice(0, 255)));
}
