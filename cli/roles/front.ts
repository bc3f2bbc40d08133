/**
 * Everything but storage in one process: controller, object front doors, gateway, and the sockets of operators.
 *
 *  1. The cluster over the devices that were handed in; volumes and objects on it; the controller's state.
 *  2. Sockets, last: whoever connects finds everything ready.
 *  Closing is the same in reverse.
 */
import type { Images } from '#cloud/image';
import type { Operations } from '#cloud/operations';
import { createCluster } from '#cluster';
import { systemClock, type Undo } from '#common';
import { createObjectService, createS3Server, createSwiftServer } from '#proxy';
import type { DeviceService } from '#wire';
import type { CloudInfo, CloudStatus } from '../cloud-types.ts';
import { serveControl } from '../control/server.ts';
import type { DataFolder } from '../data-folder.ts';
import { HostsDoor } from '../hosts/door.ts';
import { hostCalls } from '../hosts/host-calls.ts';
import { Links } from '../machines/links.ts';
import type { Membership } from '../machines/membership.ts';
import { admit, nodeCalls } from '../machines/node-calls.ts';
import { ringCalls } from '../machines/ring-calls.ts';
import { RingChange } from '../machines/ring-change.ts';
import { portOf } from '../ports.ts';
import type { Place } from '../start-check.ts';
import { watchStatus } from '../status.ts';
import { listenAdmin } from './admin-listener.ts';
import { adaptIdentity } from './authenticator.ts';
import { readBackupTargets } from './backup-targets.ts';
import { openBlockStorage } from './block-storage.ts';
import { openCompute, spaceFrom } from './compute.ts';
import type { RoleContext } from './context.ts';
import { openController } from './controller.ts';
import { catalogAt, endpointsAt } from './endpoints.ts';
import { openGateway } from './gateway.ts';
import { openImages } from './image.ts';
import { imageCalls } from './image-calls.ts';
import { keyCalls } from './key-calls.ts';
import { lacksOf } from './lacks.ts';
import { nbdCertificates } from './nbd-certificates.ts';
import { openNetworks } from './network.ts';
import { networkCalls } from './network-calls.ts';
import { operationCalls } from './operation-calls.ts';
import { type PublicTls, publicTls, writeAuthority } from './public-tls.ts';
import { openReplicator } from './replicator.ts';
import { openSecrets } from './secrets.ts';
import { serviceCalls } from './service-calls.ts';
import { userCalls } from './user-calls.ts';
import { volumeCalls } from './volume-calls.ts';
import { blobHolds } from './volume-objects.ts';

export interface FrontParts {
  readonly folder: DataFolder;
  readonly place: Place;
  readonly membership: Membership;
  /** Opens one more device of this process, where it keeps any. */
  readonly openDevice?: (id: number) => Promise<DeviceService>;
  /** The secret that placement hashes are salted with. */
  readonly salt: Buffer;
  /** No other process coordinates reads and writes over these devices. */
  readonly soleCoordinator: boolean;
  /** This process's certificate, where somebody has prepared one. */
  readonly tls?: PublicTls;
}

export interface Front {
  readonly images: Images;
  readonly operations: Operations;
  readonly info: CloudInfo;
  status(): Promise<CloudStatus>;
}

