/** `pileus ring …`: builds and shows placement rings, as files. */
import * as fs from 'node:fs';
import { Command } from 'commander';
import { Failure, messageOf, replaceWhole, systemCodeOf, systemDisk } from '#common';
import { buildRing, decodeRingFile, encodeRingFile, parseRingSpec, summarizeRing } from '#ring';
import { groupCommand, print } from './options.ts';
import { ringChangeCommands } from './ring-change.ts';

const ringBytesMax = 256 * 1024 * 1024;
const specBytesMax = 64 * 1024 * 1024;

export function ringCommand(): Command {
  const build = new Command('build')
    .description(
      'build a ring file from a specification; with an old ring, move as little as possible',
    )
    .argument(
      '<spec>',
      'JSON: {"part_power", "replicas", "overload", "devices": [{"id", "region", "zone", "ip", "port", "device", "weight"}]}',
    )
    .argument('<out>', 'the ring file to write (.ring.gz)')
    .argument('[old]', 'the ring file in use so far')
    .action(async (specPath: string, outPath: string, oldPath?: string) => {
      const spec = parseSpec(readBounded(specPath, specBytesMax).toString('utf8'), specPath);
      const old =
        oldPath === undefined ? undefined : decodeRingFile(readBounded(oldPath, ringBytesMax));
      const built = buildRing(parseRingSpec(spec), old);
      await replaceWhole(systemDisk, outPath, encodeRingFile(built.ring));
      print(summarizeRing(built.ring));
    });
  const show = new Command('show')
    .description('print a summary of a ring file as JSON')
    .argument('<file>', 'a .ring.gz file')
    .action((path: string) =>
      print(summarizeRing(decodeRingFile(readBounded(path, ringBytesMax)))),
    );
  return groupCommand(
    'ring',
    'where data lies: change it while clients work; build and look at ring files',
    [...ringChangeCommands(), build, show],
  );
}

function parseSpec(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Failure('invalid', 'bad-ring-spec', `${path} is not JSON: ${messageOf(error)}`);
  }
}

function readBounded(path: string, bytesMax: number): Buffer {
  try {
    const size = fs.statSync(path).size;
    if (size > bytesMax)
      throw new Failure('invalid', 'file-too-large', 'The file is too large', {
        facts: { path, size, bytesMax },
      });
    return fs.readFileSync(path);
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure('missing', 'file-unreadable', 'The file cannot be read', {
      facts: { path, system: systemCodeOf(error) },
      cause: error,
    });
  }
}
