/** The block gateway: volumes over the cluster, served by NBD on TCP and on a unix socket in the data folder. */

import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { totalmem } from 'node:os';
import {
  type BlobHolds,
  createNbdServer,
  createNbdTls,
  createVolumes,
  type NbdServer,
  type VolumeExportsOptions,
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
  /** Where operators on this machine may also connect. */
  readonly socketPath: string;
  /** Where the guests of this compute host find their disks. */
  socketOf(host: string): string;
  /** From now on it may come there. */
  admit(host: string): Promise<void>;
  /** Says whose disks are where; before that no host reaches any. */
  askWhere(isAt: NonNullable<VolumeExportsOptions['isAt']>): void;
  listen(address: Address): Promise<{ close(): Promise<void> }>;
}

/** What this process may have: all there is, or what its control group leaves it. */
function memoryBytes(): number {
  const constrained = process.constrainedMemory();
  return constrained === 0 ? totalmem() : Math.min(constrained, totalmem());
}

export async function openGateway(
  folder: DataFolder,
  cluster: Cluster,
  context: RoleContext,
  opened: Undo,
  secrets: SecretKeys,
  holds: BlobHolds,
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
    holds,
    settings,
    memoryBytes: memoryBytes(),
    random,
    metrics,
    ...common,
  });
  opened.add(() => volumes.close());
  const socketPath = folder.path('run', 'nbd.sock');
  const admitted = new Set<string>();
  let server: NbdServer | undefined;
  let isAt: VolumeExportsOptions['isAt'];
  // A name may be longer than what is left of a socket's path.
  const socketOf = (host: string) =>
    folder.path('run', `nbd-${createHash('sha256').update(host).digest('hex').slice(0, 8)}.sock`);
  const listenFor = async (host: string) => {
    fs.rmSync(socketOf(host), { force: true });
    await server?.listen({ path: socketOf(host) }, { host });
  };
  return {
    volumes,
    keys,
    socketPath,
    socketOf,
    admit: async (host) => {
      if (admitted.has(host)) return;
      admitted.add(host);
      await listenFor(host);
    },
    askWhere: (ask) => {
      isAt = ask;
    },
    async listen(address) {
      const certificates = await nbdCertificates(folder, random, context.clusterId);
      const pskOf = (identity: string) => volumes.attachments.pskOf(identity);
      const { openExports } = settings;
      server = createNbdServer({
        exports: volumeExports(volumes, {
          openExports,
          isAt: async (host, of) => (await isAt?.(host, of)) === true,
        }),
        tls: createNbdTls({ certificates, pskOf }),
        settings,
        net: systemNet,
        ...common,
      });
      await server.listen(address);
      fs.rmSync(socketPath, { force: true });
      await server.listen({ path: socketPath });
      for (const host of admitted) await listenFor(host);
      return server;
    },
  };
}
