/** The gateway's process and its storage, killed while fio writes and flushes through NBD; the real disk, cluster and devices. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ChildGateway } from '../testing/child-gateway.ts';

const run = promisify(execFile);
const python = '/usr/bin/python3';
const sizeBytes = 64 * 1024 * 1024;

// Writes blocks that say where and in which round they were written, flushes, and tells each time what a flush covered.
const writer = `
import nbd, random, sys
h = nbd.NBD(); h.connect_uri(sys.argv[1])
random.seed(int(sys.argv[2])); round = int(sys.argv[2]) * 1000000
try:
    while True:
        lines = []
        for _ in range(random.randrange(1, 40)):
            round += 1
            at = random.randrange(0, ${sizeBytes} // 4096)
            h.pwrite((b"%08d:%012d;" % (at, round)).ljust(32, b"x") * 128, at * 4096)
            lines.append("%d %d" % (at, round))
        h.flush()
        print("\\n".join(lines), flush=True)
except nbd.Error: pass
`;

describe('a gateway that is killed', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pileus-killed-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it('has every flushed block when it is back, twice over', async () => {
    const flushed = new Map<number, number>();
    for (let life = 1; life <= 2; life++) {
      const gateway = await ChildGateway.start(folder, sizeBytes, { segmentBytes: 1024 * 1024 });
      const writing = run(python, ['-c', writer, gateway.uri, String(life)], {
        maxBuffer: 64 * 1024 * 1024,
      });
      await sleep(700);
      await gateway.kill();
      const { stdout } = await writing;
      for (const line of stdout.split('\n')) {
        const [at, round] = line.split(' ').map(Number);
        if (at !== undefined && round !== undefined) flushed.set(at, round);
      }
      await check(folder, flushed);
    }
    expect(flushed.size).toBeGreaterThan(100);
  });
});

/** Every block is whole, and none is older than what a flush covered. */
async function check(folder: string, flushed: ReadonlyMap<number, number>): Promise<void> {
  const gateway = await ChildGateway.start(folder, sizeBytes, { segmentBytes: 1024 * 1024 });
  const out = join(folder, 'out.raw');
  await run('nbdcopy', [gateway.uri, out]);
  const { stdout } = await run(
    python,
    [
      '-c',
      `
import sys
data = open(sys.argv[1], "rb").read()
for at in range(len(data) // 4096):
    block = data[at * 4096:(at + 1) * 4096]
    if block == bytes(4096): continue
    assert block == block[:32] * 128 and int(block[:8]) == at, ("torn", at)
    print(at, int(block[9:21]))
`,
      out,
    ],
    { maxBuffer: 64 * 1024 * 1024 },
  );
  const seen = new Map<number, number>();
  for (const line of stdout.split('\n')) {
    const [at, round] = line.split(' ').map(Number);
    if (at !== undefined && round !== undefined) seen.set(at, round);
  }
  for (const [at, round] of flushed)
    expect(seen.get(at) ?? 0, `block ${at}`).toBeGreaterThanOrEqual(round);
  await gateway.close();
}
