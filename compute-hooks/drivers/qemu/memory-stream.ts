/**
 * A guest's memory to a file and back, and to its twin on another host. QEMU may start no programs (its sandbox forbids it), so it streams to a unix socket of ours, and
 * from one.
 */
import * as fs from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Clock, Failure, isFailure, listenPrivately, type Net } from '#common';
import type { Sending } from '../driver.ts';
import type { Monitor } from './monitor.ts';

const everyMs = 50;
const socketName = 'stream';
/** How long a guest may stand still for the last of its memory. */
const downtimeMs = 300;

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

/** The memory of a guest that runs on, into any stream; it stands still and has let go of its disks when this resolves. */
export async function sendMemory(
  monitor: Monitor,
  folder: string,
  to: Duplex,
  parts: Parts & Sending,
): Promise<void> {
  const { signal, progress } = parts;
  const at = join(folder, socketName);
  const server = createServer();
  const sent = new Promise<void>((resolve, reject) => {
    server.once('connection', (socket) => {
      pipeline(socket, to, { signal }).then(resolve, reject);
    });
  });
  // Awaited below; when the migration fails first, that is what is told.
  sent.catch(() => undefined);
  await listenPrivately(server, at);
  try {
    await monitor.run('migrate-set-capabilities', {
      // A guest that writes faster than can be copied is slowed down until it does not.
      capabilities: [{ capability: 'auto-converge', state: true }],
    });
    await monitor.run('migrate-set-parameters', {
      'max-bandwidth': 2 ** 40,
      'downtime-limit': downtimeMs,
    });
    await monitor.run('migrate', { uri: `unix:${socketName}` });
    await untilMigrated(monitor, parts.clock, signal, progress);
    await sent;
  } catch (error) {
    to.destroy();
    // It goes on here, whatever it was in the middle of.
    await letGoOn(monitor, parts.clock);
    throw error;
  } finally {
    server.close();
    fs.rmSync(at, { force: true });
  }
}

/** The other end: where the memory is to be written. */
export async function awaitMemory(monitor: Monitor, folder: string, net: Net): Promise<Duplex> {
  const at = join(folder, socketName);
  fs.rmSync(at, { force: true });
  await monitor.run('migrate-incoming', { uri: `unix:${socketName}` });
  const socket = net.connect({ path: at });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return socket;
}

async function letGoOn(monitor: Monitor, clock: Clock): Promise<void> {
  try {
    await monitor.run('migrate_cancel');
    for (;;) {
      const { status } = await migrationOf(monitor);
      if (status !== 'cancelling' && status !== 'active' && status !== 'device') break;
      await clock.sleep(everyMs);
    }
    await monitor.run('cont');
  } catch (error) {
    if (!isFailure(error, 'closed')) throw error;
  }
}

interface Migration {
  readonly status?: string;
  readonly 'error-desc'?: string;
  readonly ram?: {
    readonly total: number;
    readonly transferred: number;
    readonly remaining: number;
  };
}

export const migrationOf = async (monitor: Monitor): Promise<Migration> =>
  (await monitor.run('query-migrate')) as Migration;

export async function untilMigrated(
  monitor: Monitor,
  clock: Clock,
  signal: AbortSignal,
  progress?: Sending['progress'],
): Promise<void> {
  for (;;) {
    const { status, ram, 'error-desc': why } = await migrationOf(monitor);
    if (ram !== undefined)
      progress?.({
        totalBytes: ram.total,
        doneBytes: ram.transferred,
        leftBytes: ram.remaining,
      });
    if (status === 'completed') return;
    if (status === 'failed' || status === 'cancelled' || signal.aborted)
      throw new Failure('conflict', 'memory-failed', `The memory could not be moved: ${why ?? ''}`);
    await clock.sleep(everyMs);
  }
}
