/**
 * A guest's memory to a file and back. QEMU may start no programs (its sandbox forbids it), so it streams to a unix socket of ours, and
 * from one.
 */
import * as fs from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Clock, Failure, listenPrivately, type Net } from '#common';
import type { Monitor } from './monitor.ts';

const everyMs = 50;
const socketName = 'stream';

interface Parts {
  readonly net: Net;
  readonly clock: Clock;
}

/** The file is whole when this resolves; a broken-off one never has its name. */
export async function saveMemory(
  monitor: Monitor,
  path: string,
  parts: Parts,
  signal: AbortSignal,
): Promise<void> {
  const half = `${path}.half`;
  const at = join(dirname(path), socketName);
  await monitor.run('stop');
  const server = createServer();
  // A small guest's memory fits into the socket: QEMU may be done before the connection is heard of here.
  const written = new Promise<void>((resolve, reject) => {
    server.once('connection', (socket) => {
      const file = fs.createWriteStream(half, { mode: 0o600, flush: true });
      pipeline(socket, file, { signal }).then(resolve, reject);
    });
  });
  // Awaited below; when the migration fails first, that is what is told.
  written.catch(() => undefined);
  await listenPrivately(server, at);
  try {
    // Nothing else runs on it: as fast as it goes.
    await monitor.run('migrate-set-parameters', { 'max-bandwidth': 2 ** 40 });
    await monitor.run('migrate', { uri: `unix:${socketName}` });
    await untilMigrated(monitor, parts.clock, signal);
    await written;
    fs.renameSync(half, path);
  } finally {
    server.close();
    fs.rmSync(at, { force: true });
    fs.rmSync(half, { force: true });
  }
}

export async function serveMemory(
  monitor: Monitor,
  path: string,
  parts: Parts,
  signal: AbortSignal,
): Promise<void> {
  const at = join(dirname(path), socketName);
  fs.rmSync(at, { force: true });
  await monitor.run('migrate-incoming', { uri: `unix:${socketName}` });
  const socket: Socket = parts.net.connect({ path: at });
  // QEMU hangs up when it has what it needs, which need not be the end: what came of it is asked for below.
  pipeline(fs.createReadStream(path), socket).catch(() => undefined);
  try {
    await untilMigrated(monitor, parts.clock, signal);
  } finally {
    socket.destroy();
    fs.rmSync(at, { force: true });
  }
}

async function untilMigrated(monitor: Monitor, clock: Clock, signal: AbortSignal): Promise<void> {
  for (;;) {
    const { status, 'error-desc': why } = (await monitor.run('query-migrate')) as {
      status?: string;
      'error-desc'?: string;
    };
    if (status === 'completed') return;
    if (status === 'failed' || status === 'cancelled' || signal.aborted)
      throw new Failure('conflict', 'memory-failed', `The memory could not be moved: ${why ?? ''}`);
    await clock.sleep(everyMs);
  }
}
