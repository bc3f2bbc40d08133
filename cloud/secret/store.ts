/** Writing secrets: the row, its quota and its sealed payload in one transaction. */
import type { SecretCore, Tx } from './core.ts';
import type { Payload } from './payloads.ts';
import { hold } from './quotas.ts';
import type { SecretRow } from './tables.ts';

export interface NewSecretRow {
  readonly id: string;
  readonly projectId: string;
  readonly creatorId: string;
  readonly name: string | null;
  readonly secretType: string;
  readonly algorithm: string | null;
  readonly bitLength: number | null;
  readonly mode: string | null;
  readonly expiresUs: number | null;
  readonly payload: Payload | undefined;
}

export async function insertSecret(core: SecretCore, wanted: NewSecretRow): Promise<SecretRow> {
  const row = await sealedRow(core, wanted);
  await core.changeOf(wanted.projectId, (tx) => insertRow(core, tx, row));
  return row;
}

/** Sealing asks the key store, so it is done before a transaction begins. */
export async function sealedRow(core: SecretCore, wanted: NewSecretRow): Promise<SecretRow> {
  const { id, payload } = wanted;
  const now = core.nowUs();
  const sealed =
    payload === undefined
      ? { payload: null, sealed_key: null }
      : await core.sealing.seal(id, payload.bytes);
  return {
    id,
    project_id: wanted.projectId,
    creator_id: wanted.creatorId,
    name: wanted.name,
    secret_type: wanted.secretType,
    algorithm: wanted.algorithm,
    bit_length: wanted.bitLength,
    mode: wanted.mode,
    content_type: payload?.contentType ?? null,
    ...sealed,
    expires_at_us: wanted.expiresUs,
    created_at_us: now,
    updated_at_us: now,
  };
}

export async function insertRow(core: SecretCore, tx: Tx, row: SecretRow): Promise<void> {
  await hold(core, tx, row.project_id, 'secrets', row.id);
  await tx.insertInto('secret').values(row).execute();
}

/** False when there is one already: a payload never changes. */
export async function storePayload(
  core: SecretCore,
  secretId: string,
  payload: Payload,
): Promise<boolean> {
  const sealed = await core.sealing.seal(secretId, payload.bytes);
  const { numUpdatedRows } = await core.db
    .updateTable('secret')
    .set({ ...sealed, content_type: payload.contentType, updated_at_us: core.nowUs() })
    .where('id', '=', secretId)
    .where('payload', 'is', null)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** With its access list, metadata and consumers. */
export async function deleteSecret(core: SecretCore, tx: Tx, row: SecretRow): Promise<void> {
  await forgetOwned(core, tx, row.id);
  await tx.deleteFrom('secret').where('id', '=', row.id).execute();
  await core.quotas.release(tx, row.id);
}

/** What belongs to a secret or a container. */
export async function forgetOwned(core: SecretCore, tx: Tx, ownerId: string): Promise<void> {
  await tx.deleteFrom('secret_acl').where('owner_id', '=', ownerId).execute();
  const consumers = await tx
    .deleteFrom('secret_consumer')
    .where('owner_id', '=', ownerId)
    .returning('id')
    .execute();
  for (const { id } of consumers) await core.quotas.release(tx, id);
}
