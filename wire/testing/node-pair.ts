/** A memory device served over a real unix socket or loopback, and the way to it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Address,
  defaultsOf,
  type Logger,
  silentLogger,
  systemClock,
  systemRandom,
} from '#common';
import { createMemoryDevice, type MemoryDevice } from '#storage-node';
import { connectNode, type NodeClient } from '../client/node-client.ts';
import type { DeviceService } from '../device-service.ts';
import { type DeviceServer, serveDevices } from '../server/serve-devices.ts';
import { type WireSettings, wireSettings } from '../settings.ts';
import type { Tls } from '../tls.ts';

export const common = {
  clock: systemClock,
  random: systemRandom,
  log: silentLogger,
  cluster: 'test-cluster',
};

export interface NodePairOptions {
  readonly address?: Address;
  readonly serverTls?: Tls;
  readonly clientTls?: Tls;
  readonly clientCluster?: string;
  readonly settings?: Partial<WireSettings>;
  /** Where the client's differ. */
  readonly clientSettings?: Partial<WireSettings>;
  readonly log?: Logger;
  readonly service?: (device: MemoryDevice) => DeviceService;
}

export interface NodePair {
  readonly memory: MemoryDevice;
  readonly server: DeviceServer;
  readonly client: NodeClient;
  /** Device 3 over the wire. */
  readonly device: DeviceService;
  close(): Promise<void>;
}

export const deviceNumber = 3;

export async function nodePair(options: NodePairOptions = {}): Promise<NodePair> {
  const folder = mkdtempSync(join(tmpdir(), 'pileus-wire-'));
  const settings = { ...defaultsOf(wireSettings), ...options.settings };
  const memory = createMemoryDevice();
  const server = await serveDevices({
    ...common,
    log: options.log ?? common.log,
    devices: new Map([[deviceNumber, options.service?.(memory) ?? memory]]),
    address: options.address ?? { path: join(folder, 'node.sock') },
    tls: options.serverTls ?? 'plaintext',
    settings,
  });
  const client = connectNode({
    ...common,
    cluster: options.clientCluster ?? common.cluster,
    client: 'test',
    address: server.address,
    tls: options.clientTls ?? 'plaintext',
    settings: { ...settings, ...options.clientSettings },
  });
  return {
    memory,
    server,
    client,
    device: client.device(deviceNumber),
    close: async () => {
      await client.close();
      await server.close();
      rmSync(folder, { recursive: true });
    },
  };
}
