/** `pileus test`: installs what the tests need and runs them all, cheapest first; lists at the end what ran by kind. */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { Command } from 'commander';
import { Failure } from '#common';
import { ensurePackages, packagesFor } from '../packages.ts';
import { integerArgument, print } from './options.ts';

const root = join(import.meta.dirname, '../..');

/** The clients and peers that tests run against the product, from Debian. */
const testPackages = [
  ...packagesFor.guest,
  ...packagesFor.images,
  ...packagesFor.networks,
  'busybox',
  'openssh-client',
  'tcpdump',
  'iputils-ping',
  'python3-swiftclient',
  'python3-openstackclient',
  'python3-keystoneclient',
  'python3-barbicanclient',
  'python3-glanceclient',
  'python3-osc-placement',
  'python3-openstacksdk',
  'tempest',
  'slapd',
  'ldap-utils',
  'python3-boto3',
  'awscli',
  's3cmd',
  'rclone',
  'restic',
  's3fs',
  'fio',
  'libnbd-bin',
  'python3-libnbd',
  'nbdkit',
  'python3-swift',
  'wrk',
  'bzip2',
  'procps',
  'postgresql',
  'redis-tools',
];

/** Kinds of test in the order in which they run: what each folder or name holds. */
export const testKinds = ['tidy', 'unit', 'formats', 'sim', 'cluster', 'conformance'] as const;
export type TestKind = (typeof testKinds)[number];

interface TestOptions {
  readonly kind?: string;
  readonly skipPackages?: boolean;
  readonly seed?: number;
}

interface Tally {
  passed: number;
  failed: number;
  skipped: number;
  files: number;
  seconds: number;
}

export function testCommand(): Command {
  return new Command('test')
    .description('install what the tests need and run them')
    .argument('[filter...]', 'only test files whose path contains one of these')
    .option('--kind <kind>', `only one kind: ${testKinds.join(', ')}`)
    .option(
      '--seed <n>',
      'seed of the randomised tests, to replay a failure',
      integerArgument(0, 2 ** 32 - 1),
    )
    .option('--skip-packages', 'do not look for Debian packages first')
    .action((filters: string[], options: TestOptions) => {
      const kinds = chosenKinds(options.kind);
      if (options.skipPackages !== true) ensurePackages(testPackages, 'the tests');
      const whole = filters.length === 0 && options.kind === undefined;
      const checks = whole
        ? [
            check('format and lint', 'biome', ['check', '--error-on-warnings', '.']),
            check('types', 'tsc', ['--noEmit']),
          ]
        : [];
      const tallies = new Map(kinds.map((kind) => [kind, runKind(kind, filters, options.seed)]));
      report(checks, tallies);
    });
}

function chosenKinds(kind: string | undefined): readonly TestKind[] {
  if (kind === undefined) return testKinds;
  const found = testKinds.find((known) => known === kind);
  if (found === undefined)
    throw new Failure(
      'invalid',
      'no-such-kind',
      `There is no kind of test called ${kind}: ${testKinds.join(', ')}`,
    );
  return [found];
}

function check(
  name: string,
  tool: string,
  args: readonly string[],
): { name: string; passed: boolean } {
  print(`── ${name}`);
  const run = spawnSync(join(root, 'node_modules/.bin', tool), args, {
    cwd: root,
    stdio: 'inherit',
  });
  return { name, passed: run.status === 0 };
}

function runKind(kind: TestKind, filters: readonly string[], seed: number | undefined): Tally {
  print(`── ${kind}`);
  const folder = fs.mkdtempSync(join(tmpdir(), 'pileus-test-'));
  const results = join(folder, 'results.json');
  const startedMs = performance.now();
  const args = [
    'run',
    '--project',
    kind,
    '--project',
    `${kind}-alone`,
    '--passWithNoTests',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${results}`,
    ...filters,
  ];
  const env = { ...process.env, ...(seed === undefined ? {} : { PILEUS_TEST_SEED: String(seed) }) };
  const run = spawnSync(join(root, 'node_modules/.bin/vitest'), args, {
    cwd: root,
    stdio: 'inherit',
    env,
  });
  const tally = readTally(results, (performance.now() - startedMs) / 1000);
  fs.rmSync(folder, { recursive: true, force: true });
  // A run can fail outside any test (an unhandled rejection, a file that does not load): that counts.
  if (run.status !== 0 && tally.failed === 0) tally.failed = 1;
  return tally;
}

function readTally(path: string, seconds: number): Tally {
  const tally: Tally = { passed: 0, failed: 0, skipped: 0, files: 0, seconds };
  if (!fs.existsSync(path)) return tally;
  const results = JSON.parse(fs.readFileSync(path, 'utf8')) as {
    numPassedTests: number;
    numFailedTests: number;
    numPendingTests: number;
    numTodoTests: number;
    testResults: { name: string; status: string }[];
  };
  tally.passed = results.numPassedTests;
  tally.failed = results.numFailedTests;
  tally.skipped = results.numPendingTests + results.numTodoTests;
  tally.files = results.testResults.length;
  for (const file of results.testResults)
    if (file.status !== 'passed') print(`failed: ${relative(root, file.name)}`);
  return tally;
}

function report(
  checks: readonly { name: string; passed: boolean }[],
  tallies: ReadonlyMap<TestKind, Tally>,
): void {
  print('\nkind          files  passed  failed  skipped  seconds');
  const total: Tally = { passed: 0, failed: 0, skipped: 0, files: 0, seconds: 0 };
  for (const { name, passed } of checks) {
    print(`${name.padEnd(13)}     -  ${passed ? '     1       0' : '     0       1'}`);
    if (passed) total.passed++;
    else total.failed++;
  }
  for (const [kind, tally] of tallies) {
    const numbers = [tally.files, tally.passed, tally.failed, tally.skipped].map((n, at) =>
      String(n).padStart([5, 7, 7, 8][at] ?? 7),
    );
    print(`${kind.padEnd(13)} ${numbers.join(' ')}  ${tally.seconds.toFixed(0).padStart(7)}`);
    for (const key of ['passed', 'failed', 'skipped', 'files', 'seconds'] as const)
      total[key] += tally[key];
  }
  print(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  if (total.failed > 0 || total.passed === 0) process.exitCode = 1;
}
