/** Every failure of the network API: Neutron's exception by name, its status code; the sentence is said where it happens. */
import { type FailureEntry, type FailureTable, failureOf } from '#cloud/api';
import type { Facts, Failure, FailureKind } from '#common';

const why = (facts: Facts) => String(facts.why);

const kinds: Readonly<Record<number, FailureKind>> = {
  400: 'invalid',
  403: 'denied',
  404: 'missing',
  409: 'conflict',
  412: 'conflict',
  501: 'invalid',
  503: 'busy',
};

/** Codes that answer with one status and say what their place says. */
function all<const C extends string>(status: number, codes: readonly C[]) {
  const entry: FailureEntry = { kind: kinds[status] ?? 'bug', status, say: why };
  return Object.fromEntries(codes.map((code) => [code, entry])) as Record<C, FailureEntry>;
}

export const networkFailures = {
  unauthorized: {
    kind: 'denied',
    status: 401,
    say: () => 'The request you have made requires authentication.',
  },
  'forbidden-action': {
    kind: 'denied',
    status: 403,
    say: (facts) => `rule:${facts.action} is disallowed by policy`,
  },
  'schema-invalid': { kind: 'invalid', status: 400, say: (facts) => String(facts.detail) },
  'body-invalid': {
    kind: 'invalid',
    status: 400,
    say: (facts) =>
      `The server could not comply with the request since it is either malformed or otherwise incorrect: ${facts.detail}`,
  },
  'page-invalid': { kind: 'invalid', status: 400, say: (facts) => String(facts.detail) },
  'body-too-large': { kind: 'invalid', status: 413, say: () => 'Request is too large.' },
  'route-missing': { kind: 'missing', status: 404, say: () => 'The resource could not be found.' },
  'method-not-allowed': {
    kind: 'invalid',
    status: 405,
    say: () => 'The method is not allowed for this resource.',
  },
  'over-quota': {
    kind: 'conflict',
    status: 409,
    say: ({ resource }) =>
      `Quota exceeded for resources: ['${String(resource).replace('network.', '')}'].`,
  },
  ...all(400, [
    'http-bad-request',
    'invalid-input',
    'bad-request',
    'invalid-ip-for-network',
    'invalid-ip-for-subnet',
    'gateway-conflict-with-allocation-pools',
    'out-of-bounds-allocation-pool',
    'overlapping-allocation-pools',
    'invalid-allocation-pool',
    'security-group-invalid-port-range',
    'security-group-protocol-required-with-ports',
    'security-group-missing-icmp-type',
    'security-group-invalid-icmp-value',
    'security-group-invalid-protocol-for-port',
    'security-group-ethertype-conflict-with-protocol',
    'security-group-multiple-remote-entites',
    'security-group-rule-parameter-conflict',
    'security-group-rule-invalid-protocol',
    'security-group-rule-invalid-ether-type',
    'security-group-not-single-group-rules',
    'address-pair-and-port-security-required',
    'port-security-and-ip-required-for-security-groups',
    'port-security-port-has-security-group',
    'subnet-mismatch-for-port',
    'ext-gateway-external-fixed-ip-invalid',
    'invalid-quota-value',
    'invalid-shared-setting',
    'illegal-subnet-pool-update',
    'illegal-subnet-pool-prefix-bounds',
    'illegal-subnet-pool-association-to-address-scope',
    'minimum-prefix-subnet-allocation-error',
    'maximum-prefix-subnet-allocation-error',
    'tag-not-allowed',
    'invalid-subnet-service-type',
    'address-scope-update-error',
  ]),
  ...all(403, ['policy-not-authorized', 'not-authorized', 'admin-required']),
  ...all(404, [
    'network-not-found',
    'subnet-not-found',
    'subnet-pool-not-found',
    'address-scope-not-found',
    'port-not-found',
    'port-not-found-on-network',
    'router-not-found',
    'router-interface-not-found',
    'router-interface-not-found-for-subnet',
    'floating-ip-not-found',
    'port-forwarding-not-found',
    'security-group-not-found',
    'security-group-rule-not-found',
    'address-group-not-found',
    'rbac-policy-not-found',
    'qos-policy-not-found',
    'qos-rule-not-found',
    'trunk-not-found',
    'sub-port-not-found',
    'agent-not-found',
    'tag-not-found',
    'tenant-quota-not-found',
    'extension-not-found',
    'resource-not-found',
    'availability-zone-not-found',
    'network-segment-range-not-found',
    'segment-not-found',
    'auto-allocation-not-found',
    'external-gateway-for-floating-ip-not-found',
    'addresses-not-found',
    'device-not-found',
  ]),
  ...all(409, [
    'network-in-use',
    'subnet-in-use',
    'subnet-pool-in-use',
    'subnet-pool-delete-error',
    'subnet-allocation-error',
    'subnet-pool-quota-exceeded',
    'address-scope-in-use',
    'port-in-use',
    'mac-address-in-use',
    'ip-address-in-use',
    'ip-address-generation-failure',
    'ip-address-already-allocated',
    'external-ip-address-exhausted',
    'gateway-ip-in-use',
    'no-network-available',
    'vlan-id-in-use',
    'tunnel-id-in-use',
    'flat-network-in-use',
    'router-in-use',
    'router-interface-in-use-by-floating-ip',
    'router-interface-in-use-by-route',
    'router-port-in-use',
    'router-external-gateway-in-use-by-floating-ip',
    'router-interface-attachment-conflict',
    'floating-ip-port-already-associated',
    'floating-ip-in-use',
    'fip-in-use-by-port-forwarding',
    'fip-not-found-for-port-forwarding',
    'port-forwarding-already-exists',
    'l3-port-in-use',
    'server-port-in-use',
    'security-group-in-use',
    'security-group-cannot-remove-default',
    'security-group-cannot-update-default',
    'security-group-default-already-exists',
    'security-group-rule-exists',
    'security-group-conflict',
    'address-group-in-use',
    'addresses-already-exist',
    'rbac-policy-in-use',
    'duplicate-rbac-policy',
    'qos-policy-in-use',
    'qos-rules-conflict',
    'qos-rule-parameter-conflict',
    'trunk-in-use',
    'parent-port-in-use',
    'port-in-use-as-trunk-parent',
    'port-in-use-as-sub-port',
    'duplicate-sub-port',
    'default-external-network-exists',
    'allowed-address-pair-exhausted',
    'invalid-shared-network',
    'conflict',
    'state-invalid',
    'auto-allocation-failure',
    'default-subnetpool-exists',
    'conflict-with-gateway',
  ]),
  ...all(412, ['revision-number-constraint-failed']),
  ...all(501, ['not-implemented']),
  ...all(503, ['service-unavailable']),
} as const satisfies FailureTable;

