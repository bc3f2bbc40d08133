/** The command line of the benches: its options, and how they become targets and workloads. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { compareRows, renderComparison } from './compare.ts';
import { type MeasureOptions, measure } from './measure.ts';
import { objectPreset, parsePreset, presetNames, volumePreset } from './presets.ts';
import { readResult } from './result.ts';
import { renderRows } from './table.ts';
import { type Dialect, dialects, parseTarget, type Target } from './target.ts';
import {
  bounds,
  type ObjectWorkload,
  parseMix,
  parseSize,
  parseSizes,
  type VolumeWorkload,
} from './workload.ts';

/** What commander hands to an action; every command takes a part of it. */
interface Options {
  readonly preset: string;
  readonly only?: string;
  readonly duration: number;
  readonly warmUp: number;
  readonly rounds: number;
  readonly retries: number;
  readonly workers: number;
  readonly concurrency: number;
  readonly mix?: string;
  readonly sizes?: string;
  readonly listRows: number;
  readonly listed?: number;
  readonly population: number;
  readonly container: string;
  readonly deletes: number;
  readonly keep?: true;
  readonly overwrite?: true;
  readonly span: string;
  readonly dialect?: Dialect;
  readonly json?: string;
  readonly pidFolder?: string;
  readonly dataFolder?: string;
  readonly pid?: number[];
  readonly pidFolderA?: string;
  readonly pidFolderB?: string;
}

export function benchProgram(print: (text: string) => void, say: (line: string) => void): Command {
  const program = new Command('pileus bench')
    .description('measure an object store or a volume, and compare two')
    .showHelpAfterError('(see --help)');
  program.addCommand(
    serverOptions(objectOptions(commonOptions(new Command('object'))))
      .description('operations on an object store, over Swift or S3')
      .argument('<target>', targetHelp)
      .action(async (given: string, options: Options) => {
        const target = parseTarget(given, { dialect: options.dialect, server: serverOf(options) });
        print(renderRows(await measure([target], measureOptions(options, say))));
      }),
  );
  program.addCommand(
    serverOptions(volumeOptions(commonOptions(new Command('volume'))))
      .description('reads and writes on a volume, over NBD with fio')
      .argument('<uri>', 'nbd://HOST:PORT/NAME or nbd+unix:///NAME?socket=PATH, or a JSON file')
      .action(async (given: string, options: Options) => {
        const target = parseTarget(given, { server: serverOf(options) });
        print(renderRows(await measure([target], measureOptions(options, say))));
      }),
  );
  program.addCommand(
    volumeOptions(objectOptions(commonOptions(new Command('compare'))))
      .description('run the same work on two targets in turns, and show ratios')
      .argument('<a>', targetHelp)
      .argument('<b>', targetHelp)
      .option('--pid-folder-a <dir>', 'folder of the pid files of A')
      .option('--pid-folder-b <dir>', 'folder of the pid files of B')
      .action(async (a: string, b: string, options: Options) => {
        const targets = distinct(
          parseTarget(a, { dialect: options.dialect, server: placeOf(options.pidFolderA) }),
          parseTarget(b, { dialect: options.dialect, server: placeOf(options.pidFolderB) }),
        );
        const rows = await measure(targets, measureOptions(options, say));
        const [nameA = 'A', nameB = 'B'] = targets.map((target) => target.name);
        print(
          `${renderRows(rows)}\n\n${renderComparison(compareRows(rows, nameA, nameB), nameA, nameB)}`,
        );
      }),
  );
  program.addCommand(
    new Command('show')
      .description('print recorded results again; of two targets also the ratios')
      .argument('<files...>', 'results written with --json')
      .action((files: string[]) => print(renderFiles(files))),
  );
  return program;
}

const targetHelp =
  'swift+http://USER:KEY@HOST:PORT/auth/v1.0, s3+http://ACCESS:SECRET@HOST:PORT, ' +
  'keystone+http://USER:PASSWORD@HOST:PORT/v3?project=P, a JSON file, or what `up --json` printed';

function commonOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--preset <name>', 'which rows to run').choices(presetNames).default('quick'),
    )
    .option('--only <text>', 'only the rows whose name contains this')
    .option('--duration <seconds>', 'of each row', within(0.2, bounds.durationSMax), 8)
    .option(
      '--warm-up <seconds>',
      'before each row, not counted',
      within(0, bounds.durationSMax),
      2,
    )
    .option('--rounds <n>', 'how often every row is run', whole(1, 100), 1)
    .option('--retries <n>', 'run a row again when others disturbed it', whole(0, 100), 0)
    .option('--json <file>', 'write the result to this file');
}

