/** Writes what the processes of a cluster need: ring, certificates, salt, and a settings file each. */
import * as fs from 'node:fs';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { Failure, type Random, randomUuid, systemClock } from '#common';
import { buildRing, encodeRingFile, parseRingSpec } from '#ring';
import { createAuthority, issueCertificate } from '#wire';
import { randomSecret, writePrivate } from '../data-folder.ts';
import { portOf } from '../ports.ts';
import { nodeSocketName } from './node-socket.ts';

export interface PrepareOptions {
  readonly folder: string;
  readonly nodes: number;
  readonly replicas: number;
  readonly portBase: number;
  readonly host: string;
}

export interface PreparedFile {
  readonly roles: readonly string[];
  readonly file: string;
}

/** Storage processes listen from here above the port base, so that the front's own ports stay free. */
const storageOffset = 10;

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
  const nodes = Array.from({ length: options.nodes }, (_, at) => ({
    name: `storage-${at + 1}`,
    host: options.host,
    port: options.portBase + storageOffset + at,
    // All are prepared on this machine; where a node runs on another, its socket is not found and TCP is used.
    socket: `./storage-${at + 1}/run/${nodeSocketName}`,
    devices: [at],
  }));
  writeRingOf(options, nodes, folder);
  writePrivate(join(folder, 'secrets', 'salt'), `${randomSecret(random)}\n`);
  const names = [...nodes.map((node) => node.name), 'front'];
  const cluster = randomUuid(random);
  await writeCertificates({ folder, cluster, names, host: options.host }, random);
  return writeFiles(options, nodes, folder, cluster);
}

interface StorageNode {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly socket: string;
  readonly devices: readonly number[];
}

function writeRingOf(options: PrepareOptions, nodes: readonly StorageNode[], folder: string): void {
  const devices = nodes.map((node, at) => ({
    id: at,
    region: 1,
    zone: at + 1,
    ip: node.host,
    port: node.port,
    device: `d${at + 1}`,
    weight: 100,
  }));
  const replicas = Math.min(options.replicas, options.nodes);
  const { ring } = buildRing(parseRingSpec({ part_power: 10, replicas, overload: 0, devices }));
  writePrivate(join(folder, 'storage.ring.gz'), encodeRingFile(ring));
}

interface CertificatesFor {
  readonly folder: string;
  readonly cluster: string;
  readonly names: readonly string[];
  readonly host: string;
}

async function writeCertificates(parts: CertificatesFor, random: Random): Promise<void> {
  const { folder, cluster, names, host } = parts;
  const authority = await createAuthority({ cluster, clock: systemClock, random });
  writePrivate(join(folder, 'secrets', 'authority.pem'), authority.certificate);
  writePrivate(join(folder, 'secrets', 'authority.key'), authority.key);
  // The controller lets in who has a certificate of this authority, and gives new ones.
  fs.mkdirSync(join(folder, 'front', 'secrets'), { recursive: true, mode: 0o700 });
  writePrivate(join(folder, 'front', 'secrets', 'authority.key'), authority.key);
  writePrivate(join(folder, 'front', 'secrets', 'authority.pem'), authority.certificate);
  for (const name of names) {
    const issued = await issueCertificate({
      authority,
      name,
      hosts: [host],
      clock: systemClock,
      random,
    });
    writePrivate(join(folder, 'secrets', `${name}.pem`), issued.certificate);
    writePrivate(join(folder, 'secrets', `${name}.key`), issued.key);
  }
}

function writeFiles(
  options: PrepareOptions,
  nodes: readonly StorageNode[],
  folder: string,
  clusterId: string,
): PreparedFile[] {
  const controller = { host: options.host, port: portOf(options.portBase, 'hosts') };
  const shared = { clusterId, ring: './storage.ring.gz', secrets: './secrets' };
  const files: PreparedFile[] = [];
  const write = (name: string, roles: readonly string[], own: object): void => {
    const file = join(folder, `${name}.yaml`);
    writePrivate(
      file,
      stringify(
        { ...shared, name, data: `./${name}`, ...own, nodes },
        { aliasDuplicateObjects: false },
      ),
    );
    files.push({ roles, file });
  };
  for (const node of nodes)
    write(node.name, ['storage'], {
      ...{ host: node.host, port: node.port, devices: node.devices, controller },
    });
  write('front', ['proxy', 'controller', 'gateway'], {
    host: options.host,
    port: options.portBase,
    devices: [],
  });
  return files;
}
