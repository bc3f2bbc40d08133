/** Roles as processes of their own: a storage process serves its devices, the front reaches them over the wire. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import {
  createLogger,
  createMetrics,
  Failure,
  messageOf,
  systemClock,
  systemRandom,
  Undo,
} from '#common';
import { decodeRingFile } from '#ring';
import { connectNode, type DeviceServer, serveDevices } from '#wire';
import { claimRunning, dataFolder, releaseRunning } from '../data-folder.ts';
import { firstSignal } from '../foreground.ts';
import { type ClusterMap, loadMap, saveMap } from '../machines/cluster-map.ts';
import { Membership } from '../machines/membership.ts';
import { openNode } from '../machines/node.ts';
import { stayLinked } from '../machines/node-link.ts';
import type { RoleContext } from './context.ts';
import { closeDevices } from './devices.ts';
import { openFront } from './front.ts';
import type { NodeConfig } from './node-config.ts';
import { fitsSocket, nearbyAt, nodeSocketName } from './node-socket.ts';

type Say = (line: string) => void;

function read(path: string): Buffer {
  try {
    return fs.readFileSync(path);
  } catch (error) {
    throw new Failure('missing', 'file-unreadable', `${path} cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function tlsOf(config: NodeConfig) {
  const file = (name: string) => read(join(config.secrets, name)).toString('utf8');
  return {
    authority: file('authority.pem'),
    certificate: file(`${config.name}.pem`),
    key: file(`${config.name}.key`),
  };
}

function saltOf(config: NodeConfig): Buffer {
  return Buffer.from(read(join(config.secrets, 'salt')).toString('utf8').trim(), 'hex');
}

function hasSalt(config: NodeConfig): boolean {
  return fs.existsSync(join(config.secrets, 'salt'));
}

function contextOf(config: NodeConfig): RoleContext {
  const { clusterId, name, settings } = config;
  const file = join(config.data, 'log', 'pileus.log');
  const log = createLogger({ level: settings.cloud.logLevel, file }).child({ node: config.name });
  return {
    clusterId,
    name,
    settings,
    random: systemRandom,
    log,
    metrics: createMetrics({ process: true }),
  };
}

/** Opens what `open` opens, says it is ready, waits for a signal, closes in reverse order. */
async function live(
  config: NodeConfig,
  say: Say,
  open: (opened: Undo) => Promise<void>,
): Promise<void> {
  const folder = dataFolder(config.data);
  claimRunning(folder);
  const stopped = firstSignal();
  const opened = new Undo();
  try {
    await open(opened);
    say(`${config.name} is ready`);
    await stopped;
  } finally {
    await opened.run();
    releaseRunning(folder);
  }
  process.exit(0);
}

export function runStorage(config: NodeConfig, say: Say): Promise<void> {
  return live(config, say, async (opened) => {
    const context = contextOf(config);
    const folder = dataFolder(config.data);
    const node = await openNode(folder, config, context);
    opened.add(() => closeDevices(node.devices));
    const { devices, epochs } = node;
    const { settings, log } = context;
    const servers: DeviceServer[] = [];
    const shared = {
      devices,
      ringEpochs: epochs,
      cluster: config.clusterId,
      settings: settings.wire,
      clock: systemClock,
      random: context.random,
      log,
    };
    const path = join(config.data, 'run', nodeSocketName);
    // First, so that who finds the port finds the socket as well and does not pay for TLS.
    if (settings.wire.transport === 'framed' && fitsSocket(path) && hasSalt(config)) {
      const nearby = await serveDevices({ ...shared, ...nearbyAt(path, saltOf(config)) });
      servers.push(nearby);
      opened.add(() => nearby.close());
    }
    const address = { host: config.host, port: config.port };
    const server = await serveDevices({ ...shared, address, tls: tlsOf(config) });
    servers.push(server);
    opened.add(() => server.close());
    const { controller } = config;
    if (controller === undefined) return;
    const takeUp = async (map: ClusterMap) => {
      await node.takeUp(map);
      for (const one of servers) one.endStale();
    };
    const { name } = config;
    stayLinked({ name, role: 'storage', controller, tls: tlsOf(config), log, takeUp }, opened);
  });
}

export function runFront(config: NodeConfig, say: Say): Promise<void> {
  return live(config, say, async (opened) => {
    const context = contextOf(config);
    const salt = saltOf(config);
    const membership = membershipOf(config, context);
    opened.add(() => membership.close());
    const place = { host: config.host, portBase: config.port };
    await openFront(
      {
        folder: dataFolder(config.data),
        place,
        membership,
        salt,
        soleCoordinator: false,
        tls: tlsOf(config),
      },
      context,
      opened,
    );
    const { controller, name } = config;
    if (controller === undefined) return;
    const takeUp = (map: ClusterMap) => membership.adopt(map);
    const { log } = context;
    stayLinked({ name, role: 'front', controller, tls: tlsOf(config), log, takeUp }, opened);
  });
}

function membershipOf(config: NodeConfig, context: RoleContext): Membership {
  const folder = dataFolder(config.data);
  const { clusterId } = config;
  const known = loadMap(folder);
  const map = known ?? {
    ...{ clusterId, epoch: 1, nodes: config.nodes },
    ring: decodeRingFile(read(config.ring ?? join(config.data, 'ring', 'storage.ring.gz'))),
  };
  if (known === undefined) saveMap(folder, map);
  const salt = saltOf(config);
  return new Membership({
    ...{ folder, map, local: new Map(), clock: systemClock, log: context.log },
    connect: ({ socket, host, port }, ringEpoch) =>
      connectNode({
        ...(socket !== undefined && fitsSocket(socket) ? { nearby: nearbyAt(socket, salt) } : {}),
        ...{ address: { host, port }, tls: tlsOf(config), ringEpoch },
        ...{ cluster: clusterId, client: config.name, settings: context.settings.wire },
        ...{ clock: systemClock, random: context.random, log: context.log },
      }),
  });
}
