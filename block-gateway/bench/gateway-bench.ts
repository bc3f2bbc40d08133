/**
 * fio over NBD against a gateway with three replicas in one process, and nbdkit's file plugin beside it, run by run in turn:
 * `node block-gateway/bench/gateway-bench.ts FOLDER [SECONDS]`. Prints operations/s, and microseconds of the gateway's CPU per operation.
 */
import { execFile, spawn } from 'node:child_process';
import { mkdir, rm } from 'node:fs/promises';
import { argv, stdout } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ChildGateway } from '../testing/child-gateway.ts';

const run = promisify(execFile);
const [, , folder = 'gateway-bench-data', seconds = '5'] = argv;
const sizeMib = 192;

interface Job {
  readonly name: string;
  readonly args: readonly string[];
}

const jobs: readonly Job[] = [
  { name: 'write 1 MiB, depth 16', args: ['--rw=write', '--bs=1m', '--iodepth=16'] },
  { name: 'read 1 MiB, depth 16', args: ['--rw=read', '--bs=1m', '--iodepth=16'] },
  { name: 'randread 4k, depth 1', args: ['--rw=randread', '--bs=4k', '--iodepth=1'] },
  { name: 'randread 4k, depth 16', args: ['--rw=randread', '--bs=4k', '--iodepth=16'] },
  { name: 'randwrite 4k, depth 32', args: ['--rw=randwrite', '--bs=4k', '--iodepth=32'] },
  {
    name: 'randwrite 4k, depth 32, flush every 32',
    args: ['--rw=randwrite', '--bs=4k', '--iodepth=32', '--fsync=32'],
  },
  {
    name: 'randwrite 4k, depth 1, flush each',
    args: ['--rw=randwrite', '--bs=4k', '--iodepth=1', '--fsync=1'],
  },
];

interface Outcome {
  readonly iops: number;
  readonly operations: number;
  readonly p99Us: number;
}

async function fio(job: Job, uri: string): Promise<Outcome> {
  const { stdout: out } = await run('fio', [
    '--name=b',
    '--ioengine=nbd',
    `--uri=${uri}`,
    `--size=${sizeMib}m`,
    '--time_based',
    `--runtime=${seconds}`,
    '--output-format=json',
    ...job.args,
  ]);
  const side = JSON.parse(out.slice(out.indexOf('{'))).jobs[0];
  const one = job.args[0]?.includes('read') === true ? side.read : side.write;
  return {
    iops: one.iops,
    operations: one.total_ios,
    p99Us: (one.clat_ns.percentile?.['99.000000'] ?? 0) / 1000,
  };
}

async function withNbdkit(job: Job): Promise<Outcome> {
  const socket = `${folder}/nbdkit.sock`;
  await rm(socket, { force: true });
  const kit = spawn('nbdkit', ['-f', '-U', socket, 'file', `${folder}/kit.raw`], {
    stdio: 'ignore',
  });
  try {
    await sleep(300);
    return await fio(job, `nbd+unix:///?socket=${socket}`);
  } finally {
    kit.kill('SIGKILL');
  }
}

await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
await run('dd', ['if=/dev/zero', `of=${folder}/kit.raw`, 'bs=1M', `count=${sizeMib}`]);
const gateway = await ChildGateway.start(folder, sizeMib * 1024 * 1024);
for (const job of jobs) {
  const before = await gateway.usage();
  const ours = await fio(job, gateway.uri);
  const after = await gateway.usage();
  const kit = await withNbdkit(job);
  const cpuUs = (after.cpuUs - before.cpuUs) / ours.operations;
  stdout.write(
    `${job.name.padEnd(42)} ${ours.iops.toFixed(0).padStart(7)}/s ${cpuUs.toFixed(1).padStart(8)} µs` +
      ` p99 ${ours.p99Us.toFixed(0)} µs   nbdkit ${kit.iops.toFixed(0)}/s   ratio ${(ours.iops / kit.iops).toFixed(2)}` +
      `   rss ${(after.rss / 2 ** 20).toFixed(0)} MiB\n`,
  );
}
const end = await gateway.usage();
const wrote = end.writtenBytes / 2 ** 20;
stdout.write(
  `written ${wrote.toFixed(0)} MiB, to the store ${(end.uploadedBytes / 2 ** 20).toFixed(0)} MiB,` +
    ` of it reclaim ${(end.rewrittenBytes / 2 ** 20).toFixed(0)} MiB, ${end.checkpoints} checkpoints\n`,
);
await gateway.close();
await rm(folder, { recursive: true, force: true });
