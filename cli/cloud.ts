/** The whole cloud in one process: every role, on embedded defaults and what the operator's settings change. */
import * as fs from 'node:fs';
import { createLogger, createMetrics, messageOf, type Random, systemClock, Undo } from '#common';
import type { CloudInfo, CloudStatus } from './cloud-types.ts';
import {
  type ClusterFile,
  type DataFolder,
  ensureSecret,
  findCluster,
  newCluster,
  randomSecret,
  writePrivate,
} from './data-folder.ts';
import { Membership, noSuchDevice } from './machines/membership.ts';
import { waysOf } from './machines/ways.ts';
import type { RoleContext } from './roles/context.ts';
import { closeDevices, deviceName, ensureMap, openDevices, ownDevices } from './roles/devices.ts';
import { openFront } from './roles/front.ts';
import { registerGuest } from './roles/guest-image.ts';
import { prepareHost } from './roles/host-packages.ts';
import { readSettings } from './settings.ts';
import { type Place, placeOf, type StartChoice } from './start-check.ts';
import { renderCloudsYaml, renderOpenrc } from './welcome.ts';

export interface RunningCloud {
  readonly info: CloudInfo;
  status(): Promise<CloudStatus>;
  /** Closes everything in reverse order of opening. */
  close(): Promise<void>;
}

export interface CloudComponents {
  readonly random: Random;
}

export async function openCloud(
  folder: DataFolder,
  choice: StartChoice,
  components: CloudComponents,
): Promise<RunningCloud> {
  const settings = readSettings(folder);
  const log = createLogger({
    level: settings.cloud.logLevel,
    file: folder.path('log', 'pileus.log'),
  });
  const opened = new Undo();
  try {
    const found = findCluster(folder);
    const place = placeOf(found, choice);
    const cluster = found ?? newCluster(components.random, place);
    // Before anything else is made: a first start that dies half-way is continued by the next one.
    remember(folder, cluster, found ?? place);
    const context: RoleContext = {
      clusterId: cluster.clusterId,
      name: 'pileus',
      settings,
      random: components.random,
      log,
      metrics: createMetrics({ process: true }),
    };
    const salt = Buffer.from(
      ensureSecret(folder, 'salt', () => randomSecret(components.random)),
      'hex',
    );
    const map = await ensureMap(folder, cluster.clusterId, settings);
    const devices = await openDevices(folder, ownDevices(map), context);
    opened.add(() => closeDevices(devices));
    const membership = new Membership({
      ...{ folder, map, log, clock: systemClock, local: new Map(devices) },
      connect: await waysOf(folder, context),
    });
    opened.add(() => membership.close());
    const openDevice = async (id: number) => {
      const [device] = (await openDevices(folder, [id], context)).values();
      if (device === undefined) throw noSuchDevice(deviceName(id));
      devices.set(id, device);
      return device;
    };
    const parts = { folder, place, membership, openDevice, salt, soleCoordinator: true };
    const front = await openFront(parts, context, opened);
    remember(folder, cluster, place);
    writeClientFiles(folder, front.info);
    if (settings.image.guest) await registerGuest(front);
    await prepareHost(front.operations, settings);
    log.info({ cluster: cluster.clusterId, place }, 'up');
    return {
      ...front,
      close: async () => {
        log.info('closing');
        await opened.run();
        log.info('closed');
      },
    };
  } catch (error) {
    log.error({ err: error }, `start failed: ${messageOf(error)}`);
    await opened.run();
    throw error;
  }
}

function remember(folder: DataFolder, cluster: ClusterFile, place: Place): void {
  const file: ClusterFile = { ...cluster, portBase: place.portBase, host: place.host };
  const path = folder.path('pileus.json');
  const text = `${JSON.stringify(file, null, 2)}\n`;
  if (!fs.existsSync(path) || fs.readFileSync(path, 'utf8') !== text) writePrivate(path, text);
}

function writeClientFiles(folder: DataFolder, info: CloudInfo): void {
  writePrivate(folder.path('openrc'), renderOpenrc(info));
  writePrivate(folder.path('clouds.yaml'), renderCloudsYaml(info));
}
