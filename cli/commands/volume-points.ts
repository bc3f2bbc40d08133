/** `pileus volume snapshot|clone|branch|revert|extend|set|attach|backup|restore …`. */
import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { call } from '../control/client.ts';
import { progressLine, renderBytes } from '../progress.ts';
import {
  type DataOptions,
  dataOption,
  folderOf,
  integerArgument,
  jsonOption,
  print,
  sizeArgument,
} from './options.ts';
import { printVolume, type VolumeLine } from './volume.ts';

type Shown = DataOptions & { json?: boolean };

interface SnapshotLine {
  readonly id: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly createdUs: number;
}

interface AttachmentLine {
  readonly id: string;
  readonly mode: string;
  readonly exportName?: string;
  readonly pskIdentity?: string;
  readonly pskKey?: string;
}

interface BackupLine {
  readonly volume: string;
  readonly id: string;
  readonly chain: readonly string[];
  readonly changedBytes: number;
  readonly shippedBytes: number;
}

export function volumePointCommands(): Command[] {
  return [
    snapshotCommand(),
    snapshotsCommand(),
    snapshotDeleteCommand(),
    cloneCommand(),
    branchCommand(),
    revertCommand(),
    extendCommand(),
    setCommand(),
    attachCommand(),
    attachmentsCommand(),
    detachCommand(),
    backupCommand(),
    restoreCommand(),
  ];
}

function shown(name: string, about: string): Command {
  return new Command(name)
    .description(about)
    .argument('<volume>', 'id or name')
    .addOption(dataOption())
    .addOption(jsonOption());
}

/** An instant: a date that JavaScript reads, or so many seconds, minutes, hours or days ago (`-90s`, `-2h`). */
function instantArgument(text: string): number {
  const ago = /^-(\d+)([smhd])$/.exec(text);
  const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
  const seconds = ago === null ? undefined : Number(ago[1]) * (units[ago[2] ?? 's'] ?? 1);
  const atMs =
    seconds === undefined
      ? Date.parse(text)
      : performance.timeOrigin + performance.now() - seconds * 1000;
  if (Number.isFinite(atMs)) return Math.floor(atMs);
  throw new InvalidArgumentError(
    'Expected a date such as 2026-05-01T12:00:00Z, or -90s, -10m, -2h, -1d.',
  );
}

function snapshotCommand(): Command {
  return shown('snapshot', 'take a snapshot of a volume as it is now, in use or not')
    .option('--name <name>', 'a name for it')
    .action(async (volume: string, { data, json, ...rest }: Shown & { name?: string }) => {
      const made = await call(folderOf({ data }), 'volume-snapshot', { volume, ...rest });
      printSnapshots([made as SnapshotLine], json, made);
    });
}

function snapshotsCommand(): Command {
  return shown('snapshots', 'list the snapshots of a volume').action(
    async (volume: string, { data, json }: Shown) => {
      const list = (await call(folderOf({ data }), 'volume-snapshots', {
        volume,
      })) as SnapshotLine[];
      printSnapshots(list, json, list);
    },
  );
}

function printSnapshots(
  lines: readonly SnapshotLine[],
  json: boolean | undefined,
  whole: unknown,
): void {
  if (json === true) {
    print(whole);
    return;
  }
  for (const { id, name, sizeBytes, createdUs } of lines) {
    const taken = new Date(createdUs / 1000).toISOString();
    print(`${id}  ${taken}  ${renderBytes(sizeBytes).padEnd(9)} ${name}`);
  }
}

function snapshotDeleteCommand(): Command {
  return new Command('snapshot-delete')
    .description('delete a snapshot; clones made from it stay')
    .argument('<volume>', 'id or name')
    .argument('<snapshot>', 'id or name')
    .addOption(dataOption())
    .action(async (volume: string, snapshot: string, { data }: DataOptions) => {
      await call(folderOf({ data }), 'volume-snapshot-delete', { volume, snapshot });
    });
}

