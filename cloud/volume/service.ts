/** The volume service's HTTP API: every route, the policy, the dialect. */
import {
  apiService,
  type MountableService,
  Policy,
  type RequestLine,
  type Route,
} from '../api/index.ts';
import type { VolumeCaller } from './caller.ts';
import type { VolumeCore } from './core.ts';
import { volumeDialect } from './failures.ts';
import { volumeRules } from './policies.ts';
import { absentRoutes } from './resources/absent.ts';
import { attachmentRoutes } from './resources/attachments.ts';
import { backupRoutes } from './resources/backups.ts';
import { createVolumeRoutes } from './resources/create-volume.ts';
import { discoveryRoutes } from './resources/discovery.ts';
import { groupSnapshotRoutes } from './resources/group-snapshots.ts';
import { groupTypeRoutes } from './resources/group-types.ts';
import { groupRoutes } from './resources/groups.ts';
import { hostRoutes } from './resources/hosts.ts';
import { manageSnapshotRoutes } from './resources/manage-snapshots.ts';
import { manageVolumeRoutes } from './resources/manage-volumes.ts';
import { metadataRoutes } from './resources/metadata.ts';
import { qosRoutes } from './resources/qos-specs.ts';
import { quotaRoutes } from './resources/quota-sets.ts';
import { serviceRoutes } from './resources/services.ts';
import { snapshotActionRoutes } from './resources/snapshot-actions.ts';
import { snapshotRoutes } from './resources/snapshots.ts';
import { transferRoutes } from './resources/transfers.ts';
import { typeAccessRoutes } from './resources/type-access.ts';
import { typeEncryptionRoutes } from './resources/type-encryption.ts';
import { typeSpecRoutes } from './resources/type-specs.ts';
import { typeRoutes } from './resources/types.ts';
import { volumeActionRoutes } from './resources/volume-actions.ts';
import { volumeRoutes } from './resources/volumes.ts';
import { versionMax, versionMin } from './versions.ts';

export type Authenticate = (token: string, line: RequestLine) => Promise<VolumeCaller | undefined>;

export function volumeApiRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  return [
    ...discoveryRoutes(core),
    ...volumeRoutes(core),
    ...createVolumeRoutes(core),
    ...volumeActionRoutes(core),
    ...metadataRoutes(core),
    ...snapshotRoutes(core),
    ...snapshotActionRoutes(core),
    ...attachmentRoutes(core),
    ...backupRoutes(core),
    ...transferRoutes(core),
    ...typeRoutes(core),
    ...typeSpecRoutes(core),
    ...typeAccessRoutes(core),
    ...typeEncryptionRoutes(core),
    ...qosRoutes(core),
    ...groupTypeRoutes(core),
    ...groupRoutes(core),
    ...groupSnapshotRoutes(core),
    ...quotaRoutes(core),
    ...serviceRoutes(core),
    ...hostRoutes(core),
    ...manageVolumeRoutes(core),
    ...manageSnapshotRoutes(core),
    ...absentRoutes(core),
  ];
}

export function volumeService(core: VolumeCore, authenticate: Authenticate): MountableService {
  return apiService<VolumeCaller>({
    name: 'volume',
    dialect: volumeDialect,
    policy: new Policy(volumeRules),
    routes: volumeApiRoutes(core),
    versions: { service: 'volume', min: versionMin, max: versionMax },
    headers: {},
    authenticate,
  });
}