export type NetworkCode = keyof typeof networkFailures;

export function fail(
  code: NetworkCode,
  sentence: string,
  facts: Facts = {},
  cause?: unknown,
): Failure {
  return failureOf(networkFailures, code, { ...facts, why: sentence }, cause);
}

const acronyms: Readonly<Record<string, string>> = {
  http: 'HTTP',
  'schema-invalid': 'HTTPBadRequest',
  'body-invalid': 'HTTPBadRequest',
  'page-invalid': 'HTTPBadRequest',
  'route-missing': 'HTTPNotFound',
  'method-not-allowed': 'HTTPMethodNotAllowed',
  'forbidden-action': 'PolicyNotAuthorized',
  unauthorized: 'HTTPUnauthorized',
  'floating-ip-not-found': 'FloatingIPNotFound',
  'floating-ip-port-already-associated': 'FloatingIPPortAlreadyAssociated',
  'router-interface-in-use-by-floating-ip': 'RouterInterfaceInUseByFloatingIP',
  'router-external-gateway-in-use-by-floating-ip': 'RouterExternalGatewayInUseByFloatingIp',
  'qos-policy-not-found': 'QosPolicyNotFound',
  'fip-in-use-by-port-forwarding': 'FipInUseByPortForwarding',
};

/** `ip-address-in-use` → `IpAddressInUse`: the exception's name in the body. */
export function exceptionNameOf(code: string): string {
  const known = acronyms[code];
  if (known !== undefined) return known;
  return code
    .split('-')
    .map((part) => acronyms[part] ?? `${part.charAt(0).toUpperCase()}${part.slice(1)}`)
    .join('');
}

export const invalid = (sentence: string): Failure =>
  fail('invalid-input', `Invalid input for operation: ${sentence}`);
export const badRequest = (sentence: string): Failure => fail('http-bad-request', sentence);
export const notImplemented = (what: string): Failure =>
  fail('not-implemented', `${what} is not implemented.`);
