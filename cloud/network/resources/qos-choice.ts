/** The QoS policy that something is to have: one that its owner may see. */
import type { Asker } from '../caller.ts';
import type { NetworkCore, Tx } from '../core.ts';
import { fail } from '../failures.ts';
import { sharedWith } from '../model/sharing.ts';

export async function checkQos(
  core: NetworkCore,
  tx: Tx,
  id: string | null,
  asker: Asker,
): Promise<void> {
  if (id === null) return;
  const policy = await core.find(tx, 'qos_policy', id);
  const shared = await sharedWith(core, tx, 'qos_policy', asker.projectId);
  const visible =
    policy !== undefined &&
    (asker.isAdmin || policy.project_id === asker.projectId || shared.has(id));
  if (!visible) throw fail('qos-policy-not-found', `QoS policy ${id} could not be found.`);
}
