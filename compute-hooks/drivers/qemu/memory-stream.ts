/**
 * A guest's memory to a file and back, and to its twin on another host. QEMU may start no programs (its sandbox forbids it), so it streams to a unix socket of ours, and
 * from one.
 */
import * as fs from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import type { Duplex, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Clock, Failure, isFailure, listenPrivately, type Net } from '#common';
import type { Sending } from '../driver.ts';
import type { Monitor } from './monitor.ts';

const everyMs = 50;
const socketName = 'stream';
/** How long a guest may stand still for the last of its memory. */
const downtimeMs = 300;
/** Bytes a second: as fast as it goes. */
const bandwidthMax = 2 ** 40;
const hangUps: ReadonlySet<unknown> = new Set([
  'EPIPE',
  'ECONNRESET',
  'ERR_STREAM_PREMATURE_CLOSE',
]);

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
  const { status } = (await monitor.run('query-status')) as { status: string };
  await monitor.run('stop');
  const open = () => fs.createWriteStream(half, { mode: 0o600, flush: true });
  try {
    await leave(dirname(path), open, async () => {
      await monitor.run('migrate-set-parameters', { 'max-bandwidth': bandwidthMax });
      await monitor.run('migrate', { uri: `unix:${socketName}` });
      await untilMigrated(monitor, parts.clock, signal);
    });
    fs.renameSync(half, path);
  } catch (error) {
    await letGoOn(monitor, parts.clock, status === 'running');
    throw error;
  } finally {
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
  try {
    const ends = await Promise.allSettled([
      poured(path, socket),
      untilMigrated(monitor, parts.clock, signal).finally(() => socket.destroy()),
    ]);
    // When both failed, who read the file knows why.
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  } finally {
    socket.destroy();
    fs.rmSync(at, { force: true });
  }
}

/** QEMU hangs up when it has what it needs, which need not be the end: what came of that, it says itself. */
async function poured(path: string, socket: Socket): Promise<void> {
  try {
    await pipeline(fs.createReadStream(path), socket);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && hangUps.has(error.code))) throw error;
  }
}

/** The memory of a guest that runs on, into any stream; it stands still and has let go of its disks when this resolves. */
export async function sendMemory(
  monitor: Monitor,
  folder: string,
  to: Duplex,
  parts: Parts & Sending,
): Promise<void> {
  const { signal, progress, clock } = parts;
  const { status } = (await monitor.run('query-status')) as { status: string };
  try {
    await leave(
      folder,
      () => to,
      async () => {
        await monitor.run('migrate-set-capabilities', {
          // A guest that writes faster than can be copied is slowed down until it does not.
          capabilities: [{ capability: 'auto-converge', state: true }],
        });
        await monitor.run('migrate-set-parameters', {
          'max-bandwidth': bandwidthMax,
          'downtime-limit': downtimeMs,
        });
        await monitor.run('migrate', { uri: `unix:${socketName}` });
        await untilMigrated(monitor, clock, signal, progress);
      },
    );
  } catch (error) {
    to.destroy();
    await letGoOn(monitor, clock, status === 'running');
    throw error;
  }
}

/** Carries what QEMU writes into our socket; of the two sides the first that fails is told, which is the one to blame. */
async function leave(
  folder: string,
  open: () => Writable,
  migrate: () => Promise<void>,
): Promise<void> {
  const at = join(folder, socketName);
  const server = createServer();
  // A small guest's memory fits into the socket: QEMU may be done before the connection is heard of here.
  let coming: Socket | undefined;
  const carried = new Promise<void>((resolve, reject) => {
    server.once('connection', (socket) => {
      coming = socket;
      pipeline(socket, open()).then(resolve, reject);
    });
  });
  try {
    await listenPrivately(server, at);
    await Promise.all([carried, migrate()]);
  } finally {
    coming?.destroy();
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

/** It goes on here, whatever it was in the middle of; one that stood still goes on standing still. */
async function letGoOn(monitor: Monitor, clock: Clock, wasRunning: boolean): Promise<void> {
  try {
    await monitor.run('migrate_cancel');
    for (;;) {
      const { status } = await migrationOf(monitor);
      if (status !== 'cancelling' && status !== 'active' && status !== 'device') break;
      await clock.sleep(everyMs);
    }
    if (wasRunning) await monitor.run('cont');
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
