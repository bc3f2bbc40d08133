/** A volume in memory behind a real NBD server on a unix socket, and the real clients to try it with. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { defaultsOf, MemoryDisk, silentLogger, systemClock, systemNet } from '#common';
import { createNbdServer, type NbdServer } from '../nbd/server.ts';
import { type BlockGatewaySettings, blockGatewaySettings } from '../settings.ts';
import { createEngine, type Engine } from '../volume/engine.ts';
import { encodeHead, headRef } from '../volume/head.ts';
import { missingVolume } from '../volume/head-row.ts';
import type { Volume } from '../volume/volume.ts';
import { MemoryStore } from './memory-store.ts';
import { volumeId } from './world.ts';

const run = promisify(execFile);

export interface NbdWorld {
  readonly folder: string;
  readonly socketPath: string;
  /** `nbd+unix:///…` of the volume. */
  readonly uri: string;
  readonly server: NbdServer;
  readonly store: MemoryStore;
  readonly engine: Engine;
  readonly volume: Volume;
  /** Runs a client and gives what it printed. */
  client(command: string, ...args: string[]): Promise<string>;
  close(): Promise<void>;
}

export async function startNbdWorld(
  sizeBytes: number,
  changed: Partial<BlockGatewaySettings> = {},
): Promise<NbdWorld> {
  const settings = { ...defaultsOf(blockGatewaySettings), ...changed };
  const store = new MemoryStore();
  const { tables, blobs } = store;
  const disk = new MemoryDisk();
  const shared = { clock: systemClock, log: silentLogger, settings };
  const engine = await createEngine({
    ...shared,
    tables,
    blobs,
    disk,
    folder: '/log',
    gateway: 'gateway-1',
  });
  await putVolume(store, sizeBytes);
  const volume = await engine.open(volumeId);
  const folder = await mkdtemp(join(tmpdir(), 'pileus-nbd-'));
  const socketPath = join(folder, 'nbd.sock');
  const server = createNbdServer({
    ...shared,
    net: systemNet,
    exports: {
      find: async (name) =>
        name === volumeId ? { sizeBytes, readOnly: false, contexts: [] } : undefined,
      attach: async (name) => {
        if (name !== volumeId) throw missingVolume(name);
        return { device: volume, readOnly: false, status: () => [], release: () => {} };
      },
      list: () => (settings.listExports ? Promise.resolve([volumeId]) : undefined),
    },
  });
  await server.listen({ path: socketPath });
  return {
    folder,
    socketPath,
    uri: `nbd+unix:///${volumeId}?socket=${socketPath}`,
    server,
    store,
    engine,
    volume,
    client: async (command, ...args) => {
      const { stdout } = await run(command, args, { timeout: 60_000, maxBuffer: 16 * 1024 * 1024 });
      return stdout;
    },
    close: async () => {
      await server.close();
      await volume.close();
      await engine.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function putVolume(store: MemoryStore, sizeBytes: number): Promise<void> {
  const meta = encodeHead({
    id: volumeId,
    name: 'v',
    project: 'p',
    sizeBytes,
    createdUs: 0,
    state: 'ready',
    durability: 'local',
    epoch: 0,
    gateway: '',
    tail: [],
  });
  await store.tables.put(headRef(volumeId), { meta, bytes: 0, body: Buffer.alloc(0) });
}
