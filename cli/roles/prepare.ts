/** Writes what the processes of a cluster need: ring, certificates, salt, and a settings file each. */
import * as fs from 'node:fs';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { Failure, type Random, randomUuid, systemClock } from '#common';
import { buildRing, encodeRingFile, parseRingSpec } from '#ring';
import { createAuthority, issueCertificate } from '#wire';
import { randomSecret, writePrivate } from '../data-folder.ts';
import { portOf } from '../ports.ts';
import { deviceName } from './devices.ts';
import { nodeSocketName } from './node-socket.ts';

export interface PreparedMachine {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly zone: number;
  readonly devices: number;
}

export interface PrepareOptions {
  readonly folder: string;
  readonly machines: readonly PreparedMachine[];
  readonly replicas: number;
  readonly partPower: number;
  readonly front: { readonly host: string; readonly port: number };
  /** All may run on this machine: those that do then speak by unix sockets. */
  readonly sockets: boolean;
  /** What goes into every settings file. */
  readonly settings?: unknown;
}

export interface PreparedFile {
  readonly name: string;
  readonly roles: readonly string[];
  readonly file: string;
}

/** Storage processes listen from here above the port base, so that the front's own ports stay free. */
const storageOffset = 10;

/** One device and one zone each, all at one address. */
export function machinesAt(host: string, portBase: number, nodes: number): PreparedMachine[] {
  return Array.from({ length: nodes }, (_, at) => ({
    ...{ name: `storage-${at + 1}`, host, port: portBase + storageOffset + at },
    ...{ zone: at + 1, devices: 1 },
  }));
}

export async function prepareCluster(
  options: PrepareOptions,
  random: Random,
): Promise<PreparedFile[]> {
  const folder = resolve(options.folder);
  if (fs.existsSync(folder) && fs.readdirSync(folder).length > 0) {
    throw new Failure('conflict', 'folder-not-empty', 'The folder is not empty', {
      facts: { folder },
    });
  }
  fs.mkdirSync(join(folder, 'secrets'), { recursive: true, mode: 0o700 });
  let id = 0;
  const nodes = options.machines.map(({ name, host, port, zone, devices }) => ({
    ...{ name, host, port, zone },
    // Where a node runs on another machine, its socket is not found and TCP is used.
    ...(options.sockets ? { socket: `./${name}/run/${nodeSocketName}` } : {}),
    devices: Array.from({ length: devices }, () => id++),
  }));
  writeRingOf(options, nodes, folder);
  writePrivate(join(folder, 'secrets', 'salt'), `${randomSecret(random)}\n`);
  const cluster = randomUuid(random);
  const named = [...nodes, { name: 'front', host: options.front.host }];
  await writeCertificates({ folder, cluster, named }, random);
  return writeFiles(options, nodes, folder, cluster);
}

interface StorageNode {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly zone: number;
  readonly socket?: string;
  readonly devices: readonly number[];
}

function writeRingOf(options: PrepareOptions, nodes: readonly StorageNode[], folder: string): void {
  const devices = nodes.flatMap(({ host, port, zone, devices: ids }) =>
    ids.map((id) => ({
      ...{ id, region: 1, zone, ip: host, port, device: deviceName(id), weight: 100 },
    })),
  );
  const replicas = Math.min(options.replicas, devices.length);
  const spec = { part_power: options.partPower, replicas, overload: 0, devices };
  writePrivate(
    join(folder, 'storage.ring.gz'),
    encodeRingFile(buildRing(parseRingSpec(spec)).ring),
  );
}

interface CertificatesFor {
  readonly folder: string;
  readonly cluster: string;
  readonly named: readonly { readonly name: string; readonly host: string }[];
}

async function writeCertificates(parts: CertificatesFor, random: Random): Promise<void> {
  const { folder, cluster, named } = parts;
  const authority = await createAuthority({ cluster, clock: systemClock, random });
  // The controller lets in who has a certificate of this authority, and gives new ones.
  fs.mkdirSync(join(folder, 'front', 'secrets'), { recursive: true, mode: 0o700 });
  for (const place of ['secrets', 'front/secrets']) {
    writePrivate(join(folder, place, 'authority.pem'), authority.certificate);
    writePrivate(join(folder, place, 'authority.key'), authority.key);
  }
  for (const { name, host } of named) {
    const issued = await issueCertificate({
      ...{ authority, name, hosts: [host], clock: systemClock, random },
    });
    writePrivate(join(folder, 'secrets', `${name}.pem`), issued.certificate);
    writePrivate(join(folder, 'secrets', `${name}.key`), issued.key);
  }
}

function writeFiles(
  { front, settings }: PrepareOptions,
  prepared: readonly StorageNode[],
  folder: string,
  clusterId: string,
): PreparedFile[] {
  const controller = { host: front.host, port: portOf(front.port, 'hosts') };
  const shared = {
    ...{ clusterId, ring: './storage.ring.gz', secrets: './secrets' },
    ...(settings === undefined ? {} : { settings }),
  };
  const nodes = prepared.map(({ zone: _, ...node }) => node);
  const files: PreparedFile[] = [];
  const write = (name: string, roles: readonly string[], own: object): void => {
    const file = join(folder, `${name}.yaml`);
    const document = { ...shared, name, data: `./${name}`, ...own, nodes };
    writePrivate(file, stringify(document, { aliasDuplicateObjects: false }));
    files.push({ name, roles, file });
  };
  for (const { name, host, port, devices } of nodes)
    write(name, ['storage'], { host, port, devices, controller });
  write('front', ['proxy', 'controller', 'gateway'], { ...front, devices: [] });
  return files;
}
