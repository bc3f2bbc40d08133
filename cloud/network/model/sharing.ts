/** Which objects of other projects a project may use, as RBAC policies say. */
import type { Asker } from '../caller.ts';
import type { NetworkCore } from '../core.ts';
import type { Db } from './store.ts';

export type Access = 'access_as_shared' | 'access_as_external';

/** Object id → how it is shared with the caller's project, or with everybody. */
export async function sharedWith(
  core: NetworkCore,
  db: Db,
  objectType: string,
  projectId: string | undefined,
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const targets = [`${objectType} *`];
  if (projectId !== undefined) targets.push(`${objectType} ${projectId}`);
  const policies = await core.list(db, 'rbac_policy', { by: { target: targets } });
  const found = new Map<string, Set<string>>();
  for (const policy of policies) {
    const actions = found.get(policy.object_id) ?? new Set<string>();
    found.set(policy.object_id, actions.add(policy.action));
  }
  return found;
}

/** Whether the asker may use something of this type that is perhaps another project's. */
export async function mayUse(
  core: NetworkCore,
  db: Db,
  object: { readonly id: string; readonly project_id: string },
  objectType: string,
  asker: Asker,
): Promise<boolean> {
  if (asker.isAdmin || object.project_id === asker.projectId) return true;
  const shared = await sharedWith(core, db, objectType, asker.projectId);
  return shared.has(object.id);
}
