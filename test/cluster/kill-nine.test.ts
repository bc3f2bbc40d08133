/**
 * `kill -9` of the whole process twenty times during mixed object and volume load. After each restart every
 * acknowledged object is there with the right bytes, every listing agrees with the objects, every flushed block is right.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { root, runOk, TestCloud } from '../support/cloud.ts';
import { ObjectLoad } from './object-load.ts';

const rounds = 20;
const blocks = 2048;
const writer = join(root, 'test/support/nbd-writer.py');

function startWriter(uri: string, state: string, seed: number): ChildProcess {
  return spawn('/usr/bin/python3', [writer, 'write', uri, String(blocks), state, String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

const fio = (uri: string, more: readonly string[]) =>
  runOk('fio', [
    '--name=verify',
    '--ioengine=nbd',
    `--uri=${uri}`,
    '--rw=randwrite',
    '--bs=4k',
    '--iodepth=16',
    '--size=16m',
    '--verify=crc32c',
    '--verify_fatal=1',
    '--end_fsync=1',
    '--randseed=7',
    '--output-format=terse',
    '--verify_state_save=0',
    ...more,
  ]);

test('nothing acknowledged or flushed is lost, twenty times', async () => {
  const cloud = await TestCloud.start('kill-nine');
  const first = await cloud.session();
  expect(
    (await fetch(`${first.url}/load`, { method: 'PUT', headers: { 'x-auth-token': first.token } }))
      .status,
  ).toBe(201);
  const volume = async (name: string) =>
    JSON.parse(
      await cloud.pileus([
        'volume',
        'create',
        '--name',
        name,
        '--size',
        '64MiB',
        '--export',
        '--json',
      ]),
    ).nbd as string;
  const numbered = await volume('numbered');
  const verified = await volume('verified');
  const state = join(cloud.data, '..', 'blocks.txt');
  const load = new ObjectLoad('load', 1);

  for (let round = 0; round < rounds; round++) {
    const session = await cloud.session();
    // A full pass of fio, flushed at its end, must survive the kill that comes after it.
    await fio(verified, ['--do_verify=0', `--offset=${16 * (round % 4)}m`]);
    const child = startWriter(numbered, state, round);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    const stop = new AbortController();
    const running = load.run(session, 8, stop.signal);
    await sleep(300 + 100 * (round % 10));
    cloud.killNine();
    stop.abort();
    await running;
    child.kill('SIGKILL');
    await cloud.restart();
    expect(await load.check(await cloud.session())).toEqual([]);
    await runOk('/usr/bin/python3', [writer, 'check', numbered, String(blocks), state]);
    await fio(verified, ['--verify_only', `--offset=${16 * (round % 4)}m`]);
  }
  expect(load.acknowledged).toBeGreaterThan(rounds * 10);
  await cloud.remove();
});
