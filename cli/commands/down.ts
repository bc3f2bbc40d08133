/** `pileus down`: stops the cloud that runs on a data folder, and waits until it has. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { Failure } from '#common';
import { findRunning, guestsFolders, releaseRunning } from '../data-folder.ts';
import { type DataOptions, dataOption, folderOf, print } from './options.ts';

const waitMsMax = 60_000;

export function downCommand(): Command {
  return new Command('down')
    .description('stop the cloud; its data stays')
    .addOption(dataOption())
    .action(async (options: DataOptions) => {
      const folder = folderOf(options);
      const pid = findRunning(folder);
      if (pid === undefined) {
        print(`No cloud runs on ${folder.root}.`);
        return;
      }
      process.kill(pid, 'SIGTERM');
      const startedMs = performance.now();
      while (findRunning(folder) !== undefined) {
        if (performance.now() - startedMs > waitMsMax) {
          const facts = { pid, log: folder.path('log', 'pileus.log') };
          throw new Failure('busy', 'still-stopping', 'The cloud has not stopped within a minute', {
            facts,
          });
        }
        await sleep(50);
      }
      releaseRunning(folder);
      print('Stopped.');
      // Loaded here: the rest of the command needs nothing of it.
      const { runningGuests } = await import('#compute-hooks');
      const guests = guestsFolders(folder).flatMap(runningGuests).length;
      if (guests > 0)
        print(
          `${guests} ${guests === 1 ? 'server goes' : 'servers go'} on running: the disks stand still until the next \`up\`, for an hour at most. To end them, stop them before.`,
        );
    });
}