/** Everything that is opened is registered with `opened`, which closes it in reverse. */
export async function openFront(
  parts: FrontParts,
  context: RoleContext,
  opened: Undo,
): Promise<Front> {
  const { folder, place, membership, salt } = parts;
  const { settings, random, log, metrics } = context;
  const common = { clock: systemClock, random, log, metrics };
  const coordinator = random.bytes(4).readUInt32BE();
  const cluster = createCluster({
    ring: membership.view,
    devices: membership.devices,
    salt,
    coordinator,
    settings: settings.cluster,
    ...common,
  });
  opened.add(() => cluster.close());
  const replicator = await openReplicator({ folder, membership, cluster }, context, opened);
  membership.followedBy([cluster, replicator]);
  const ringChange = new RingChange({
    ...{ folder, membership, replicator, log },
    partitionsMax: settings.cloud.waveMovesMax,
  });
  const ring = () => ringChange.progress();
  const tls = settings.api.tls
    ? (parts.tls ?? (await publicTls(folder, place, context)))
    : undefined;
  const endpoints = endpointsAt(place, tls !== undefined);
  const controller = await openController(folder, context, catalogAt(endpoints), opened);
  const objects = createObjectService({
    tables: cluster.tables,
    blobs: cluster.blobs,
    settings: settings.proxy,
    soleCoordinator: parts.soleCoordinator,
    secret: salt,
    deviceCount: () =>
      membership.view.devices.filter((device) => device !== undefined && device.weight > 0).length,
    ...common,
  });
  opened.add(() => objects.close());
  const secrets = await openSecrets({ ...controller, masterKeys: objects.keys }, context);
  const holds = blobHolds(objects, controller.identity);
  const gateway = await openGateway(folder, cluster, context, opened, secrets.forVolumes, holds);
  const images = await openImages(
    { ...controller, folder, objects, gateway, endpoints },
    context,
    opened,
  );
  const authenticator = adaptIdentity(controller.identity);
  const info: CloudInfo = {
    endpoints,
    admin: pick(controller.admin),
    s3: { access_key: controller.admin.accessKey, secret_key: controller.admin.secretKey },
    data: folder.root,
    pid: process.pid,
    ...(tls === undefined ? {} : { ca: writeAuthority(folder, tls) }),
  };
  const networks = await openNetworks({ ...controller, folder }, context, opened);
  const lacks = () => lacksOf({ settings, images: images.local });
  const status = watchStatus({
    ...{ ring, membership, cluster, endpoints, replicator, networks, lacks },
  });
  // Operations begin when all is there; until then nothing grows.
  let grown = async (_volumeId: string, _sizeGib: number): Promise<void> => {};
  const blockStorage = await openBlockStorage(
    {
      ...controller,
      objects,
      gateway,
      images: { ...images.forVolumes, find: images.forVolumes.look },
      keys: secrets.forVolumes,
      endpoints,
      backupTargets: readBackupTargets(folder.path('backup-targets.yaml')),
      nbd: endpoints.nbd,
      grown: async (volumeId, sizeGib) => await grown(volumeId, sizeGib),
      status,
    },
    context,
  );

  const services = serviceCalls(endpoints, tls?.certificate);
  opened.add(() => services.close());
  const compute = await openCompute(
    {
      ...controller,
      ...{ folder, gateway, images, status, services },
      volumes: blockStorage.forServers,
      networks,
      api: endpoints.api,
    },
    context,
    opened,
  );
  const links = new Links(membership, log);
  opened.add(() => links.close());
  membership.tells([links]);
  const nodeParts = {
    ...{ folder, random, membership, links, replicator, change: ringChange },
    ...{
      clusterId: context.clusterId,
      address: { host: place.host, port: portOf(place.portBase, 'hosts') },
    },
  };
  grown = (volumeId, sizeGib) => compute.diskGrown(volumeId, sizeGib);
  const door = new HostsDoor({
    nodes: {
      welcome: (socket) => links.welcome(socket),
      admit: (socket) => admit(socket, nodeParts),
    },
    ...{ context, networks, compute, gateway, members: controller.members },
    certificates: await nbdCertificates(folder, random, context.clusterId),
    space: spaceFrom(status, settings.cloud.replicas),
  });
  const secure = tls === undefined ? {} : { tls: { key: tls.key, cert: tls.certificate } };
  const front = { objects, authenticator, settings: settings.proxy, ...secure, ...common };
  const at = (service: Parameters<typeof portOf>[1]) => ({
    host: place.host,
    port: portOf(place.portBase, service),
  });
  const swift = await createSwiftServer({ ...front, address: at('swift'), swift: settings.swift });
  opened.add(() => swift.close());
  const s3 = await createS3Server({
    ...front,
    address: at('s3'),
    s3: settings.s3,
    secret: salt,
  });
  opened.add(() => s3.close());
  const listening = [
    // Before operations go on: guests that start look for their disks.
    () => gateway.listen(at('nbd')),
    () => door.listen(at('hosts')),
    () =>
      controller.listen({
        ...at('identity'),
        ...secure,
        services: {
          '/image': images.service,
          '/volume': blockStorage.service,
          '/network': networks.service,
          '/key-manager': secrets.service,
          '/compute': compute.service,
          '/placement': compute.placement,
        },
        // The object store answers at its own ports, and here too: one address serves the whole cloud.
        doors: {
          '/object-store': swift.serve,
          '/s3': s3.serve,
          '/compute-console': compute.consoles.serve,
        },
        upgrades: { '/compute-console': compute.consoles.upgrade },
      }),
    () => listenAdmin(at('admin'), metrics, status),
    () =>
      serveControl(
        folder.path('run', 'control.sock'),
        {
          info: async () => info,
          status: () => status(),
          ...userCalls(controller.identity),
          ...keyCalls(objects),
          ...imageCalls(images.local, controller),
          ...operationCalls(controller),
          ...networkCalls(networks),
          ...hostCalls({
            ...{ folder, random, networks, door, gateway, clusterId: context.clusterId },
            members: controller.members,
            address: at('hosts'),
            tunnelRange: settings.network.tunnelRange,
            played: settings.compute.hosts,
          }),
          ...ringCalls({
            ...{ folder, membership, replicator, change: ringChange },
            partitionsMax: settings.cloud.waveMovesMax,
            bytesPerSecond: settings.replicator.copyBytesPerSecond,
            openDevice: parts.openDevice,
          }),
          ...nodeCalls(nodeParts),
          ...volumeCalls({
            gateway,
            images: images.local,
            objects,
            identity: controller.identity,
            admin: controller.admin,
            folder,
            endpoints,
          }),
        },
        log,
      ),
  ];
  for (const listen of listening) {
    const listener = await listen();
    opened.add(() => listener.close());
  }
  ringChange.start(opened);
  await compute.reconcile();
  return { info, status, images, operations: controller.operations };
}

function pick(admin: {
  username: string;
  password: string;
  project: string;
  domain: string;
}): CloudInfo['admin'] {
  return {
    username: admin.username,
    password: admin.password,
    project: admin.project,
    domain: admin.domain,
  };
}
