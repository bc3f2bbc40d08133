/** Keys of encrypted volumes: secrets of the volume's project, held by whatever needs them, gone with the last that does. */
import { Failure, isFailure } from '#common';
import type { SecretCore } from './core.ts';
import { registerConsumer } from './resources/consumers.ts';
import { consumersOf, findSecret } from './rows.ts';
import { deleteSecret, insertSecret } from './store.ts';

export interface KeyHolder {
  /** `volumes`, `backups`, `images`. */
  readonly kind: string;
  readonly id: string;
}

export interface KeysForVolumes {
  /** Makes a key of this id when there is none. */
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
  /** With the volume, to another project. */
  move(id: string, projectId: string): Promise<void>;
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
    move: (id, projectId) => moveKey(core, id, projectId),
  };
}

const fieldsOf = ({ kind, id }: KeyHolder) => ({ name: service, kind, target: id });

async function ensureKey(
  core: SecretCore,
  wanted: Parameters<KeysForVolumes['ensure']>[0],
): Promise<void> {
  if ((await findSecret(core, core.db, wanted.id)) !== undefined) return;
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
    const wanted = fieldsOf(holder);
    const consumers = await consumersOf(tx, id);
    const own = consumers.find(
      ({ name, kind, target }) =>
        name === wanted.name && kind === wanted.kind && target === wanted.target,
    );
    if (own === undefined) return;
    if (consumers.length === 1) {
      await deleteSecret(core, tx, row);
      return;
    }
    await tx.deleteFrom('secret_consumer').where('id', '=', own.id).execute();
    await core.quotas.release(tx, own.id);
  });
}

async function moveKey(core: SecretCore, id: string, projectId: string): Promise<void> {
  await core.changeOf(projectId, async (tx) => {
    const row = await findSecret(core, tx, id);
    if (row === undefined || row.project_id === projectId) return;
    await core.quotas.release(tx, id);
    await core.quotas.reserve(tx, { scope: projectId, holder: id }, { 'secret.secrets': 1 });
    await tx.updateTable('secret').set({ project_id: projectId }).where('id', '=', id).execute();
  });
}