function cloneCommand(): Command {
  return shown('clone', 'make a new volume with the content of another; nothing is copied')
    .argument('<name>', 'name of the new volume')
    .option('--snapshot <snapshot>', 'of this snapshot instead of now')
    .option('--size <size>', 'larger than the source', sizeArgument)
    .action(
      async (
        volume: string,
        name: string,
        { data, json, ...rest }: Shown & { snapshot?: string; size?: number },
      ) => {
        const made = await call(folderOf({ data }), 'volume-clone', { volume, name, ...rest });
        printVolume(made as VolumeLine, json);
      },
    );
}

function branchCommand(): Command {
  return shown('branch', 'make a new volume with the content another had at an instant it retains')
    .argument('<name>', 'name of the new volume')
    .requiredOption('--at <time>', 'a date, or -90s, -10m, -2h, -1d', instantArgument)
    .action(async (volume: string, name: string, { data, json, at }: Shown & { at: number }) => {
      const made = await call(folderOf({ data }), 'volume-clone', { volume, name, atMs: at });
      printVolume(made as VolumeLine, json);
    });
}

function revertCommand(): Command {
  return shown('revert', 'give a volume that nobody uses the content it had before')
    .option('--snapshot <snapshot>', 'id or name')
    .option('--at <time>', 'an instant it retains', instantArgument)
    .action(
      async (
        volume: string,
        { data, json, snapshot, at }: Shown & { snapshot?: string; at?: number },
        command: Command,
      ) => {
        if ((snapshot === undefined) === (at === undefined))
          command.error('error: say one of --snapshot and --at');
        const point = snapshot === undefined ? { atMs: at } : { snapshot };
        const line = await call(folderOf({ data }), 'volume-revert', { volume, ...point });
        printVolume(line as VolumeLine, json);
      },
    );
}

function extendCommand(): Command {
  return shown('extend', 'make a volume larger, in use or not')
    .argument('<size>', 'the new size, such as 2GiB', sizeArgument)
    .option('--reconnect', 'cut its NBD clients off, so that those who come back see the new size')
    .action(async (volume: string, size: number, options: Shown & { reconnect?: boolean }) => {
      const { data, json, ...rest } = options;
      const line = await call(folderOf({ data }), 'volume-extend', { volume, size, ...rest });
      printVolume(line as VolumeLine, json);
    });
}

function setCommand(): Command {
  return shown('set', 'change the name, limits, retention or durability of a volume')
    .option('--name <name>', 'a new name')
    .option('--iops <n>', 'requests per second', integerArgument(1, 10_000_000))
    .option('--bandwidth <bytes>', 'bytes per second, such as 100MiB', sizeArgument)
    .option('--burst <seconds>', 'how much may be saved up', integerArgument(1, 3600))
    .option('--unlimited', 'no limits but those given here')
    .option(
      '--retention <seconds>',
      'keep any instant of so long ago',
      integerArgument(0, 31_622_400),
    )
    .addOption(
      new Option('--durability <kind>', 'what a flush waits for').choices(['local', 'replicated']),
    )
    .action(
      async (
        volume: string,
        options: Shown & {
          name?: string;
          iops?: number;
          bandwidth?: number;
          burst?: number;
          unlimited?: boolean;
          retention?: number;
          durability?: string;
        },
      ) => {
        const { data, json, bandwidth, burst, retention, ...rest } = options;
        const args = {
          ...rest,
          ...(bandwidth === undefined ? {} : { bytesPerS: bandwidth }),
          ...(burst === undefined ? {} : { burstS: burst }),
          ...(retention === undefined ? {} : { retentionS: retention }),
        };
        const line = await call(folderOf({ data }), 'volume-set', { volume, ...args });
        printVolume(line as VolumeLine, json);
      },
    );
}

