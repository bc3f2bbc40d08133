/**
 * The data folder of one cloud: where everything lies, which version wrote it, and who is running on it.
 *
 *   pileus.json      format version, cluster id, port base    secrets/      keys and passwords, mode 0600
 *   settings.yaml    what the operator changed (optional)     ring/         placement of data on devices
 *   devices/dN/      the storage devices                      gateway/      write logs of open volumes
 *   state/           the control plane's database             run/          process id, sockets
 *   policy.yaml      policy rules replaced (optional)
 *   log/             pileus.log                               openrc, clouds.yaml
 */
import * as fs from 'node:fs';
import { join, resolve } from 'node:path';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { Failure, type Random, randomHex, randomUuid, systemCodeOf } from '#common';

/** Raised whenever an older program could not read what this one writes. */
export const dataFormatVersion = 1;

const ClusterFile = Type.Object({
  formatVersion: Type.Integer({ minimum: 1 }),
  clusterId: Type.String({ minLength: 8, maxLength: 64 }),
  portBase: Type.Integer({ minimum: 1024, maximum: 65_000 }),
  host: Type.String(),
});
export type ClusterFile = Static<typeof ClusterFile>;

export interface DataFolder {
  readonly root: string;
  path(...parts: string[]): string;
}

export function dataFolder(root: string): DataFolder {
  const absolute = resolve(root);
  return { root: absolute, path: (...parts) => join(absolute, ...parts) };
}

/** The cluster file, or undefined in an empty or absent folder; refuses anything this program cannot run on. */
export function findCluster(folder: DataFolder): ClusterFile | undefined {
  const path = folder.path('pileus.json');
  let text: string;
  try {
    text = fs.readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return refuseStrangers(folder);
    throw new Failure('denied', 'data-unreadable', 'The data folder cannot be read', {
      facts: { path },
      cause: error,
    });
  }
  return parseCluster(text, path);
}

function parseCluster(text: string, path: string): ClusterFile {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    throw new Failure('corrupt', 'data-damaged', 'The cluster file is not JSON', {
      facts: { path },
      cause: error,
    });
  }
  const version = Value.Check(Type.Object({ formatVersion: Type.Integer() }), document)
    ? document.formatVersion
    : 0;
  if (version > dataFormatVersion) {
    const facts = { path, found: version, understood: dataFormatVersion };
    throw new Failure(
      'invalid',
      'newer-data',
      'The data folder was written by a newer version of Pileus',
      { facts },
    );
  }
  if (!Value.Check(ClusterFile, document)) {
    throw new Failure('corrupt', 'data-damaged', 'The cluster file lacks what it must have', {
      facts: { path },
    });
  }
  return document;
}

function refuseStrangers(folder: DataFolder): undefined {
  const entries = fs.existsSync(folder.root) ? fs.readdirSync(folder.root) : [];
  const foreign = entries.find(
    (name) => !['run', 'log', 'settings.yaml', 'policy.yaml', 'lost+found'].includes(name),
  );
  if (foreign === undefined) return undefined;
  throw new Failure(
    'invalid',
    'not-a-data-folder',
    'This folder holds something else: name an empty or new one',
    {
      facts: { path: folder.root, found: foreign },
    },
  );
}

export function newCluster(
  random: Random,
  options: { portBase: number; host: string },
): ClusterFile {
  return { formatVersion: dataFormatVersion, clusterId: randomUuid(random), ...options };
}

/** Writes a small file readable by its owner only, whole or not at all. */
export function writePrivate(path: string, content: string | Uint8Array): void {
  const draft = `${path}.new`;
  const handle = fs.openSync(draft, 'w', 0o600);
  try {
    fs.writeFileSync(handle, content);
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
  fs.renameSync(draft, path);
  const parent = fs.openSync(join(path, '..'), 'r');
  try {
    fs.fsyncSync(parent);
  } finally {
    fs.closeSync(parent);
  }
}

/** A secret kept in `secrets/`, made at first use. */
export function ensureSecret(folder: DataFolder, name: string, make: () => string): string {
  const path = folder.path('secrets', name);
  if (fs.existsSync(path)) return fs.readFileSync(path, 'utf8').trim();
  fs.mkdirSync(folder.path('secrets'), { recursive: true, mode: 0o700 });
  const value = make();
  writePrivate(path, `${value}\n`);
  return value;
}

export function randomSecret(random: Random, bytes = 24): string {
  return randomHex(random, bytes);
}

/** Where the guests of one of the hosts are that this machine plays. */
export const guestsFolder = (folder: DataFolder, host: number): string =>
  folder.path(host === 0 ? 'guests' : `guests-${host + 1}`);

/** Those that there are, of hosts that the settings no longer name as well. */
export const guestsFolders = (folder: DataFolder): string[] =>
  fs
    .readdirSync(folder.root)
    .filter((name) => /^guests(-\d+)?$/.test(name))
    .map((name) => folder.path(name));

/** The process id of the cloud that runs on this folder, or undefined. */
export function findRunning(folder: DataFolder): number | undefined {
  const path = folder.path('run', 'pid');
  if (!fs.existsSync(path)) return undefined;
  const [pid, started] = fs.readFileSync(path, 'utf8').trim().split(' ');
  const number = Number(pid);
  // A process id may have been given to another program since: its start time tells them apart.
  return Number.isInteger(number) && started === startTimeOf(number) ? number : undefined;
}

export function claimRunning(folder: DataFolder): void {
  fs.mkdirSync(folder.path('run'), { recursive: true, mode: 0o700 });
  writePrivate(folder.path('run', 'pid'), `${process.pid} ${startTimeOf(process.pid) ?? ''}\n`);
}

export function releaseRunning(folder: DataFolder): void {
  fs.rmSync(folder.path('run', 'pid'), { force: true });
  fs.rmSync(folder.path('run', 'control.sock'), { force: true });
}

/** Field 22 of /proc/PID/stat, in clock ticks since boot; undefined when there is no such process. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(systemCodeOf(error) ?? '')) return undefined;
    throw error;
  }
}
