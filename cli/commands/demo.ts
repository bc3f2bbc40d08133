/** `pileus demo`: a tour on a cloud of its own, with a printed transcript. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { ensureFree, Failure, isFailure, systemNet } from '#common';
import { dataFolder, findRunning, guestsFolders } from '../data-folder.ts';
import { giveTour } from '../demo/tour.ts';
import { portOf } from '../ports.ts';
import { integerArgument, print } from './options.ts';

interface DemoOptions {
  readonly keep?: boolean;
  readonly portBase?: number;
}

export function demoCommand(): Command {
  return new Command('demo')
    .description(
      'show network → server → ssh → volume → kill -9 → image → end with the openstack client, on a cloud of its own',
    )
    .option('--keep', 'leave the data folder of the demonstration in place')
    .option(
      '--port-base <n>',
      'first of the ports (default: looked for)',
      integerArgument(1024, 65_000),
    )
    .action(async (options: DemoOptions) => {
      const folder = fs.mkdtempSync(join(tmpdir(), 'pd-'));
      const data = join(folder, 'data');
      try {
        const portBase = options.portBase ?? (await findPortBase());
        await giveTour({ folder, portBase, say: print });
      } finally {
        await endAll(data);
        if (options.keep === true) print(`The data is in ${data}`);
        else fs.rmSync(folder, { recursive: true, force: true });
      }
    });
}

/** What a tour that failed left running: guests and daemons outlive the program by design, but not the demonstration. */
async function endAll(data: string): Promise<void> {
  if (!fs.existsSync(data)) return;
  const folder = dataFolder(data);
  const { runningGuests } = await import('#compute-hooks');
  for (const pid of guestsFolders(folder).flatMap(runningGuests)) process.kill(pid, 'SIGKILL');
  const pid = findRunning(folder);
  if (pid === undefined) return;
  process.kill(pid, 'SIGTERM');
  while (findRunning(folder) !== undefined) await sleep(50);
}

/** A port base whose first ports nobody uses. */
async function findPortBase(): Promise<number> {
  for (let base = 18_080; base < 64_000; base += 20) {
    try {
      for (const service of ['swift', 's3', 'identity', 'nbd', 'admin'] as const) {
        await ensureFree(systemNet, { host: '127.0.0.1', port: portOf(base, service) });
      }
      return base;
    } catch (error) {
      if (!isFailure(error, 'conflict')) throw error;
    }
  }
  throw new Failure(
    'busy',
    'no-free-ports',
    'No free ports were found; name some with --port-base',
  );
}
