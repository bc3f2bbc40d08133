/** Which identity providers vouch for a user, and under what name there. */
import type { Db, Tx } from '../../core.ts';
import { identityFailure } from '../../failures.ts';
import type { UserRow } from '../../tables.ts';
import { onDuplicate, onForeignKey } from '../removal.ts';

export interface FederatedIdentity {
  readonly idp_id: string;
  readonly protocols: readonly { readonly protocol_id: string; readonly unique_id: string }[];
}

export async function federatedOf(
  db: Db,
  userIds: readonly string[],
): Promise<ReadonlyMap<string, FederatedIdentity[]>> {
  const found = new Map<string, FederatedIdentity[]>();
  if (userIds.length === 0) return found;
  const rows = await db
    .selectFrom('identity_federated_user')
    .selectAll()
    .where('user_id', 'in', [...userIds])
    .orderBy('idp_id')
    .execute();
  for (const { user_id: id, idp_id, protocol_id, unique_id } of rows) {
    const known = found.get(id) ?? [];
    const same = known.find((one) => one.idp_id === idp_id);
    const protocols = [...(same?.protocols ?? []), { protocol_id, unique_id }];
    found.set(id, [...known.filter((one) => one !== same), { idp_id, protocols }]);
  }
  return found;
}

/** Replaces what vouches for a user, when a body says so. */
export async function linkFederated(
  transaction: Tx,
  user: Pick<UserRow, 'id' | 'name'>,
  given: readonly FederatedIdentity[] | undefined,
): Promise<void> {
  if (given === undefined) return;
  await transaction.deleteFrom('identity_federated_user').where('user_id', '=', user.id).execute();
  const rows = given.flatMap(({ idp_id, protocols }) =>
    protocols.map((one) => ({ ...one, idp_id, user_id: user.id, display_name: user.name })),
  );
  const missing = () =>
    identityFailure('schema-invalid', { detail: 'Could not find the identity provider.' });
  for (const row of rows) {
    await onForeignKey(missing, () =>
      onDuplicate('federated user', row.unique_id, () =>
        transaction.insertInto('identity_federated_user').values(row).execute(),
      ),
    );
  }
}
