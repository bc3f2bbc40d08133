/** The one executable: parses the command line and runs one command. */
import { Command, CommanderError } from 'commander';
import { type FailureKind, isFailure, messageOf } from '#common';
import { benchCommand } from './commands/bench.ts';
import { clusterCommand } from './commands/cluster.ts';
import { demoCommand } from './commands/demo.ts';
import { downCommand } from './commands/down.ts';
import { hostCommand } from './commands/host.ts';
import { imageCommand } from './commands/image.ts';
import { auditCommand, eventsCommand } from './commands/journal.ts';
import { keyCommand } from './commands/key.ts';
import { networkCommand } from './commands/network.ts';
import { joinCommand, nodeCommand } from './commands/node.ts';
import { operationCommand } from './commands/operation.ts';
import { ringCommand } from './commands/ring.ts';
import { prepareCommand, runCommand } from './commands/run.ts';
import { settingsCommand } from './commands/settings.ts';
import { simCommand } from './commands/sim.ts';
import { statusCommand } from './commands/status.ts';
import { testCommand } from './commands/test.ts';
import { upCommand } from './commands/up.ts';
import { userCommand } from './commands/user.ts';
import { volumeCommand } from './commands/volume.ts';

/** Exit codes by what the caller should do; 2 is kept for wrong usage. */
const exitCodes: Readonly<Record<FailureKind, number>> = {
  invalid: 3,
  denied: 4,
  missing: 5,
  conflict: 6,
  busy: 7,
  unreachable: 8,
  corrupt: 9,
  closed: 10,
  bug: 70,
};

function program(): Command {
  const root = new Command('pileus')
    .description(
      'A private cloud that starts with one command: S3 and Swift storage, volumes, OpenStack APIs.',
    )
    .exitOverride()
    .showHelpAfterError('(see --help)');
  const commands = [
    upCommand(),
    downCommand(),
    statusCommand(),
    demoCommand(),
    testCommand(),
    benchCommand(),
    simCommand(),
    runCommand(),
    prepareCommand(),
    ringCommand(),
    clusterCommand(),
    nodeCommand(),
    joinCommand(),
    userCommand(),
    keyCommand(),
    volumeCommand(),
    imageCommand(),
    networkCommand(),
    hostCommand(),
    operationCommand(),
    eventsCommand(),
    auditCommand(),
    settingsCommand(),
  ];
  for (const command of commands) root.addCommand(command.exitOverride());
  return root;
}

async function main(): Promise<number> {
  try {
    await program().parseAsync(process.argv);
    return typeof process.exitCode === 'number' ? process.exitCode : 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    process.stderr.write(`pileus: ${messageOf(error)}\n`);
    if (!isFailure(error) || process.env.PILEUS_TRACE !== undefined) console.error(error);
    return isFailure(error) ? exitCodes[error.kind] : 70;
  }
}

process.exitCode = await main();