function objectOptions(command: Command): Command {
  return command
    .option('--mix <shares>', 'own workload: read=70,write=20,list=5,delete=5')
    .option('--sizes <shares>', 'object sizes of the own workload: 4KiB=80,1MiB=20')
    .option('--concurrency <n>', 'of the own workload', whole(1, bounds.concurrencyMax), 32)
    .option('--list-rows <n>', 'rows of a list operation of it', whole(1, bounds.listRowsMax), 1000)
    .option(
      '--listed <n>',
      'objects laid out to be listed (default: as many rows as a list operation reads)',
      whole(0, bounds.listedMax),
    )
    .option(
      '--population <n>',
      'objects of each size that it reads from',
      whole(8, bounds.populationMax),
      500,
    )
    .option('--workers <n>', 'threads that make the load', whole(1, bounds.workersMax), 1)
    .option('--container <name>', 'made for the bench and removed after it', 'pileus-bench')
    .option(
      '--deletes <n>',
      'objects laid out for a row of deletes only',
      whole(1, 1_000_000),
      2000,
    )
    .option('--keep', 'leave container and objects for the next run')
    .addOption(new Option('--dialect <name>', 'of a target that has several').choices(dialects));
}

function volumeOptions(command: Command): Command {
  return command
    .option('--overwrite', 'the contents of the volume may be destroyed')
    .option('--span <size>', 'part of the volume that is used', '1GiB');
}

function serverOptions(command: Command): Command {
  return command
    .option(
      '--pid <pid...>',
      'processes of the server, for its CPU and memory',
      (text, before: number[] = []) => [...before, whole(1, 2 ** 31)(text)],
    )
    .option('--pid-folder <dir>', 'folder of the pid files of the server')
    .option('--data-folder <dir>', "the server's data, for bytes on disk");
}

function serverOf(options: Options): Target['server'] {
  const { pid, pidFolder, dataFolder } = options;
  const place = {
    ...(pid && { pids: pid }),
    ...(pidFolder && { pid_folder: pidFolder }),
    ...(dataFolder && { data_folder: dataFolder }),
  };
  return Object.keys(place).length === 0 ? undefined : place;
}

const placeOf = (pidFolder: string | undefined): Target['server'] =>
  pidFolder === undefined ? undefined : { pid_folder: pidFolder };

/** Two targets of one name would be one in the result. */
function distinct(a: Target, b: Target): Target[] {
  return a.name === b.name
    ? [
        { ...a, name: `${a.name} A` },
        { ...b, name: `${b.name} B` },
      ]
    : [a, b];
}

function measureOptions(options: Options, say: (line: string) => void): MeasureOptions {
  const pace = { durationS: options.duration, warmUpS: options.warmUp, workers: options.workers };
  const preset = parsePreset(options.preset);
  const wanted = ({ name }: { name: string }): boolean =>
    options.only === undefined || name.includes(options.only);
  const own = options.mix !== undefined || options.sizes !== undefined;
  return {
    objects: (): ObjectWorkload[] =>
      (own ? [ownWorkload(options)] : objectPreset(preset, pace)).filter(wanted),
    volumes: (): VolumeWorkload[] =>
      volumePreset(preset, pace, parseSize(options.span)).filter(wanted),
    rounds: options.rounds,
    retries: options.retries,
    container: options.container,
    workers: options.workers,
    deletes: options.deletes,
    keep: options.keep === true,
    overwrite: options.overwrite === true,
    json: options.json,
    say,
  };
}

function ownWorkload(options: Options): ObjectWorkload {
  const { mix = 'read=70,write=30', sizes = '4KiB', concurrency } = options;
  const shares = parseMix(mix);
  const sizeShares = parseSizes(sizes);
  const objects = options.listed ?? (shares.list > 0 ? options.listRows : 0);
  return {
    name: `${mix} ${sizes} ×${concurrency}`,
    mix: shares,
    sizes: sizeShares,
    listed: { objects, sizeBytes: sizeShares[0]?.sizeBytes ?? 0 },
    concurrency,
    listRows: options.listRows,
    verifyEvery: 100,
    population: options.population,
    durationS: options.duration,
    warmUpS: options.warmUp,
    workers: options.workers,
  };
}

function renderFiles(files: readonly string[]): string {
  const rows = files.flatMap((file) => readResult(file).rows);
  const [a, b, ...more] = [...new Set(rows.map((row) => row.target))];
  const table = renderRows(rows);
  if (a === undefined || b === undefined || more.length > 0) return table;
  return `${table}\n\n${renderComparison(compareRows(rows, a, b), a, b)}`;
}

function within(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= min && value <= max)) {
      throw new InvalidArgumentError(`It is a number from ${min} to ${max}.`);
    }
    return value;
  };
}

function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = within(min, max)(text);
    if (!Number.isInteger(value)) throw new InvalidArgumentError('It is a whole number.');
    return value;
  };
}
