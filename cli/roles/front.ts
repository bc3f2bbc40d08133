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
import type { Ring } from '#ring';
import type { DeviceService } from '#wire';
import type { CloudInfo, CloudStatus, Endpoints } from '../cloud-types.ts';
import { serveControl } from '../control/server.ts';
import type { DataFolder } from '../data-folder.ts';
import { portOf } from '../ports.ts';
import type { Place } from '../start-check.ts';
import { watchStatus } from '../status.ts';
import { listenAdmin } from './admin-listener.ts';
import { adaptIdentity } from './authenticator.ts';
import type { RoleContext } from './context.ts';
import { openController } from './controller.ts';
import { openGateway } from './gateway.ts';
import { openImages } from './image.ts';
import { imageCalls } from './image-calls.ts';
import { operationCalls } from './operation-calls.ts';
import { userCalls } from './user-calls.ts';
import { volumeCalls } from './volume-calls.ts';

export interface FrontParts {
  readonly folder: DataFolder;
  readonly place: Place;
  readonly ring: Ring;
  readonly devices: ReadonlyMap<number, DeviceService>;
  /** The secret that placement hashes are salted with. */
  readonly salt: Buffer;
  /** No other process coordinates reads and writes over these devices. */
  readonly soleCoordinator: boolean;
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
  const { folder, place, ring, devices, salt } = parts;
  const { settings, random, log, metrics } = context;
  const common = { clock: systemClock, random, log, metrics };
  const coordinator = random.bytes(4).readUInt32BE();
  const cluster = createCluster({
    ring,
    devices,
    salt,
    coordinator,
    settings: settings.cluster,
    ...common,
  });
  opened.add(() => cluster.close());
  const endpoints = endpointsAt(place);
  const controller = await openController(folder, context, catalogOf(endpoints), opened);
  const objects = createObjectService({
    tables: cluster.tables,
    blobs: cluster.blobs,
    settings: settings.proxy,
    soleCoordinator: parts.soleCoordinator,
    ...common,
  });
  opened.add(() => objects.close());
  const gateway = await openGateway(folder, cluster, context, opened);
  const images = await openImages({ ...controller, folder, objects, gateway }, context, opened);
  const authenticator = adaptIdentity(controller.identity);
  const info: CloudInfo = {
    endpoints,
    admin: pick(controller.admin),
    s3: { access_key: controller.admin.accessKey, secret_key: controller.admin.secretKey },
    data: folder.root,
    pid: process.pid,
  };
  const status = watchStatus({ ring, devices, cluster, endpoints });

  const door = { objects, authenticator, settings: settings.proxy, ...common };
  const at = (service: Parameters<typeof portOf>[1]) => ({
    host: place.host,
    port: portOf(place.portBase, service),
  });
  const listening = [
    () => createSwiftServer({ ...door, address: at('swift'), swift: settings.swift }),
    () => createS3Server({ ...door, address: at('s3'), s3: settings.s3 }),
    () => controller.listen(at('identity'), { '/image': images.service }),
    () => gateway.listen(at('nbd')),
    () => listenAdmin(at('admin'), metrics, status),
    () =>
      serveControl(
        folder.path('run', 'control.sock'),
        {
          info: async () => info,
          status: () => status(),
          ...userCalls(controller.identity),
          ...imageCalls(images.local, controller),
          ...operationCalls(controller),
          ...volumeCalls({
            gateway,
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

function endpointsAt(place: Place): Endpoints {
  // A wildcard address is for listening; clients on this machine reach it by loopback.
  const host = place.host === '0.0.0.0' || place.host === '::' ? '127.0.0.1' : place.host;
  const name = host.includes(':') ? `[${host}]` : host;
  const url = (service: Parameters<typeof portOf>[1], path = '') =>
    `http://${name}:${portOf(place.portBase, service)}${path}`;
  return {
    s3: url('s3'),
    swift_auth_v1: url('swift', '/auth/v1.0'),
    swift: url('swift', '/v1'),
    identity: url('identity', '/v3'),
    image: url('identity', '/image'),
    nbd: `nbd://${name}:${portOf(place.portBase, 'nbd')}`,
    metrics: url('admin', '/metrics'),
    health: url('admin', '/health'),
  };
}

function catalogOf(endpoints: Endpoints) {
  return [
    { type: 'identity', name: 'keystone', description: 'Identity', url: endpoints.identity },
    {
      type: 'object-store',
      name: 'swift',
      description: 'Object storage',
      url: `${endpoints.swift}/AUTH_%(project_id)s`,
    },
    { type: 'image', name: 'glance', description: 'Images', url: endpoints.image },
    { type: 's3', name: 's3', description: 'Object storage by S3', url: endpoints.s3 },
  ];
}
