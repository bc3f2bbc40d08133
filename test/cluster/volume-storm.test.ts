/**
 * Three volumes are written with verification while storage processes are killed and come back; then the front with the gateway is killed and started
 * again: fio finds no wrong block, and everything a flush had answered is there. `PILEUS_STORM_S` makes it longer.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launcher, runOk } from '../support/cloud.ts';
import { SplitCloud } from '../support/split-cloud.ts';

const run = promisify(execFile);
const seconds = Number(process.env.PILEUS_STORM_S ?? '10');
const python = '/usr/bin/python3';
let cloud: SplitCloud;

beforeAll(async () => {
  cloud = await SplitCloud.start('volume-storm');
});
afterAll(() => cloud.remove());

interface Made {
  readonly nbd_unix: string;
}

async function volume(...args: string[]): Promise<Made> {
  const where = ['--data', join(cloud.folder, 'front'), '--json'];
  return JSON.parse(await runOk(launcher, ['volume', ...args, ...where]));
}

// Blocks that say where and when they were written; tells after each flush what it covered.
const flusher = `
import nbd, random, sys
h = nbd.NBD(); h.connect_uri(sys.argv[1]); n = 0
try:
    while True:
        lines = []
        for _ in range(random.randrange(1, 30)):
            n += 1; at = random.randrange(0, 4096)
            h.pwrite((b"%08d:%012d;" % (at, n)).ljust(32, b"x") * 128, at * 4096); lines.append("%d %d" % (at, n))
        h.flush(); print("\\n".join(lines), flush=True)
except nbd.Error: pass
`;
const reader = `
import nbd, sys
h = nbd.NBD(); h.connect_uri(sys.argv[1])
for at in range(4096):
    block = h.pread(4096, at * 4096)
    if block == bytes(4096): continue
    assert block == block[:32] * 128 and int(block[:8]) == at, ("torn", at)
    print(at, int(block[9:21]))
`;

function fio(uri: string): Promise<unknown> {
  return run(
    'fio',
    [
      '--name=storm',
      '--ioengine=nbd',
      `--uri=${uri}`,
      '--rw=randwrite',
      '--bs=16k',
      '--iodepth=8',
      '--size=64m',
      '--verify=crc32c',
      '--verify_backlog=256',
      '--verify_fatal=1',
      '--time_based',
      `--runtime=${seconds}`,
    ],
    { cwd: cloud.folder, maxBuffer: 2 ** 24 },
  );
}

async function killInTurn(untilMs: number): Promise<number> {
  let kills = 0;
  for (; performance.now() < untilMs; kills++) {
    const name = `storage-${1 + (kills % 4)}`;
    cloud.signal(name, 'SIGKILL');
    await sleep(2000);
    await cloud.startProcess(name, ['storage']);
    await sleep(2500);
  }
  return kills;
}

test(
  'verified writes go on while storage comes and goes, and flushes survive the gateway',
  async () => {
    const uris: string[] = [];
    for (const name of ['one', 'two', 'three'])
      uris.push((await volume('create', '--name', name, '--size', '64MiB')).nbd_unix);
    const flushed = await volume('create', '--name', 'flushed', '--size', '16MiB');
    const writing: ChildProcess = spawn(python, ['-c', flusher, flushed.nbd_unix], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let printed = '';
    writing.stdout?.on('data', (text: Buffer) => {
      printed += text.toString();
    });
    const untilMs = performance.now() + seconds * 1000;
    const [kills] = await Promise.all([killInTurn(untilMs), ...uris.map((uri) => fio(uri))]);
    expect(kills).toBeGreaterThan(0);
    cloud.signal('front', 'SIGKILL');
    await new Promise((resolve) => writing.once('close', resolve));
    await sleep(500);
    fs.rmSync(join(cloud.folder, 'front', 'run', 'nbd.sock'), { force: true });
    await cloud.startProcess('front', ['proxy', 'controller', 'gateway']);
    const seen = new Map<number, number>();
    const { stdout } = await run(python, ['-c', reader, flushed.nbd_unix], { maxBuffer: 2 ** 24 });
    for (const line of stdout.trim().split('\n')) {
      const [at = -1, n = -1] = line.split(' ').map(Number);
      seen.set(at, n);
    }
    const covered = new Map<number, number>();
    for (const line of printed.slice(0, printed.lastIndexOf('\n')).split('\n')) {
      const [at = -1, n = -1] = line.split(' ').map(Number);
      covered.set(at, n);
    }
    expect(covered.size).toBeGreaterThan(50);
    for (const [at, n] of covered)
      expect(seen.get(at) ?? 0, `block ${at}`).toBeGreaterThanOrEqual(n);
  },
  (seconds + 240) * 1000,
);
