/** RBAC policies: an object of one project, for another project or for all. */
import type { NetworkCore, Tx } from '../core.ts';
import { fail } from '../failures.ts';
import { type Input, open, required, shown, standard } from '../model/attributes.ts';
import type { Kind, Network, RbacPolicy } from '../model/documents.ts';
import { name, notEmpty, oneOf, uuid } from '../model/readers.ts';
import type { Change, Resource } from '../model/resource.ts';
import { plainView } from '../model/views.ts';
import { checkNotUsedByOthers } from './networks.ts';

const kindOf: Readonly<Record<string, Kind>> = {
  network: 'network',
  qos_policy: 'qos_policy',
  security_group: 'security_group',
  address_scope: 'address_scope',
  subnetpool: 'subnetpool',
  address_group: 'address_group',
};

const attributes = {
  ...standard(name),
  name: { ...shown(), hidden: true, filter: false },
  description: { ...shown(), hidden: true, filter: false },
  tags: { ...shown(), hidden: true, filter: false },
  object_type: required(oneOf(Object.keys(kindOf))),
  object_id: required(uuid),
  action: required(oneOf(['access_as_shared', 'access_as_external'])),
  target_tenant: { ...open(notEmpty(255), undefined) },
};

export function rbacPolicies(core: NetworkCore): Resource<'rbac_policy'> {
  return {
    kind: 'rbac_policy',
    member: 'rbac_policy',
    collection: 'rbac_policies',
    path: '/v2.0/rbac-policies',
    rule: 'rbac_policy',
    attributes,
    indexed: { object_id: 'object_id' },
    views: async (_, documents) => documents.map((policy) => plainView(attributes, policy)),
    create: (tx, values, change) => createPolicy(core, tx, values, change),
    update: async (tx, before, values) => {
      if (before.object_type === 'network') await checkReleased(core, tx, before);
      return await core.update(tx, 'rbac_policy', before, values);
    },
    remove: async (tx, policy) => {
      await checkReleased(core, tx, policy);
      await core.remove(tx, policy);
    },
  };
}

async function createPolicy(
  core: NetworkCore,
  tx: Tx,
  values: Input,
  { asker }: Change,
): Promise<RbacPolicy> {
  const given = values as unknown as RbacPolicy;
  const kind = kindOf[given.object_type] ?? 'network';
  const object = await core.find(tx, kind, given.object_id);
  if (object === undefined || (!asker.isAdmin && object.project_id !== asker.projectId))
    // What is another's and what is nowhere look alike.
    throw fail(
      'resource-not-found',
      `The resource could not be found: ${given.object_type} ${given.object_id}`,
    );
  if (given.action === 'access_as_external') {
    if (given.object_type !== 'network')
      throw fail(
        'bad-request',
        `Bad rbac_policy request: action 'access_as_external' is not valid for ${given.object_type}.`,
      );
    if (!asker.isAdmin)
      throw fail(
        'policy-not-authorized',
        'rule:create_rbac_policy:access_as_external is disallowed by policy',
      );
  }
  const others = await core.list(tx, 'rbac_policy', { by: { object_id: given.object_id } });
  if (
    others.some((one) => one.action === given.action && one.target_tenant === given.target_tenant)
  )
    throw fail('duplicate-rbac-policy', 'An RBAC policy already exists with those values.');
  const policy = await core.insert(tx, 'rbac_policy', { ...given, id: core.newId() });
  await core.count(tx, 'rbac_policy', policy);
  await core.touch(tx, kind, object.id);
  if (
    given.action === 'access_as_external' &&
    kind === 'network' &&
    !(object as Network)['router:external']
  )
    await core.update(tx, 'network', object as Network, { 'router:external': true });
  return policy;
}

/** Nobody who may only because of it uses the object now. */
async function checkReleased(core: NetworkCore, tx: Tx, policy: RbacPolicy): Promise<void> {
  if (policy.object_type === 'network') {
    const network = await core.find(tx, 'network', policy.object_id);
    if (network === undefined) return;
    if (policy.action === 'access_as_shared') {
      const ports = await core.list(tx, 'port', { by: { network_id: network.id } });
      const theirs = (project: string) =>
        project !== '' &&
        project !== network.project_id &&
        (policy.target_tenant === '*' || policy.target_tenant === project);
      if (ports.some((port) => theirs(port.project_id))) {
        if (policy.target_tenant === '*') await checkNotUsedByOthers(core, tx, network);
        throw fail(
          'rbac-policy-in-use',
          `RBAC policy on object ${policy.object_id} cannot be removed because other objects depend on it.`,
        );
      }
    } else {
      const routers = await core.list(tx, 'router', { by: { gateway_network: network.id } });
      if (
        routers.some(
          (router) => policy.target_tenant === '*' || router.project_id === policy.target_tenant,
        )
      )
        throw fail(
          'rbac-policy-in-use',
          `RBAC policy on object ${policy.object_id} cannot be removed because other objects depend on it.`,
        );
      const rest = (await core.list(tx, 'rbac_policy', { by: { object_id: network.id } })).filter(
        (one) => one.action === 'access_as_external' && one.id !== policy.id,
      );
      if (rest.length === 0)
        await core.update(tx, 'network', network, { 'router:external': false });
    }
  }
}
