/**
 * `pileus up`: starts the cloud of a data folder, waits until it is healthy, says how to use it.
 *
 *  1. Look at the folder, the settings and the ports; anything wrong is one sentence and nothing was started.
 *  2. Start this program again with `--foreground`, detached, its output going to the log.
 *  3. Ask its control socket until it is healthy, or it has ended: then its last words are the failure.
 */
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { Failure, isFailure } from '#common';
import type { CloudInfo, CloudStatus, Lack } from '../cloud-types.ts';
import { call } from '../control/client.ts';
import { type DataFolder, findRunning } from '../data-folder.ts';
import { portBaseDefault, portBaseMax } from '../ports.ts';
import { progressLine } from '../progress.ts';
import { checkStart } from '../start-check.ts';
import { renderWelcome } from '../welcome.ts';
import {
  type DataOptions,
  dataOption,
  folderOf,
  integerArgument,
  jsonOption,
  print,
} from './options.ts';

const startMsMax = 120_000;

/**
 * A request of a few milliseconds leaves nothing behind, if the young generation is not collected in the midst of it: V8's
 * own start of 1 MiB lets what is in flight grow old, and only a mark through the whole heap gets rid of that.
 */
const memoryFlags = [
  '--min-semi-space-size=16',
  '--max-semi-space-size=32',
  // For `idle-memory.ts`.
  '--expose-gc',
];

interface UpOptions extends DataOptions {
  readonly portBase?: number;
  readonly host?: string;
  readonly foreground?: boolean;
  readonly json?: boolean;
}

export function upCommand(): Command {
  return new Command('up')
    .description('start the whole cloud on this machine and say how to use it')
    .addOption(dataOption())
    .option(
      '--port-base <n>',
      `first of the ports (default ${portBaseDefault}, or what the data folder remembers)`,
      integerArgument(1024, portBaseMax),
    )
    .option(
      '--host <address>',
      'address to listen on (default 127.0.0.1, or what the data folder remembers)',
    )
    .option('--foreground', 'stay, and log to standard output')
    .addOption(jsonOption())
    .action(async (options: UpOptions) => {
      const folder = folderOf(options);
      const choice = {
        ...(options.portBase === undefined ? {} : { portBase: options.portBase }),
        ...(options.host === undefined ? {} : { host: options.host }),
      };
      if (findRunning(folder) === undefined) {
        await checkStart(folder, choice);
        if (options.foreground === true) {
          // Every room is loaded only in the process that runs them.
          const { runCloud } = await import('../foreground.ts');
          return runCloud(folder, choice, show(options));
        }
        await startDetached(folder, options);
      }
      const { lacks } = (await call(folder, 'status')) as CloudStatus;
      show(options)((await call(folder, 'info')) as CloudInfo, lacks);
    });
}

function show(options: UpOptions): (info: CloudInfo, lacks: readonly Lack[]) => void {
  return (info, lacks) => print(options.json === true ? info : renderWelcome(info, lacks));
}

async function startDetached(folder: DataFolder, options: UpOptions): Promise<void> {
  fs.mkdirSync(folder.path('log'), { recursive: true, mode: 0o700 });
  const words = folder.path('log', 'start.log');
  const output = fs.openSync(words, 'w', 0o600);
  const args = ['up', '--foreground', '--data', folder.root];
  if (options.portBase !== undefined) args.push('--port-base', String(options.portBase));
  if (options.host !== undefined) args.push('--host', options.host);
  // Last, the operator's own: of two values of one flag the later counts.
  const flags = [...memoryFlags, ...process.execArgv];
  const child = spawn(process.execPath, [...flags, process.argv[1] ?? '', ...args], {
    detached: true,
    stdio: ['ignore', output, output],
  });
  fs.closeSync(output);
  let ended = false;
  child.on('exit', () => {
    ended = true;
  });
  await waitUntilHealthy(folder, () => ended, words);
  child.unref();
}

async function waitUntilHealthy(
  folder: DataFolder,
  ended: () => boolean,
  words: string,
): Promise<void> {
  const line = progressLine();
  const startedMs = performance.now();
  try {
    while (!(await isReady(folder))) {
      if (ended()) throw new Failure('closed', 'start-failed', lastWords(words));
      if (performance.now() - startedMs > startMsMax) {
        throw new Failure('busy', 'start-slow', 'The cloud is not healthy yet', {
          facts: { log: folder.path('log', 'pileus.log') },
        });
      }
      line.show({ what: 'Starting', done: 0, total: 0, unit: 'steps' });
      await sleep(30);
    }
  } finally {
    line.end();
  }
}

async function isReady(folder: DataFolder): Promise<boolean> {
  try {
    await call(folder, 'info');
    return true;
  } catch (error) {
    if (isFailure(error, 'missing')) return false;
    throw error;
  }
}

/** What the child said before it ended: its `pileus: …` sentence where there is one. */
function lastWords(path: string): string {
  const text = fs.readFileSync(path, 'utf8').trim();
  const at = text.lastIndexOf('pileus: ');
  return at >= 0
    ? text.slice(at + 'pileus: '.length)
    : text.slice(-2000) || 'The cloud ended at once and said nothing';
}
