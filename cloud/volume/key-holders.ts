/** The keys of encrypted volumes: made before their first use, held by all that need them, released when those are gone. */
import type { VolumeCore } from './core.ts';
import type { KeyHolder } from './engine.ts';
import type { VolumeRow } from './tables.ts';

/** The key of a volume, there and held by it. Of a volume that was restored it is the one that its backup was sealed with. */
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
