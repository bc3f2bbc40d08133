import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '#common';
import { connectWaker, type Waker } from './redis-waker.ts';

let folder: string;
let server: ChildProcess | undefined;
let wakers: Waker[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pileus-redis-'));
  wakers = [];
});
afterEach(async () => {
  for (const waker of wakers) waker.close();
  await stop();
  await rm(folder, { recursive: true });
});

/** The server's program is the one that checks its files, by another name: so no daemon has to be installed. */
function start(): void {
  const socket = join(folder, 'redis.sock');
  const args = ['--port', '0', '--unixsocket', socket, '--save', '', '--dir', folder];
  server = spawn('/usr/bin/redis-check-rdb', args, { argv0: 'redis-server', stdio: 'ignore' });
}

async function stop(): Promise<void> {
  const ending = server;
  server = undefined;
  if (ending === undefined) return;
  await new Promise<void>((resolve) => {
    ending.once('exit', () => resolve());
    ending.kill('SIGKILL');
  });
}

function connect(cluster: string): Waker {
  const url = join(folder, 'redis.sock');
  const waker = connectWaker({ url, cluster, log: silentLogger });
  wakers.push(waker);
  return waker;
}

describe('controllers with Redis', () => {
  it('wake each other, but not those of another cloud, and again after Redis was away', async () => {
    start();
    const [one, two, other] = [connect('a'), connect('a'), connect('b')];
    let woken = 0;
    let strangers = 0;
    two.listen(() => woken++);
    other.listen(() => strangers++);
    // Each subscription wakes once, for what was missed before it.
    await expect.poll(() => [woken, strangers], { timeout: 5_000 }).toEqual([1, 1]);
    await expect
      .poll(
        () => {
          one.announce();
          return woken;
        },
        { timeout: 5_000 },
      )
      .toBeGreaterThan(1);
    expect(strangers).toBe(1);
    await stop();
    one.announce();
    start();
    const before = woken;
    await expect
      .poll(
        () => {
          one.announce();
          return woken;
        },
        { timeout: 10_000 },
      )
      .toBeGreaterThan(before + 1);
  });

  it('go on when there is no Redis at all', () => {
    const waker = connect('a');
    waker.listen(() => {
      throw new Error('nobody can have told');
    });
    expect(() => waker.announce()).not.toThrow();
  });
});
