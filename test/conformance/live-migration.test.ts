/** A real guest that writes to a volume is moved to the other of two hosts: nothing that was acknowledged is missing. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runOk, TestCloud } from '../support/cloud.ts';
import { ComputeProcess } from '../support/compute-process.ts';
import { ConsoleClient } from '../support/console-client.ts';

let cloud: TestCloud;
let host: ComputeProcess | undefined;
beforeAll(async () => {
  cloud = await TestCloud.start('live', 'image:\n  guest: true\n');
  host = await ComputeProcess.start(cloud, 'other');
}, 180_000);
afterAll(async () => {
  await host?.stop();
  // Guests outlive the program by design: none is to outlive a test that failed.
  for (const guests of ['guests', 'hosts/other/data/guests'].map((name) => join(cloud.data, name)))
    for (const id of fs.existsSync(guests) ? fs.readdirSync(guests) : []) {
      const pid = join(guests, id, 'pid');
      if (fs.existsSync(pid)) process.kill(Number(fs.readFileSync(pid, 'utf8')), 'SIGKILL');
    }
  await cloud.remove();
});

const openstack = async (...args: string[]): Promise<string> => {
  const env = {
    OS_CLIENT_CONFIG_FILE: `${cloud.data}/clouds.yaml`,
    OS_CLOUD: 'pileus',
    OS_COMPUTE_API_VERSION: '2.90',
  };
  return (await runOk('/usr/bin/openstack', args, { env })).trim();
};

const serial = async (): Promise<ConsoleClient> => {
  const url = await openstack(
    'console',
    'url',
    'show',
    '--serial',
    'mover',
    '-f',
    'value',
    '-c',
    'url',
  );
  const line = new ConsoleClient(url);
  await expect.poll(() => line.ready).toBe(true);
  line.say('\n');
  return line;
};

const loginTriesMax = 12;

/** To a shell's prompt; a getty that is just coming up loses what it is told. */
async function login(line: ConsoleClient): Promise<void> {
  for (let tries = 0; ; tries++) {
    line.say('root\n');
    try {
      await line.hear(/# /, 10_000);
      return;
    } catch (error) {
      if (tries >= loginTriesMax || !line.ready) throw error;
    }
  }
}

/** Writes numbered blocks one after the other, each synced before its number is told. */
const load =
  '(i=0; while true; do printf "blk%08d\\n" $i | dd of=/dev/vdb bs=512 seek=$i conv=notrunc,fsync 2>/dev/null && echo $i > /tmp/acked; i=$((i+1)); done) &';

it('moves under load with nothing lost', async () => {
  await expect
    .poll(() => openstack('image', 'show', 'pileus-guest', '-f', 'value', '-c', 'status'), {
      timeout: 120_000,
    })
    .toBe('active');
  await openstack('flavor', 'create', '--ram', '128', '--disk', '1', 'small');
  const made = ['--image', 'pileus-guest', '--flavor', 'small', '--nic', 'none', '--wait', 'mover'];
  await openstack('server', 'create', ...made);
  await openstack('volume', 'create', '--size', '1', 'data');
  await openstack('server', 'add', 'volume', 'mover', 'data');
  let line = await serial();
  await login(line);
  line.say(`${load}\n`);
  await line.hear(/# /);
  line.close();
  const place = () =>
    openstack('server', 'show', 'mover', '-f', 'value', '-c', 'OS-EXT-SRV-ATTR:host');
  const before = await place();
  await openstack('server', 'migrate', '--live-migration', '--wait', 'mover');
  expect(await place()).not.toBe(before);
  // The process that holds the guest now, or held it, is killed and started again: the guest does not notice.
  await host?.killNine();
  await host?.again();
  line = await serial();
  await line.hear(/# /);
  line.say('A=$(cat /tmp/acked); sleep 1; B=$(cat /tmp/acked); kill %1\n');
  line.say('dd if=/dev/vdb bs=512 count=$((A+1)) 2>/dev/null | grep -ac blk > /tmp/found\n');
  line.say('[ $(cat /tmp/found) -eq $((A+1)) ] && [ $B -gt $A ] && echo all=$((6*7))\n');
  await line.hear(/all=42/);
  line.close();
  const moves = await openstack('server', 'migration', 'list', '-f', 'value', '-c', 'Status');
  expect(moves).toBe('completed');
  await openstack('server', 'delete', '--wait', 'mover');
}, 240_000);
