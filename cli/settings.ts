/** Joins the rooms' settings into one document, read from `settings.yaml` in the data folder. */
import * as fs from 'node:fs';
import { parse as parseYaml } from 'yaml';
import { blockGatewaySettings } from '#block-gateway';
import { apiSettings } from '#cloud/api';
import { identitySettings } from '#cloud/identity';
import { imageSettings } from '#cloud/image';
import { journalSettings } from '#cloud/journal';
import { networkSettings } from '#cloud/network';
import { operationSettings } from '#cloud/operations';
import { secretSettings } from '#cloud/secret';
import { stateSettings } from '#cloud/state';
import { volumeSettings } from '#cloud/volume';
import { clusterSettings } from '#cluster';
import { declareSettings, Failure, messageOf, parseSettings } from '#common';
import { computeSettings } from '#compute-hooks';
import { proxySettings, s3Settings, swiftSettings } from '#proxy';
import { replicatorSettings } from '#replicator';
import { storageNodeSettings } from '#storage-node';
import { wireSettings } from '#wire';
import type { DataFolder } from './data-folder.ts';

const cloudSettings = declareSettings({
  logLevel: {
    type: 'choice',
    default: 'info',
    choices: ['trace', 'debug', 'info', 'warn', 'error'],
    about: 'What is worth a line in the log.',
  },
  devices: {
    type: 'integer',
    default: 4,
    min: 1,
    max: 64,
    about: 'Devices made under `devices/` at first start, each in a zone of its own.',
  },
  replicas: {
    type: 'integer',
    default: 3,
    min: 1,
    max: 16,
    about: 'Copies of every row and blob; set at first start.',
  },
  partPower: {
    type: 'integer',
    default: 10,
    min: 1,
    max: 24,
    about: 'The ring has 2^partPower partitions; set at first start.',
  },
  waveMovesMax: {
    type: 'integer',
    default: 64,
    min: 1,
    max: 65_536,
    about: 'Ring partitions of which a replica may move at a time, in a change of the ring.',
  },
});

export const settingsRooms = {
  cloud: cloudSettings,
  storage: storageNodeSettings,
  cluster: clusterSettings,
  wire: wireSettings,
  replicator: replicatorSettings,
  proxy: proxySettings,
  s3: s3Settings,
  swift: swiftSettings,
  gateway: blockGatewaySettings,
  state: stateSettings,
  operations: operationSettings,
  api: apiSettings,
  journal: journalSettings,
  identity: identitySettings,
  image: imageSettings,
  volume: volumeSettings,
  secret: secretSettings,
  compute: computeSettings,
  network: networkSettings,
} as const;

export type Settings = ReturnType<typeof parseSettings<typeof settingsRooms>>;

export function readSettings(folder: DataFolder): Settings {
  const path = folder.path('settings.yaml');
  if (!fs.existsSync(path)) return parseSettings(settingsRooms, {});
  return parseDocument(fs.readFileSync(path, 'utf8'), path);
}

export function parseDocument(text: string, path: string): Settings {
  let document: unknown;
  try {
    document = parseYaml(text, { maxAliasCount: 0 });
  } catch (error) {
    throw new Failure('invalid', 'bad-settings', `${path} is not YAML: ${messageOf(error)}`);
  }
  return settingsOf(document);
}

/** Every default filled in, and nothing that contradicts itself. */
export function settingsOf(document: unknown): Settings {
  const settings = parseSettings(settingsRooms, document ?? {});
  checkGrace(settings);
  return settings;
}

/** A body's bytes lie in the store before its row does: reclaim must not take them for garbage while they may still get one. */
function checkGrace({ replicator, proxy }: Settings): void {
  if (replicator.reclaim !== 'on' || replicator.orphanGraceMs >= 2 * proxy.bodyDurationMsMax)
    return;
  throw new Failure(
    'invalid',
    'bad-settings',
    'replicator.orphanGraceMs must be at least twice proxy.bodyDurationMsMax',
    {
      facts: {
        orphanGraceMs: replicator.orphanGraceMs,
        bodyDurationMsMax: proxy.bodyDurationMsMax,
      },
    },
  );
}
