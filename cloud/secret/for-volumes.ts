/** Keys of encrypted volumes: secrets of the volume's project, held by whatever needs them, gone with the last that does. */
import { type AnyTransaction, roomOf } from '#cloud/state';
import { Failure, isFailure } from '#common';
import type { SecretCore, Tx } from './core.ts';
import { registerConsumer } from './resources/consumers.ts';
import { consumersOf, findSecret } from './rows.ts';
import { deleteSecret, insertSecret } from './store.ts';
import type { ConsumerRow, SecretTables } from './tables.ts';

export interface KeyHolder {
  /** `volumes`, `backups`, `images`. */
  readonly kind: string;
  readonly id: string;
}

export interface NewOwner {
  readonly projectId: string;
  readonly userId: string;
}

export interface KeysForVolumes {
  /** Makes a key of this id when there is none; `denied` when it is another project's. */
  ensure(wanted: {
    readonly id: string;
    readonly name: string;
    readonly projectId: string;
    readonly userId: string;
  }): Promise<void>;
  /** The key; undefined when there is no such secret. */
  find(id: string): Promise<Buffer | undefined>;
  /** Says who needs it, as a consumer of the secret. A key of elsewhere is left alone. */
  hold(id: string, holder: KeyHolder): Promise<void>;
  /** The holder needs it no more; the key goes when nobody else does. */
  release(id: string, holder: KeyHolder): Promise<void>;
  /** Whether there is such a key and it is the project's. */
  owned(id: string, projectId: string): Promise<boolean>;
  /** Whether anybody beside the holder is registered as needing it. */
  heldByOthers(id: string, holder: KeyHolder): Promise<boolean>;
  /** With the volume, to another project: it is that user's from then on, and who was let in before is let in no more. */
  move(transaction: AnyTransaction, id: string, to: NewOwner): Promise<void>;
}

const keyBits = 256;
const service = 'volume';

export function keysForVolumes(core: SecretCore): KeysForVolumes {
  return {
    ensure: (wanted) => ensureKey(core, wanted),
    find: async (id) => {
      const row = await findSecret(core, core.db, id);
      if (!row?.payload || !row.sealed_key) return undefined;
      const { payload, sealed_key } = row;
      const key = await core.sealing.open(id, { payload, sealed_key });
      if (key.length * 8 === keyBits) return key;
      throw new Failure('invalid', 'bad-volume-key', 'A volume key has 256 bits', {
        facts: { id, bits: key.length * 8 },
      });
    },
    hold: async (id, holder) => {
      const row = await findSecret(core, core.db, id);
      if (row === undefined) return;
      await registerConsumer(core, { id, projectId: row.project_id }, fieldsOf(holder));
    },
    release: (id, holder) => releaseKey(core, id, holder),
    owned: async (id, projectId) => (await findSecret(core, core.db, id))?.project_id === projectId,
    heldByOthers: async (id, holder) =>
      (await consumersOf(core.db, id)).some((one) => !isOf(one, holder)),
    move: (transaction, id, to) => moveKey(core, roomOf<SecretTables>(transaction), id, to),
  };
}

const isOf = (row: ConsumerRow, { kind, id }: KeyHolder) =>
  row.name === service && row.kind === kind && row.target === id;

const fieldsOf = ({ kind, id }: KeyHolder) => ({ name: service, kind, target: id });

async function ensureKey(
  core: SecretCore,
  wanted: Parameters<KeysForVolumes['ensure']>[0],
): Promise<void> {
  const present = await findSecret(core, core.db, wanted.id);
  if (present?.project_id === wanted.projectId) return;
  if (present !== undefined)
    throw new Failure('denied', 'key-of-others', 'The key is of another project', {
      facts: { id: wanted.id },
    });
  try {
    await insertSecret(core, {
      id: wanted.id,
      projectId: wanted.projectId,
      creatorId: wanted.userId,
      name: wanted.name,
      secretType: 'symmetric',
      algorithm: 'aes',
      bitLength: keyBits,
      mode: 'xts',
      expiresUs: null,
      payload: {
        bytes: core.random.bytes(keyBits / 8),
        contentType: 'application/octet-stream',
      },
    });
  } catch (error) {
    // Another attempt of the same step was first.
    if (!isFailure(error, 'conflict') || (await findSecret(core, core.db, wanted.id)) === undefined)
      throw error;
  }
}

async function releaseKey(core: SecretCore, id: string, holder: KeyHolder): Promise<void> {
  await core.change(async (tx) => {
    const row = await findSecret(core, tx, id);
    if (row === undefined) return;
    const consumers = await consumersOf(tx, id);
    const own = consumers.find((one) => isOf(one, holder));
    if (own === undefined) return;
    if (consumers.length === 1) {
      await deleteSecret(core, tx, row);
      return;
    }
    await tx.deleteFrom('secret_consumer').where('id', '=', own.id).execute();
    await core.quotas.release(tx, own.id);
  });
}

async function moveKey(core: SecretCore, tx: Tx, id: string, to: NewOwner): Promise<void> {
  const { projectId, userId } = to;
  const row = await findSecret(core, tx, id);
  if (row === undefined || row.project_id === projectId) return;
  await core.quotas.release(tx, id);
  await core.quotas.reserve(tx, { scope: projectId, holder: id }, { 'secret.secrets': 1 });
  await tx.deleteFrom('secret_acl').where('owner_id', '=', id).execute();
  await tx
    .updateTable('secret')
    .set({ project_id: projectId, creator_id: userId })
    .where('id', '=', id)
    .execute();
  for (const consumer of await consumersOf(tx, id)) {
    const holder = consumer.id;
    await core.quotas.release(tx, holder);
    await core.quotas.reserve(tx, { scope: projectId, holder }, { 'secret.consumers': 1 });
  }
  await tx
    .updateTable('secret_consumer')
    .set({ project_id: projectId })
    .where('owner_id', '=', id)
    .execute();
}
