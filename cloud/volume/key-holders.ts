/** The keys of encrypted volumes: made before their first use, held by all that need them, released when those are gone. */
import { Failure } from '#common';
import type { VolumeCore } from './core.ts';
import type { KeyHolder } from './engine.ts';
import type { VolumeRow } from './tables.ts';

/** The key of a volume, there and held by it. */
export async function ensureVolumeKey(core: VolumeCore, row: VolumeRow): Promise<void> {
  const { encryption_key_id: keyId } = row;
  if (keyId === null) return;
  await core.keys.ensure({
    id: keyId,
    name: `volume-${row.id}`,
    projectId: row.project_id,
    userId: row.user_id,
  });
  await core.keys.hold(keyId, { kind: 'volumes', id: row.id });
}

/** A volume that is restored has the key that its backup was sealed with: no new one would open it, and nobody else's may. */
export async function holdBackupKey(core: VolumeCore, row: VolumeRow): Promise<void> {
  const { encryption_key_id: keyId } = row;
  if (keyId === null) return;
  if (!(await core.keys.owned(keyId, row.project_id)))
    throw new Failure('missing', 'backup-key-missing', 'The key of the backup is not there', {
      facts: { keyId },
    });
  await core.keys.hold(keyId, { kind: 'volumes', id: row.id });
}

export async function holdKey(
  core: VolumeCore,
  keyId: string | null | undefined,
  holder: KeyHolder,
): Promise<void> {
  if (keyId) await core.keys.hold(keyId, holder);
}

export async function releaseKey(
  core: VolumeCore,
  keyId: string | null | undefined,
  holder: KeyHolder,
): Promise<void> {
  if (keyId) await core.keys.release(keyId, holder);
}
