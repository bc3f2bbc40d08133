/**
 * Swift's own functional suite against a running cloud:
 *
 *   node test/conformance/swift-functional/run.ts [--keystone] [FOLDER of Swift's source] [tests…]
 *
 * With `--keystone` by tokens of the identity API rather than TempAuth's, which runs the tables of roles and rights besides.
 * Without a folder the source package is fetched from Debian. Says at the end which failures are not in `expected-failures.txt`, and
 * which of those there passed; either makes it exit 1. Takes about two minutes; needs python3-pytest, python3-swiftclient and
 * python3-keystoneclient.
 */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { type CloudInfo, run, scratchFolder, TestCloud } from '../../support/cloud.ts';
import { Keystone, type WantedUser } from '../../support/keystone.ts';

const users: readonly WantedUser[] = [
  { project: 'test', name: 'tester', password: 'testing', role: 'admin' },
  { project: 'test2', name: 'tester2', password: 'testing2', role: 'admin' },
  { project: 'test', name: 'tester3', password: 'testing3', role: 'nobody' },
  { project: 'test4', name: 'tester4', password: 'testing4', role: 'admin', domain: 'test-domain' },
  { project: 'test5', name: 'tester5', password: 'testing5', role: 'service' },
  { project: 'test', name: 'tester6', password: 'testing6', role: 'ResellerAdmin' },
];

const settings = [
  'image:',
  '  guest: false',
  'swift:',
  '  resellerPrefixes: AUTH SERVICE',
  '  policies: gold silver',
  '  storageDomains: example.net',
  '  digests: sha1 sha256 sha512',
  '',
].join('\n');

function configuration({ endpoints }: CloudInfo, keystone: boolean): string {
  const auth = keystone
    ? ['auth_version = 3', `auth_uri = ${endpoints.identity}`]
    : [`auth_uri = ${endpoints.swift_auth_v1}`];
  const lines = ['[func_test]', ...auth];
  for (const [at, user] of users.entries()) {
    if (user.domain !== undefined && !keystone) continue;
    const suffix = at === 0 ? '' : String(at + 1);
    lines.push(`account${suffix} = ${user.project}`);
    lines.push(`username${suffix} = ${user.name}`, `password${suffix} = ${user.password}`);
    if (keystone) lines.push(`domain${suffix} = ${user.domain ?? 'Default'}`);
  }
  lines.push('service_prefix = SERVICE', 'collate = C', 'insecure = no');
  lines.push('storage_domain = example.net', '[swift-constraints]', '');
  return lines.join('\n');
}

/** Debian's source package, unpacked; by package lists of its own, so that the machine's stay as they are. */
function fetchSource(folder: string): string {
  const apt = join(folder, 'apt');
  fs.mkdirSync(join(apt, 'lists/partial'), { recursive: true });
  const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
  const release = fs.readFileSync('/etc/os-release', 'utf8');
  const name = /^VERSION_CODENAME=(\w+)/m.exec(release)?.[1] ?? 'bookworm';
  const line = `deb-src [signed-by=${keyring}] http://deb.debian.org/debian ${name} main\n`;
  fs.writeFileSync(join(apt, 'sources.list'), line);
  const options = [
    `Dir::Etc::sourcelist=${join(apt, 'sources.list')}`,
    'Dir::Etc::sourceparts=/dev/null',
    `Dir::State::lists=${join(apt, 'lists')}`,
  ].flatMap((option) => ['-o', option]);
  for (const args of [['update'], ['source', '--download-only', 'swift']]) {
    const ran = spawnSync('apt-get', [...options, ...args], { cwd: folder, stdio: 'inherit' });
    if (ran.status !== 0) throw new Error(`apt-get ${args.join(' ')} failed`);
  }
  const archive = fs.readdirSync(folder).find((file) => /^swift_.*orig\.tar/.test(file));
  if (archive === undefined) throw new Error('no source archive came');
  spawnSync('tar', ['xf', archive], { cwd: folder, stdio: 'inherit' });
  const source = fs.readdirSync(folder).find((file) => /^swift-\d/.test(file));
  return join(folder, source ?? '');
}

