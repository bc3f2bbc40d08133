/** Options that several commands share. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { type DataFolder, dataFolder } from '../data-folder.ts';
import { parseBytes } from '../progress.ts';

export interface DataOptions {
  readonly data: string;
}

/** `--data DIR`: which cloud is meant. */
export function dataOption(): Option {
  return new Option('--data <dir>', "the cloud's data folder").default('./data');
}

export function jsonOption(): Option {
  return new Option('--json', 'print JSON');
}

export function folderOf(options: DataOptions): DataFolder {
  return dataFolder(options.data);
}

/** Commander parser of `256MiB`. */
export function sizeArgument(text: string): number {
  const bytes = parseBytes(text);
  if (bytes === undefined || bytes <= 0)
    throw new InvalidArgumentError('expected a size such as 256MiB or 10G.');
  return bytes;
}

export function integerArgument(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < min || value > max) {
      throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

/** A command that only groups others. */
export function groupCommand(name: string, about: string, commands: readonly Command[]): Command {
  const group = new Command(name).description(about);
  for (const command of commands) group.addCommand(command.exitOverride());
  return group;
}

export function print(value: unknown): void {
  process.stdout.write(`${typeof value === 'string' ? value : JSON.stringify(value, null, 2)}\n`);
}
