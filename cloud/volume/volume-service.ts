/** The volume service as the rest of the program sees it. */
import type { MountableService } from '../api/index.ts';
import { VolumeCore, type VolumeCoreOptions } from './core.ts';
import { type VolumesForServers, volumesForServers } from './for-servers.ts';
import { type Authenticate, volumeService } from './service.ts';
import { backupWorkflows } from './workflows/backups.ts';
import { volumeWorkflows } from './workflows/change-volume.ts';
import { createVolumeWorkflow } from './workflows/create-volume.ts';
import { groupWorkflows } from './workflows/groups.ts';
import { snapshotWorkflows } from './workflows/snapshots.ts';
import { uploadImageWorkflow } from './workflows/upload-image.ts';

export interface BlockStorageOptions extends VolumeCoreOptions {
  readonly authenticate: Authenticate;
}

export interface BlockStorage {
  /** The HTTP API, to be mounted on an API server. */
  readonly service: MountableService;
  readonly forServers: VolumesForServers;
}

/** Adds its workflows and quotas to what it was handed, and makes the default volume type. */
export async function createBlockStorage(options: BlockStorageOptions): Promise<BlockStorage> {
  const core = new VolumeCore(options);
  options.operations.add([
    createVolumeWorkflow(core),
    ...volumeWorkflows(core),
    ...snapshotWorkflows(core),
    ...backupWorkflows(core),
    ...groupWorkflows(core),
    uploadImageWorkflow(core),
  ]);
  await ensureDefaultType(core);
  return {
    service: volumeService(core, options.authenticate),
    forServers: volumesForServers(core),
  };
}

async function ensureDefaultType(core: VolumeCore): Promise<void> {
  const now = core.clock.nowUs();
  // Two controllers may start at once: whoever is second finds the name taken, and nothing is to be done.
  await core.db
    .insertInto('volume_type')
    .values({
      id: core.newId(),
      name: core.settings.defaultType,
      description: 'Default Volume Type',
      is_public: 1,
      specs_json: '{}',
      qos_id: null,
      encryption_json: null,
      created_at_us: now,
      updated_at_us: now,
    })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
}