/** The suite wants storage at the root of its address, where the catalog has it below the address of all APIs. */
function direct({ api, swift }: CloudInfo['endpoints']): string {
  const lines = [
    'import swiftclient',
    'given = swiftclient.get_auth',
    'def get_auth(*args, **more):',
    '    url, token = given(*args, **more)',
    `    return url.replace('${api}/object-store/v1', '${swift}'), token`,
    'swiftclient.get_auth = swiftclient.client.get_auth = get_auth',
    '',
  ];
  return lines.join('\n');
}

/** The suite imports `mock`, which Python has had of its own for long, and the Keystone client under a name that it never had. */
function writeShim(folder: string, { endpoints }: CloudInfo): string {
  const shim = join(folder, 'shim');
  fs.mkdirSync(join(shim, 'mock'), { recursive: true });
  const text =
    'from unittest.mock import *\nfrom unittest import mock\nfrom unittest.mock import call, patch, DEFAULT, sentinel\n';
  fs.writeFileSync(join(shim, 'mock/__init__.py'), text);
  const named =
    'import keystoneclient.v3.client\nkeystoneclient.v3.ksc = keystoneclient.v3.client\n';
  fs.writeFileSync(join(shim, 'sitecustomize.py'), `${named}${direct(endpoints)}`);
  return shim;
}

function expectedFailures(): ReadonlySet<string> {
  const text = fs.readFileSync(join(import.meta.dirname, 'expected-failures.txt'), 'utf8');
  const lines = text.split('\n').map((line) => line.replace(/#.*/, '').trim());
  return new Set(lines.filter((line) => line !== ''));
}

async function main(): Promise<void> {
  const folder = scratchFolder('swift-functional');
  const keystone = process.argv[2] === '--keystone';
  const [given, ...tests] = process.argv.slice(keystone ? 3 : 2);
  const source = given ?? fetchSource(folder);
  const cloud = await TestCloud.start(
    'functional',
    // TempAuth lets a project's users in by its name alone, which is a role's name to Keystone's.
    keystone ? `${settings}  projectsInAcls: false\n` : settings,
  );
  try {
    const identity = await Keystone.open(cloud.info);
    for (const user of users) await identity.ensureUser(user);
    const config = join(folder, 'test.conf');
    fs.writeFileSync(config, configuration(cloud.info, keystone));
    const wanted = tests.length > 0 ? tests : ['--ignore=test/functional/s3api', 'test/functional'];
    const args = ['-W', 'ignore', '-m', 'pytest', '-p', 'no:warnings', '-q', '--tb=short'];
    const ran = await run('/usr/bin/python3', [...args, '-rfE', '-o', 'addopts=', ...wanted], {
      cwd: source,
      env: { PYTHONPATH: `${writeShim(folder, cloud.info)}:.`, SWIFT_TEST_CONFIG_FILE: config },
      timeoutMs: 1_800_000,
    });
    report(ran.stdout);
  } finally {
    await cloud.remove();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

function report(output: string): void {
  process.stdout.write(output);
  const failed = new Set(
    [...output.matchAll(/^(?:FAILED|ERROR) test\/functional\/(\S+)/gm)].map(
      ([, name = '']) => name,
    ),
  );
  const expected = expectedFailures();
  const news = [...failed].filter((name) => !expected.has(name));
  const gone = [...expected].filter((name) => !failed.has(name));
  process.stdout.write(`\nnot expected to fail: ${news.join(' ') || 'none'}\n`);
  process.stdout.write(`expected to fail, but passed: ${gone.join(' ') || 'none'}\n`);
  if (news.length > 0) process.exitCode = 1;
}

await main();