function attachCommand(): Command {
  return shown('attach', 'let one NBD client in, and print what it needs')
    .option('--id <id>', 'a name for the attachment')
    .option('--read-only', 'for reading only')
    .action(
      async (
        volume: string,
        { data, json, ...rest }: Shown & { id?: string; readOnly?: boolean },
      ) => {
        const made = await call(folderOf({ data }), 'volume-attach', { volume, ...rest });
        printAttachments([made as AttachmentLine], json, made);
      },
    );
}

function attachmentsCommand(): Command {
  return shown('attachments', 'list who may reach a volume').action(
    async (volume: string, { data, json }: Shown) => {
      const list = await call(folderOf({ data }), 'volume-attachments', { volume });
      printAttachments(list as AttachmentLine[], json, list);
    },
  );
}

function printAttachments(
  lines: readonly AttachmentLine[],
  json: boolean | undefined,
  whole: unknown,
): void {
  if (json === true) {
    print(whole);
    return;
  }
  for (const { id, mode, exportName, pskIdentity, pskKey } of lines) {
    print(`${id}  ${mode}`);
    if (exportName !== undefined) print(`export  ${exportName}`);
    if (pskIdentity !== undefined) print(`psk     ${pskIdentity}:${pskKey}`);
  }
}

function detachCommand(): Command {
  return new Command('detach')
    .description('end an attachment and cut its client off')
    .argument('<volume>', 'id or name')
    .argument('<attachment>', 'id')
    .option('--force', 'also take the volume from whichever gateway has it')
    .addOption(dataOption())
    .action(
      async (volume: string, attachment: string, options: DataOptions & { force?: boolean }) => {
        const { data, ...rest } = options;
        await call(folderOf({ data }), 'volume-detach', { volume, attachment, ...rest });
      },
    );
}

interface Target {
  readonly to?: string;
  readonly from?: string;
  readonly container?: string;
}

function targetOf({ to, from, container }: Target, command: Command): object {
  const folder = to ?? from;
  if ((folder === undefined) === (container === undefined))
    command.error('error: say either a folder or a container');
  return folder === undefined ? { container } : { folder: resolve(folder) };
}

function backupCommand(): Command {
  return shown(
    'backup',
    'send a volume, or what changed since its last backup there, to a backup store',
  )
    .option('--to <folder>', "a folder of the cloud's machine")
    .option('--container <name>', 'a container of the admin project')
    .option('--full', 'everything, whatever is there already')
    .action(
      async (volume: string, options: Shown & Target & { full?: boolean }, command: Command) => {
        const { data, json, full } = options;
        const line = progressLine();
        try {
          const args = {
            volume,
            ...targetOf(options, command),
            ...(full === true ? { full } : {}),
          };
          const onProgress = line.show;
          const made = await call(folderOf({ data }), 'volume-backup', args, { onProgress });
          line.end();
          printBackup(made as BackupLine, json);
        } finally {
          line.end();
        }
      },
    );
}

function printBackup(made: BackupLine, json: boolean | undefined): void {
  if (json === true) {
    print(made);
    return;
  }
  const kind = made.chain.length === 0 ? 'full' : `incremental, number ${made.chain.length + 1}`;
  print(`${made.volume}/${made.id}  ${kind}`);
  print(`changed ${renderBytes(made.changedBytes)}, sent ${renderBytes(made.shippedBytes)}`);
}

function restoreCommand(): Command {
  return new Command('restore')
    .description('make a new volume out of a backup')
    .argument('<backup>', 'VOLUME-ID/BACKUP-ID as `backup` printed it, or VOLUME-ID for its latest')
    .argument('<name>', 'name of the new volume')
    .option('--from <folder>', "a folder of the cloud's machine")
    .option('--container <name>', 'a container of the admin project')
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(async (backup: string, name: string, options: Shown & Target, command: Command) => {
      const { data, json } = options;
      const line = progressLine();
      try {
        const args = { backup, name, ...targetOf(options, command) };
        const onProgress = line.show;
        const made = await call(folderOf({ data }), 'volume-restore', args, { onProgress });
        line.end();
        printVolume(made as VolumeLine, json);
      } finally {
        line.end();
      }
    });
}
