import { describe, expect, it } from 'vitest';
import { defaultsOf, isFailure, systemClock } from '#common';
import { createMemoryDevice } from '#storage-node';
import { connectNode } from './client/node-client.ts';
import { serveDevices } from './server/serve-devices.ts';
import { wireSettings } from './settings.ts';
import { common } from './testing/node-pair.ts';

const settings = { ...defaultsOf(wireSettings), reconnectMs: 10, reconnectMsMax: 20 };

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await systemClock.sleep(5);
}

describe('rings have epochs', () => {
  it('a client of an older ring than may be is sent away, until it goes by a newer one', async () => {
    const epochs = { current: 5, least: 0 };
    const server = await serveDevices({
      ...{ ...common, settings, tls: 'plaintext', ringEpochs: epochs },
      devices: new Map([[3, createMemoryDevice()]]),
      address: { host: '127.0.0.1', port: 0 },
    });
    const connect = (ringEpoch: number) =>
      connectNode({
        ...{ ...common, settings, tls: 'plaintext', address: server.address },
        ...{ client: 'test', ringEpoch },
      });
    const [current, stale] = [connect(5), connect(4)];
    await until(() => current.connected && stale.connected);
    epochs.least = 5;
    server.endStale();
    await until(() => !stale.connected);
    expect((await current.device(3).status()).state).toBe('ok');
    // It tries again and again, and is refused each time.
    await systemClock.sleep(60);
    const refused = await stale
      .device(3)
      .status()
      .catch((error: unknown) => error);
    expect(isFailure(refused, 'unreachable')).toBe(true);
    expect(String(refused)).toMatch(/A node refused the connection/);
    stale.announce(5);
    await until(() => stale.connected);
    // On a connection that lasts, a second greeting does it.
    current.announce(6);
    expect((await current.device(3).status()).state).toBe('ok');
    epochs.least = 6;
    server.endStale();
    await until(() => !stale.connected);
    expect((await current.device(3).status()).state).toBe('ok');
    await Promise.all([current.close(), stale.close()]);
    await server.close();
  });
});
