/** Volumes over a store in memory behind a real NBD server on TCP and on a unix socket, with TLS of both kinds. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  createMetrics,
  defaultsOf,
  silentLogger,
  systemClock,
  systemDisk,
  systemNet,
  systemRandom,
} from '#common';
import { createAuthority, issueCertificate } from '#wire';
import { createNbdServer } from '../nbd/server.ts';
import { createNbdTls } from '../nbd/tls.ts';
import { type BlockGatewaySettings, blockGatewaySettings } from '../settings.ts';
import type { KeyStore } from '../volume/ciphers.ts';
import { volumeExports } from '../volumes/nbd-exports.ts';
import { createVolumes } from '../volumes/volumes.ts';
import { MemoryStore } from './memory-store.ts';

const run = promisify(execFile);

export interface Printed {
  readonly out: string;
  readonly err: string;
  readonly code: number;
}

/** A key store of its own kind: wrapping is turning every bit. */
const testKeys: KeyStore = {
  wrap: async (_keyId, key) => Buffer.from(key.map((byte) => byte ^ 0xff)).toString('base64'),
  unwrap: async (_keyId, text) =>
    Buffer.from(Buffer.from(text, 'base64').map((byte) => byte ^ 0xff)),
};

export async function startServiceWorld(changed: Partial<BlockGatewaySettings> = {}) {
  const settings = { ...defaultsOf(blockGatewaySettings), ...changed };
  const folder = await mkdtemp(join(tmpdir(), 'pileus-nbd-'));
  const store = new MemoryStore();
  const shared = { clock: systemClock, log: silentLogger, settings, random: systemRandom };
  const volumes = await createVolumes({
    ...shared,
    tables: store.tables,
    blobs: store.blobs,
    disk: systemDisk,
    folder: join(folder, 'log'),
    metrics: createMetrics(),
    gateway: 'gateway-1',
    secret: Buffer.alloc(32, 5),
    keys: testKeys,
  });
  const authority = await createAuthority({ cluster: 'test', ...shared });
  const issued = (name: string) =>
    issueCertificate({ authority, name, hosts: ['127.0.0.1', 'localhost'], ...shared });
  const server = await issued('nbd');
  const tls = createNbdTls({
    certificates: { ...server, authority: authority.certificate },
    pskOf: (identity) => volumes.attachments.pskOf(identity),
  });
  const socketPath = join(folder, 'nbd.sock');
  const nbd = createNbdServer({
    ...shared,
    net: systemNet,
    tls,
    exports: volumeExports(volumes, { listProject: async () => 'p' }),
  });
  const port = await nbd.listen({ host: '127.0.0.1', port: 0 });
  await nbd.listen({ path: socketPath });
  return {
    folder,
    store,
    volumes,
    nbd,
    port,
    socketPath,
    authority,
    issued,
    unix: (name: string) => `nbd+unix:///${name}?socket=${socketPath}`,
    tcp: (name: string) => `nbd://127.0.0.1:${port}/${name}`,
    run: async (command: string, ...args: string[]): Promise<Printed> => {
      try {
        const options = { timeout: 60_000, maxBuffer: 2 ** 24 };
        const { stdout, stderr } = await run(command, args, options);
        return { out: stdout, err: stderr, code: 0 };
      } catch (error) {
        const {
          stdout = '',
          stderr = '',
          code,
        } = error as { stdout?: string; stderr?: string; code?: unknown };
        return { out: stdout, err: stderr, code: typeof code === 'number' ? code : -1 };
      }
    },
    close: async () => {
      await nbd.close();
      await volumes.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export type ServiceWorld = Awaited<ReturnType<typeof startServiceWorld>>;
