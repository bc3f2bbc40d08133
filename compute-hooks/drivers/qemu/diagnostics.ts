/** How a guest is doing: its processors' time, its memory, its disks' counters. */
import * as fs from 'node:fs';
import type { Clock } from '#common';
import type { Diagnostics } from '../driver.ts';
import type { Monitor } from './monitor.ts';

const nsPerTick = 10_000_000;

export async function diagnose(
  monitor: Monitor,
  parts: { readonly pid: number | undefined; readonly clock: Clock },
): Promise<Diagnostics> {
  const { status } = (await monitor.run('query-status')) as { status: string };
  const processors = (await monitor.run('query-cpus-fast')) as { 'thread-id': number }[];
  const balloon = (await monitor.run('query-balloon')) as { actual: number };
  const memory = (await monitor.run('query-memory-size-summary')) as { 'base-memory': number };
  const blocks = (await monitor.run('query-blockstats')) as {
    qdev?: string;
    stats: Record<string, number>;
  }[];
  // What it reads its configuration from is no disk of the server's.
  const disks = blocks.filter(({ qdev }) => qdev?.includes('/peripheral/disk-'));
  const seconds = parts.pid === undefined ? 0 : secondsUp(parts.pid);
  return {
    state: status === 'running' ? 'running' : 'paused',
    uptimeS: seconds,
    cpuTimesNs: processors.map((one) => threadNs(parts.pid, one['thread-id'])),
    memoryMaxMib: Math.floor(memory['base-memory'] / 2 ** 20),
    memoryUsedMib: Math.floor(balloon.actual / 2 ** 20),
    disks: disks.map(({ stats }) => ({
      readBytes: stats.rd_bytes ?? 0,
      readRequests: stats.rd_operations ?? 0,
      writeBytes: stats.wr_bytes ?? 0,
      writeRequests: stats.wr_operations ?? 0,
      errors: (stats.failed_rd_operations ?? 0) + (stats.failed_wr_operations ?? 0),
    })),
  };
}

/** Fields of proc(5)'s stat after the program's name, which may hold anything. */
function fieldsOf(path: string): string[] {
  const text = fs.readFileSync(path, 'latin1');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function threadNs(pid: number | undefined, thread: number): number {
  const path = `/proc/${pid}/task/${thread}/stat`;
  if (pid === undefined || !fs.existsSync(path)) return 0;
  const fields = fieldsOf(path);
  return (Number(fields[11]) + Number(fields[12])) * nsPerTick;
}

function secondsUp(pid: number): number {
  const path = `/proc/${pid}/stat`;
  if (!fs.existsSync(path)) return 0;
  const started = Number(fieldsOf(path)[19]) / 100;
  const now = Number(fs.readFileSync('/proc/uptime', 'latin1').split(' ')[0]);
  return Math.max(0, Math.floor(now - started));
}
