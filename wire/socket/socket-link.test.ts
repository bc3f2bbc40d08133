/** What hostile, silent and departing ends do to a real unix socket. */
import { statSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { defaultsOf, giveBack, systemClock } from '#common';
import { connectNode } from '../client/node-client.ts';
import { Encoder } from '../codec/encoder.ts';
import { frameKind, readFrames, writeEmpty, writeFrame } from '../codec/frames.ts';
import { readFailed, writeHello, writeWelcome } from '../codec/replies.ts';
import { wireSettings } from '../settings.ts';
import { common, deviceNumber, type NodePair, nodePair } from '../testing/node-pair.ts';
import { secretOf } from '../tls.ts';
import { Proof } from './proof.ts';

async function within(pair: Promise<NodePair>, work: (pair: NodePair) => Promise<void>) {
  const made = await pair;
  try {
    await work(made);
  } finally {
    await made.close();
  }
}

function pathOf(pair: NodePair): string {
  if (!('path' in pair.server.address)) throw new Error('a unix socket was expected');
  return pair.server.address.path;
}

interface Heard {
  readonly bytes: Buffer;
  readonly proved: boolean;
}

/** Proves itself (unless `raw`), sends what it is given, and tells what it heard until the server ended the connection. */
function stranger(path: string, sends: Buffer, raw = false): Promise<Heard> {
  return new Promise((resolve) => {
    const socket: Socket = connect({ path });
    const heard: Buffer[] = [];
    let proved = false;
    const send = (bytes: Buffer) => socket.write(bytes);
    const secret = secretOf('plaintext');
    const proof = new Proof({ side: 'client', secret, nonce: Buffer.alloc(32, 7), send });
    if (raw) socket.write(sends);
    socket.on('data', (bytes) => {
      const rest = proved || raw ? bytes : proof.push(bytes);
      if (rest === undefined) return;
      if (!proved && !raw) socket.write(sends);
      proved = true;
      heard.push(rest);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve({ bytes: Buffer.concat(heard), proved }));
  });
}

function messageOf(...frames: readonly ((to: Encoder) => void)[]): Buffer {
  const encoder = new Encoder(1024, 4);
  frames.forEach((write, index) => {
    writeFrame(encoder, index, deviceNumber, write);
  });
  const message = encoder.finish();
  message.writeUInt32BE(message.length - 4, 0);
  return message;
}

const hello = (protocol: number) => (to: Encoder) =>
  writeHello(to, { protocol, cluster: common.cluster, client: 'raw', devices: [], ringEpoch: 0 });

/** Why the server ended the connection: the last message it sent. */
function reasonOf({ bytes }: Heard): string {
  let said = '';
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    readFrames(bytes.subarray(at + 4, at + 4 + length), ({ id, kind, content }) => {
      if (id === 0 && kind === frameKind.failed) said = readFailed(content).message;
    });
    at += 4 + length;
  }
  return said;
}

describe('a framed socket tells why it ends', () => {
  const cases: readonly [string, Buffer, string][] = [
    ['a length of 4 GiB', Buffer.from('ffffffff00', 'hex'), 'larger than messages may be'],
    ['garbage', Buffer.from('0000000affffffffffffffffffff', 'hex'), 'garbled'],
    ['no greeting', messageOf((to) => writeEmpty(to, frameKind.statusRequest)), 'greeting'],
    ['another protocol', messageOf(hello(2)), 'protocol 1'],
    ['an unknown request', messageOf(hello(1), (to) => writeEmpty(to, 999)), 'unknown request'],
    [
      'a request without key',
      messageOf(hello(1), (to) => writeEmpty(to, frameKind.readRow)),
      'without key',
    ],
  ];
  it.each(cases)('%s', (_, bytes, reason) =>
    within(nodePair(), async (pair) => {
      const heard = await stranger(pathOf(pair), bytes);
      expect(heard.proved).toBe(true);
      expect(reasonOf(heard)).toContain(reason);
      expect((await pair.device.status()).state).toBe('ok');
    }),
  );
});

describe('a framed socket', () => {
  it('ends at once for who cannot prove himself, and serves others', () =>
    within(nodePair(), async (pair) => {
      const noise = Buffer.alloc(5000, 'GET / HTTP/1.1\r\n');
      const heard = await stranger(pathOf(pair), noise, true);
      // The server's own greeting and nothing after it.
      expect(heard.bytes.length).toBe(40);
      expect((await pair.device.status()).state).toBe('ok');
    }));

  it('ends for who proves himself and then says nothing, or half a message', () =>
    within(nodePair({ settings: { handshakeMs: 100 } }), async (pair) => {
      await pair.device.status();
      for (const sends of [Buffer.alloc(0), Buffer.from('00000100aa', 'hex')])
        expect(reasonOf(await stranger(pathOf(pair), sends))).toContain('No greeting');
    }));

  it('lets a client with the wrong secret do nothing', () =>
    within(
      nodePair({
        serverTls: { secret: Buffer.alloc(32, 1) },
        clientTls: { secret: Buffer.alloc(32, 2) },
        settings: { callTimeoutMs: 500 },
      }),
      async ({ device, client }) => {
        await expect(device.status()).rejects.toMatchObject({ kind: 'unreachable' });
        expect(client.connected).toBe(false);
      },
    ));

  it('uses memory again only after it was given back', () =>
    within(nodePair(), async ({ device }) => {
      const keyOf = (index: number) => ({ id: String(index).padStart(32, '0'), hash: index });
      const read = (index: number) => device.readBlob(keyOf(index), 0, 300_000);
      for (const index of [1, 2, 3])
        await device.putBlob(keyOf(index), [Buffer.alloc(300_000, index)], {});
      const kept = await Promise.all([read(1), read(2)]);
      const [first] = kept;
      const second = kept[1];
      if (second !== undefined) giveBack(second);
      const third = await read(3);
      expect(third.buffer).toBe(second?.buffer);
      expect(first?.equals(Buffer.alloc(300_000, 1))).toBe(true);
      expect(third.equals(Buffer.alloc(300_000, 3))).toBe(true);
    }));

  it('is the first choice, and TCP the second without a rest', () =>
    within(nodePair({ address: { host: '127.0.0.1', port: 0 } }), async ({ server }) => {
      const settings = { ...defaultsOf(wireSettings), reconnectMs: 60_000, reconnectMsMax: 60_000 };
      const nearby = { address: { path: '/nowhere/wire.sock' }, tls: { secret: Buffer.alloc(32) } };
      const { address } = server;
      const parts = { ...common, address, nearby, tls: 'plaintext', settings } as const;
      const client = connectNode({ ...parts, client: 'c' });
      while (!client.connected) await systemClock.sleep(5);
      expect((await client.device(deviceNumber).status()).state).toBe('ok');
      await client.close();
    }));

  it('is open to its user alone', () =>
    within(nodePair(), async (pair) => {
      expect(statSync(pathOf(pair)).mode & 0o777).toBe(0o600);
    }));

  it('refuses one connection too many', () =>
    within(nodePair({ settings: { connectionsMax: 1 } }), async (pair) => {
      await pair.device.status();
      const heard = await stranger(pathOf(pair), Buffer.alloc(0), true);
      expect(heard.bytes.length).toBe(0);
    }));

  it('stays while both ends are well and idle', () =>
    within(nodePair({ settings: { keepaliveMs: 100, reconnectMs: 10 } }), async (pair) => {
      await pair.device.status();
      await systemClock.sleep(600);
      expect(pair.client.connected).toBe(true);
    }));

  it('holds a sender back while it works, and loses nothing', () =>
    within(
      nodePair({
        settings: { pendingBytesMax: 1_048_576 },
        clientSettings: { pendingBytesMax: 67_108_864 },
      }),
      async ({ device }) => {
        const sizes = Array.from({ length: 12 }, (_, index) => 900_000 + index);
        await Promise.all(
          sizes.map((size, index) => {
            const key = { id: String(index).padStart(32, '0'), hash: index };
            return device.putBlob(key, [Buffer.alloc(size, index)], {});
          }),
        );
        const read = await device.readBlob({ id: '11'.padStart(32, '0'), hash: 11 }, 0, 1_048_576);
        expect(read.equals(Buffer.alloc(900_011, 11))).toBe(true);
      },
    ));
});

/** A server that greets and then says nothing more; `upTo` says how far it goes. */
async function silentServer(upTo: 'nothing' | 'welcome') {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    if (upTo === 'nothing') return;
    const send = (bytes: Buffer) => socket.write(bytes);
    const secret = secretOf('plaintext');
    const proof = new Proof({ side: 'server', secret, nonce: Buffer.alloc(32, 5), send });
    proof.start();
    const greeting = {
      protocol: 1,
      cluster: common.cluster,
      client: '',
      devices: [1],
      ringEpoch: 0,
    };
    let proved = false;
    socket.on('data', (bytes) => {
      if (proved || proof.push(bytes) === undefined) return;
      proved = true;
      socket.write(messageOf((to) => writeWelcome(to, greeting)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  const close = () => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  };
  return { address: { host: '127.0.0.1', port }, close };
}

describe('a server that falls silent', () => {
  it.each([
    ['before its greeting', 'nothing', { handshakeMs: 100 }],
    ['after it', 'welcome', { keepaliveMs: 100 }],
  ] as const)('%s is given up', async (_, upTo, quick) => {
    const server = await silentServer(upTo);
    const settings = { ...defaultsOf(wireSettings), ...quick };
    const { address } = server;
    const client = connectNode({ ...common, address, client: 'c', tls: 'plaintext', settings });
    const lost = { kind: 'unreachable', code: 'connection-lost' };
    await expect(client.device(1).status()).rejects.toMatchObject(lost);
    await client.close();
    await server.close();
  });
});
