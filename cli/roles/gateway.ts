/** The block gateway: volumes over the cluster, served by NBD on TCP and on a unix socket in the data folder. */

import * as fs from 'node:fs';
import {
  createNbdServer,
  createNbdTls,
  createVolumes,
  type VolumesOfGateway,
  volumeExports,
} from '#block-gateway';
import type { Cluster } from '#cluster';
import { type Address, systemClock, systemDisk, systemNet, type Undo } from '#common';
import { type DataFolder, ensureSecret, randomSecret } from '../data-folder.ts';
import type { RoleContext } from './context.ts';
import { nbdCertificates } from './nbd-certificates.ts';
import { type FileKeys, type SecretKeys, volumeKeys } from './volume-keys.ts';

export interface Gateway {
  readonly volumes: VolumesOfGateway;
  readonly keys: FileKeys;
  /** Where NBD clients on this machine may also connect. */
  readonly socketPath: string;
  listen(address: Address): Promise<{ close(): Promise<void> }>;
}

export async function openGateway(
  folder: DataFolder,
  cluster: Cluster,
  context: RoleContext,
  opened: Undo,
  secrets: SecretKeys,
): Promise<Gateway> {
  const { random, metrics } = context;
  const settings = context.settings.gateway;
  const log = context.log.child({ room: 'gateway' });
  const common = { clock: systemClock, log };
  await systemDisk.makeDirectory(folder.path('gateway'));
  const keys = volumeKeys(folder, random, secrets);
  const secret = ensureSecret(folder, 'volume-attachments', () => randomSecret(random, 32));
  const volumes = await createVolumes({
    tables: cluster.tables,
    blobs: cluster.blobs,
    disk: systemDisk,
    folder: folder.path('gateway'),
    gateway: `${context.clusterId}/${context.name}`,
    secret: Buffer.from(secret, 'hex'),
    keys,
    settings,
    random,
    metrics,
    ...common,
  });
  opened.add(() => volumes.close());
  const socketPath = folder.path('run', 'nbd.sock');
  return {
    volumes,
    keys,
    socketPath,
    async listen(address) {
      const certificates = await nbdCertificates(folder, random, context.clusterId);
      const pskOf = (identity: string) => volumes.attachments.pskOf(identity);
      const { openExports } = settings;
      const server = createNbdServer({
        exports: volumeExports(volumes, { openExports }),
        tls: createNbdTls({ certificates, pskOf }),
        settings,
        net: systemNet,
        ...common,
      });
      await server.listen(address);
      fs.rmSync(socketPath, { force: true });
      await server.listen({ path: socketPath });
      return server;
    },
  };
}
