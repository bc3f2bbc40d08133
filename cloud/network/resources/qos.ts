/** QoS policies and their rules: how fast, and marked how. */
import type { Caller, Route } from '#cloud/api';
import { route } from '../caller.ts';
import type { Db, NetworkCore, Tx } from '../core.ts';
import { fail } from '../failures.ts';
import {
  type Attributes,
  type Input,
  open,
  required,
  shown,
  standard,
} from '../model/attributes.ts';
import type { QosPolicy, QosRule } from '../model/documents.ts';
import { flag, name, oneOf, toNumber, whole } from '../model/readers.ts';
import type { Params, Resource, View } from '../model/resource.ts';
import { param, resourceRoutes } from '../model/routes.ts';
import { sharedWith } from '../model/sharing.ts';
import { claim, unclaim } from '../model/store.ts';
import { plainView } from '../model/views.ts';
import { shareWith, unshare } from './rbac-grants.ts';

const policyAttributes = {
  ...standard(name),
  shared: open(flag, false),
  is_default: open(flag, false),
  rules: shown({ filter: false, sort: false }),
};

const rate = whole(0, 2_147_483_647);
const dscpMarks = [
  0, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36, 38, 40, 46, 48, 56,
];

const ofRule: Readonly<Record<string, Attributes>> = {
  bandwidth_limit: {
    max_kbps: required(rate, { put: true }),
    max_burst_kbps: open(rate, 0),
    direction: open(oneOf(['egress', 'ingress']), 'egress'),
  },
  dscp_marking: { dscp_mark: required(oneOf(dscpMarks, toNumber), { put: true }) },
};

/** What Neutron has rules for and OVN, as it is here, does not do. */
export const refusedRules = ['minimum_bandwidth', 'packet_rate_limit', 'minimum_packet_rate'];

export function qosPolicies(core: NetworkCore): Resource<'qos_policy'> {
  return {
    kind: 'qos_policy',
    member: 'policy',
    collection: 'policies',
    path: '/v2.0/qos/policies',
    rule: 'policy',
    attributes: policyAttributes,
    sharedAs: 'qos_policy',
    indexed: { name: 'name' },
    views: async (db, documents, asker) => {
      const shared = await sharedWith(core, db, 'qos_policy', asker.projectId);
      const rules = await core.list(db, 'qos_rule', {
        by: { policy_id: documents.map(({ id }) => id) },
      });
      return documents.map((policy) => ({
        ...plainView(policyAttributes, policy),
        shared: shared.has(policy.id),
        rules: rules
          .filter((rule) => rule.policyId === policy.id)
          .map((rule) => ({ ...ruleView(rule), qos_policy_id: policy.id, type: rule.type })),
      }));
    },
    create: (tx, values) => createPolicy(core, tx, values),
    update: async (tx, before, values) => {
      const { shared, ...given } = values as Input & Partial<QosPolicy>;
      if (shared === true) await shareWith(core, tx, before, '*', 'access_as_shared', 'qos_policy');
      if (shared === false) await unshare(core, tx, before.id, 'access_as_shared');
      if (given.is_default !== undefined) await setDefault(tx, before, given.is_default);
      return await core.update(tx, 'qos_policy', before, given);
    },
    remove: (tx, policy) => removePolicy(core, tx, policy),
  };
}

async function createPolicy(core: NetworkCore, tx: Tx, values: Input): Promise<QosPolicy> {
  const { shared, ...given } = values as unknown as QosPolicy & { shared: boolean };
  const policy = await core.insert(tx, 'qos_policy', { ...given, id: core.newId() });
  if (policy.is_default) await setDefault(tx, policy, true);
  if (shared) await shareWith(core, tx, policy, '*', 'access_as_shared', 'qos_policy');
  return policy;
}

async function setDefault(tx: Tx, policy: QosPolicy, isDefault: boolean): Promise<void> {
  if (!isDefault) return await unclaim(tx, 'default qos policy', policy.project_id, policy.id);
  if (!(await claim(tx, 'default qos policy', policy.project_id, policy.id)))
    throw fail('conflict', `A default QoS policy exists for project ${policy.project_id}.`);
}

async function removePolicy(core: NetworkCore, tx: Tx, policy: QosPolicy): Promise<void> {
  for (const kind of ['port', 'network', 'floatingip', 'router'] as const) {
    const used = await core.list(tx, kind, { by: { qos_policy_id: policy.id } });
    if (used[0] !== undefined)
      throw fail('qos-policy-in-use', `QoS Policy ${policy.id} is used by ${kind} ${used[0].id}.`);
  }
  for (const rule of await core.list(tx, 'qos_rule', { by: { policy_id: policy.id } }))
    await core.remove(tx, rule);
  await unshare(core, tx, policy.id);
  await core.remove(tx, policy);
}

