/** RBAC policies that stand for a flag of an object: `shared`, `router:external`. */
import type { NetworkCore, Tx } from '../core.ts';
import type { Kind, Kinds } from '../model/documents.ts';
import type { Access } from '../model/sharing.ts';

type Shareable = Pick<Kinds[Kind], 'id' | 'project_id'>;

export async function shareWith(
  core: NetworkCore,
  tx: Tx,
  object: Shareable,
  target: string,
  action: Access,
  objectType = 'network',
): Promise<void> {
  const policies = await core.list(tx, 'rbac_policy', { by: { object_id: object.id } });
  if (policies.some((one) => one.action === action && one.target_tenant === target)) return;
  await core.insert(tx, 'rbac_policy', {
    id: core.newId(),
    project_id: object.project_id,
    object_type: objectType,
    object_id: object.id,
    action,
    target_tenant: target,
  });
}

/** Takes back what everybody was given; or, without an action, all there is about the object. */
export async function unshare(
  core: NetworkCore,
  tx: Tx,
  objectId: string,
  action?: Access,
): Promise<void> {
  for (const policy of await core.list(tx, 'rbac_policy', { by: { object_id: objectId } }))
    if (action === undefined || (policy.action === action && policy.target_tenant === '*'))
      await core.remove(tx, policy);
}
