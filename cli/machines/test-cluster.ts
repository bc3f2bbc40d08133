/** A cluster of made-up machines on this one: started and stopped by one command, each machine by itself as well. */
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { Failure, systemRandom } from '#common';
import { call } from '../control/client.ts';
import { dataFolder, findRunning, writePrivate } from '../data-folder.ts';
import { prepareCluster } from '../roles/prepare.ts';
import {
  addressAt,
  freeNetwork,
  makeBridge,
  makeNamespace,
  namespaceOf,
  removeNamespaces,
} from './namespaces.ts';

export interface TestClusterOptions {
  readonly folder: string;
  readonly zones: number;
  readonly nodes: number;
  readonly devices: number;
  readonly replicas: number;
  readonly partPower: number;
  readonly settings?: unknown;
}

const Machine = Type.Object({
  name: Type.String(),
  address: Type.String(),
  namespace: Type.String(),
  zone: Type.Optional(Type.Integer()),
  roles: Type.Array(Type.String()),
  config: Type.String(),
});
export type Machine = Static<typeof Machine>;

const ClusterFile = Type.Object({
  version: Type.Literal(1),
  tag: Type.String(),
  network: Type.String(),
  machines: Type.Array(Machine),
});
type ClusterFile = Static<typeof ClusterFile>;

const storagePort = 8090;
const frontPort = 8080;
const firstPlace = 10;
const startMsMax = 60_000;
const stopMsMax = 30_000;

export async function makeCluster(options: TestClusterOptions): Promise<ClusterFile> {
  const folder = resolve(options.folder);
  const these = { tag: systemRandom.bytes(2).toString('hex'), network: freeNetwork() };
  const machines = Array.from({ length: options.zones * options.nodes }, (_, at) => {
    const zone = Math.floor(at / options.nodes) + 1;
    return {
      ...{ name: `z${zone}n${(at % options.nodes) + 1}`, zone, devices: options.devices },
      ...{ host: addressAt(these, firstPlace + at), port: storagePort },
    };
  });
  const { replicas, partPower, settings } = options;
  const front = { host: addressAt(these, 2), port: frontPort };
  const files = await prepareCluster(
    { ...{ folder, machines, replicas, partPower, front, sockets: false }, settings },
    systemRandom,
  );
  const cluster: ClusterFile = {
    ...{ version: 1, ...these },
    machines: files.map(({ name, roles, file }) => {
      const machine = machines.find((one) => one.name === name);
      const place =
        machine === undefined
          ? { address: front.host }
          : { address: machine.host, zone: machine.zone };
      return {
        name,
        ...place,
        namespace: namespaceOf(these, name),
        roles: [...roles],
        config: file,
      };
    }),
  };
  writePrivate(join(folder, 'cluster.json'), `${JSON.stringify(cluster, null, 2)}\n`);
  makeBridge(these);
  cluster.machines.forEach(({ name, address }) => {
    makeNamespace(these, name, Number(address.split('.')[3]));
  });
  return cluster;
}

export function readCluster(folder: string): ClusterFile {
  const path = join(resolve(folder), 'cluster.json');
  if (!fs.existsSync(path))
    throw new Failure(
      'missing',
      'no-cluster',
      `There is no cluster of pileus cluster up in ${folder}`,
    );
  const document: unknown = JSON.parse(fs.readFileSync(path, 'utf8'));
  if (Value.Check(ClusterFile, document)) return document;
  throw new Failure('corrupt', 'cluster-damaged', `${path} cannot be read`);
}

export function machineCalled(folder: string, name: string): Machine {
  const machine = readCluster(folder).machines.find((one) => one.name === name);
  if (machine !== undefined) return machine;
  throw new Failure('missing', 'no-such-machine', `The cluster has no machine ${name}`);
}

export const dataOf = (folder: string, machine: Pick<Machine, 'name'>) =>
  dataFolder(join(resolve(folder), machine.name));

/** Starts a machine's process and waits until it is ready. */
export async function startMachine(folder: string, machine: Machine): Promise<void> {
  const data = dataOf(folder, machine);
  if (findRunning(data) !== undefined) return;
  fs.mkdirSync(data.root, { recursive: true, mode: 0o700 });
  const words = join(resolve(folder), `${machine.name}.log`);
  const output = fs.openSync(words, 'w', 0o600);
  const { namespace, roles, config } = machine;
  const program = [process.execPath, ...process.execArgv, process.argv[1] ?? ''];
  const args = ['netns', 'exec', namespace, ...program, 'run', ...roles, '--config', config];
  const child = spawn('ip', args, { detached: true, stdio: ['ignore', output, output] });
  fs.closeSync(output);
  let ended = false;
  child.on('exit', () => {
    ended = true;
  });
  child.unref();
  for (let waitedMs = 0; !fs.readFileSync(words, 'utf8').includes('is ready'); waitedMs += 50) {
    if (ended || waitedMs > startMsMax)
      throw new Failure(
        'closed',
        'start-failed',
        `${machine.name}: ${fs.readFileSync(words, 'utf8').slice(-1000)}`,
      );
    await sleep(50);
  }
}

export async function stopMachine(folder: string, machine: Machine): Promise<void> {
  const data = dataOf(folder, machine);
  const pid = findRunning(data);
  if (pid === undefined) return;
  process.kill(pid, 'SIGTERM');
  for (let waitedMs = 0; findRunning(data) === pid; waitedMs += 50) {
    if (waitedMs > stopMsMax) process.kill(pid, 'SIGKILL');
    await sleep(50);
  }
}

export async function startAll(folder: string): Promise<void> {
  const { machines } = readCluster(folder);
  const isFront = ({ name }: Machine) => name === 'front';
  await Promise.all(
    machines.filter((one) => !isFront(one)).map((one) => startMachine(folder, one)),
  );
  for (const machine of machines.filter(isFront)) await startMachine(folder, machine);
}

/** One storage machine after the other, each when the cluster can do without it; the front last. */
export async function restartAll(folder: string, say: (line: string) => void): Promise<void> {
  const { machines } = readCluster(folder);
  const front = dataOf(folder, { name: 'front' });
  for (const machine of machines) {
    if (machine.name !== 'front') await untilSpared(front, machine.name);
    await stopMachine(folder, machine);
    await startMachine(folder, machine);
    say(`${machine.name} was started anew`);
  }
}

async function untilSpared(front: ReturnType<typeof dataOf>, name: string): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += 200) {
    try {
      await call(front, 'node-may-stop', { name });
      return;
    } catch (error) {
      const isBusy = error instanceof Failure && error.kind === 'busy';
      if (!isBusy || waitedMs > 10 * startMsMax) throw error;
      await sleep(200);
    }
  }
}

export async function removeCluster(folder: string): Promise<void> {
  const { machines, ...these } = readCluster(folder);
  for (const machine of machines.toReversed()) await stopMachine(folder, machine);
  removeNamespaces(
    these,
    machines.map(({ name }) => name),
  );
  fs.rmSync(join(resolve(folder), 'cluster.json'));
}