function ruleView(rule: QosRule): View {
  const view = plainView({ id: shown(), ...ofRule[rule.type] }, rule);
  return view;
}

function rulesOfType(core: NetworkCore, type: string): Resource<'qos_rule'> {
  return {
    kind: 'qos_rule',
    member: `${type}_rule`,
    collection: `${type}_rules`,
    path: `/v2.0/qos/policies/:policy_id/${type}_rules`,
    rule: `policy_${type}_rule`,
    attributes: { id: shown(), project_id: shown(), ...ofRule[type] },
    indexed: {},
    within: (params) => ({ by: { policy_id: params.policy_id ?? '' } }),
    views: async (_, documents) => documents.filter((rule) => rule.type === type).map(ruleView),
    targets: (db, documents) => policyTargets(core, db, documents),
    create: async (tx, values, { asker }, params) => {
      const policy = await policyAt(core, tx, params);
      void asker;
      await checkAlone(core, tx, policy.id, type, String(values.direction), undefined);
      await core.touch(tx, 'qos_policy', policy.id);
      return await core.insert(tx, 'qos_rule', {
        ...values,
        id: core.newId(),
        project_id: policy.project_id,
        policyId: policy.id,
        type,
      });
    },
    update: async (tx, before, values) => {
      await checkAlone(
        core,
        tx,
        before.policyId,
        type,
        String(values.direction ?? before.direction),
        before.id,
      );
      await core.touch(tx, 'qos_policy', before.policyId);
      return await core.update(tx, 'qos_rule', before, values);
    },
    remove: async (tx, rule) => {
      await core.touch(tx, 'qos_policy', rule.policyId);
      await core.remove(tx, rule);
    },
  };
}

async function policyTargets(
  core: NetworkCore,
  db: Db,
  documents: readonly Partial<QosRule>[],
): Promise<View[]> {
  const ids = [...new Set(documents.map((rule) => String(rule.policyId)))];
  const found = new Map((await core.list(db, 'qos_policy', { ids })).map((one) => [one.id, one]));
  return documents.map((rule) => ({
    project_id: found.get(String(rule.policyId))?.project_id,
    ext_parent_project: undefined,
  }));
}

async function policyAt(core: NetworkCore, tx: Tx, params: Params): Promise<QosPolicy> {
  return await core.get(tx, 'qos_policy', params.policy_id ?? '');
}

/** One rule of a type in a direction. */
async function checkAlone(
  core: NetworkCore,
  tx: Tx,
  policyId: string,
  type: string,
  direction: string,
  self: string | undefined,
): Promise<void> {
  const rules = await core.list(tx, 'qos_rule', { by: { policy_id: policyId } });
  const other = rules.find(
    (rule) =>
      rule.type === type &&
      rule.id !== self &&
      (type !== 'bandwidth_limit' || rule.direction === direction),
  );
  if (other !== undefined)
    throw fail(
      'qos-rules-conflict',
      `Rule ${type} conflicts with rule ${other.id} which already exists in QoS Policy ${policyId}.`,
    );
}

export function qosRoutes(core: NetworkCore): Route<Caller>[] {
  const types = Object.keys(ofRule);
  return [
    ...types.flatMap((type) => resourceRoutes(core, rulesOfType(core, type))),
    ...types.flatMap((type) => aliasRoutes(core, type)),
    ...refusedRules.flatMap((type) =>
      (['GET', 'POST'] as const).map((method) =>
        route({
          method,
          path: `/v2.0/qos/policies/:policy_id/${type}_rules`,
          policy: 'any-token',
          handle: () => {
            throw fail('not-implemented', `QoS rules of type ${type} are not implemented.`);
          },
        }),
      ),
    ),
    route({
      method: 'GET',
      path: '/v2.0/qos/rule-types',
      policy: 'any-token',
      handle: () => ({ body: { rule_types: types.map((type) => ({ type })) } }),
    }),
    route({
      method: 'GET',
      path: '/v2.0/qos/rule-types/:type',
      policy: 'get_rule_type',
      handle: (request) => {
        const type = param(request, 'type');
        if (!types.includes(type))
          throw fail(
            'resource-not-found',
            `QoS rule type ${type.slice(0, 64)} could not be found.`,
          );
        return {
          body: { rule_type: { type, drivers: [{ name: 'ovn', supported_parameters: [] }] } },
        };
      },
    }),
  ];
}

/** A rule by its own id alone: `/qos/alias_bandwidth_limit_rules/ID`. */
function aliasRoutes(core: NetworkCore, type: string): Route<Caller>[] {
  const resource: Resource<'qos_rule'> = {
    ...rulesOfType(core, type),
    path: `/v2.0/qos/alias_${type}_rules`,
    within: () => ({}),
  };
  return resourceRoutes(core, resource).filter((one) => one.path.endsWith('/:id'));
}
