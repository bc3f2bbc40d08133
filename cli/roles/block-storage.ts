/** The volume service over the block gateway; backups are objects of the project they belong to. */
import { deleteBackup } from '#block-gateway';
import type { RequestLine } from '#cloud/api';
import { credentialsOf, type Identity } from '#cloud/identity';
import {
  type BackupStores,
  type BlockStorage,
  createBlockStorage,
  type EngineBackupStore,
  type VolumeEngine,
  type VolumeImages,
  type VolumeKeys,
} from '#cloud/volume';
import { isFailure, systemClock } from '#common';
import { accountOf, type Container, type ObjectService } from '#proxy';
import type { CloudStatus, Endpoints } from '../cloud-types.ts';
import { type BackupTargets, checkPlace, findPlace } from './backup-targets.ts';
import type { RoleContext } from './context.ts';
import type { Controller } from './controller.ts';
import type { Gateway } from './gateway.ts';
import { serviceProject } from './image.ts';
import { imageContainer } from './image-store.ts';
import { s3Backups } from './s3-backups.ts';
import { volumeObjects } from './volume-objects.ts';

export interface BlockStorageParts
  extends Pick<Controller, 'state' | 'operations' | 'quotas' | 'identity'> {
  readonly objects: ObjectService;
  readonly gateway: Gateway;
  readonly images: VolumeImages;
  readonly keys: VolumeKeys;
  readonly endpoints: Endpoints;
  /** Other systems that backups may go to, by name. */
  readonly backupTargets: BackupTargets;
  /** Told of volumes that have grown. */
  readonly grown: (volumeId: string, sizeGib: number) => Promise<void>;
  /** Where NBD clients connect, `nbd://host:port`. */
  readonly nbd: string;
  readonly status: () => Promise<CloudStatus>;
}

export async function openBlockStorage(
  parts: BlockStorageParts,
  context: RoleContext,
): Promise<BlockStorage> {
  const { state, operations, quotas, identity, gateway } = parts;
  const nbd = new URL(parts.nbd);
  const imageAccount = accountOf(await serviceProject(identity));
  return await createBlockStorage({
    ...{ state, operations, quotas },
    engine: engineOf(gateway.volumes),
    images: parts.images,
    keys: parts.keys,
    objects: volumeObjects({
      ...{ objects: parts.objects, identity, endpoints: parts.endpoints, imageAccount },
      ...{ swift: context.settings.swift, imageContainer },
    }),
    backups: backupStores(parts.objects, parts.backupTargets),
    projects: { exists: (id) => identity.hasProject(id) },
    settings: context.settings.volume,
    grown: parts.grown,
    host: context.name,
    nbd: { host: nbd.hostname, port: Number(nbd.port), socketPath: gateway.socketPath },
    space: async () => spaceOf(await parts.status(), context.settings.cloud.replicas),
    clock: systemClock,
    random: context.random,
    log: context.log.child({ room: 'volume' }),
    authenticate: (token, line) => callerOf(identity, token, line),
  });
}

/** The gateway's volumes, and the removal of what they have shipped. */
function engineOf(volumes: Gateway['volumes']): VolumeEngine {
  return Object.assign(Object.create(volumes) as Gateway['volumes'], { deleteBackup });
}

async function callerOf(identity: Identity, token: string, line: RequestLine) {
  const info = await identity.validateToken(token, { service: 'volumev3', ...line });
  if (info === undefined) return undefined;
  return {
    token,
    userId: info.user.id,
    projectId: info.scope.kind === 'project' ? info.scope.id : undefined,
    isAdmin: info.roles.some(({ name }) => name === 'admin'),
    credentials: credentialsOf(info),
  };
}

/** What a volume could fill: every byte is kept as often as there are replicas. */
function spaceOf({ devices }: CloudStatus, replicas: number) {
  const sum = (field: 'usedBytes' | 'freeBytes') =>
    devices.reduce((total, device) => total + device[field], 0) / replicas;
  return { totalBytes: sum('usedBytes') + sum('freeBytes'), freeBytes: sum('freeBytes') };
}

/** `TARGET:BUCKET` is a bucket of another system; everything else a container of the project. */
function backupStores(objects: ObjectService, targets: BackupTargets): BackupStores {
  return {
    check: (project, container) => checkPlace(targets, project, container),
    open: (project, container) => {
      const place = findPlace(targets, container);
      return place === undefined
        ? backupStore(objects, accountOf(project), container)
        : s3Backups(place, (ms) => systemClock.sleep(ms));
    },
  };
}

/** A container of the project's own account, made when the first backup goes there. */
function backupStore(objects: ObjectService, account: string, name: string): EngineBackupStore {
  const open = () => objects.containers.open(account, name);
  const ensure = async (): Promise<Container> => {
    try {
      return await open();
    } catch (error) {
      if (!isFailure(error, 'missing')) throw error;
      return (await objects.containers.create({ account, name })).container;
    }
  };
  return {
    put: async (object, chunks) => {
      const body = Buffer.concat(chunks);
      await objects.objects.put({ container: await ensure(), name: object, body });
    },
    get: async (object) => {
      const found = await objects.objects.get({ container: await open(), name: object });
      const chunks: Buffer[] = [];
      for await (const chunk of found.read(0, found.info.size)) chunks.push(Buffer.from(chunk));
      return Buffer.concat(chunks);
    },
    delete: async (object) => {
      await objects.objects.delete({ container: await open(), name: object });
    },
  };
}
