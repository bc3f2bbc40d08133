/** Clients that don't keep to the protocol: they get an error or are cut off, and nobody else notices. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '#common';
import { type NbdWorld, startNbdWorld } from '../testing/nbd-world.ts';
import { volumeId } from '../testing/world.ts';

const mib = 1024 * 1024;

function u32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, index * 4);
  return bytes;
}

function option(code: number, data: Buffer, length = data.length): Buffer {
  return Buffer.concat([Buffer.from('IHAVEOPT'), u32(code, length), data]);
}

function go(name: string): Buffer {
  return option(7, Buffer.concat([u32(name.length), Buffer.from(name), Buffer.alloc(2)]));
}

interface RequestFields {
  readonly type: number;
  readonly offset?: bigint;
  readonly length?: number;
  readonly flags?: number;
  readonly cookie?: number;
}

function request({ type, offset = 0n, length = 0, flags = 0, cookie = 0 }: RequestFields): Buffer {
  const bytes = Buffer.alloc(28);
  bytes.writeUInt32BE(0x25609513, 0);
  bytes.writeUInt16BE(flags, 4);
  bytes.writeUInt16BE(type, 6);
  bytes.writeUInt32BE(cookie, 12);
  bytes.writeBigUInt64BE(offset, 16);
  bytes.writeUInt32BE(length, 24);
  return bytes;
}

class Client {
  readonly socket: Socket;
  private received: Buffer[] = [];
  closed = false;

  constructor(path: string) {
    this.socket = connect({ path });
    this.socket.on('data', (bytes: Buffer) => this.received.push(bytes));
    this.socket.on('error', () => {
      this.closed = true;
    });
    this.socket.on('close', () => {
      this.closed = true;
    });
  }

  send(...pieces: Buffer[]): this {
    for (const piece of pieces) this.socket.write(piece);
    return this;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.received);
  }

  /** Waits until so many bytes came, or the server hung up. */
  async until(count: number): Promise<Buffer> {
    while (this.bytes.length < count && !this.closed) await sleep(2);
    return this.bytes;
  }

  async gone(): Promise<void> {
    if (!this.closed) await once(this.socket, 'close');
  }

  /** Through the handshake; replies begin at the returned position. */
  async enter(): Promise<number> {
    this.send(u32(3), go(volumeId));
    // Greeting, export info, block sizes, acknowledgement.
    return (await this.until(18 + 32 + 34 + 20)).length;
  }
}

describe('hostile NBD clients', () => {
  let world: NbdWorld;
  const clients: Client[] = [];
  const join = () => {
    const client = new Client(world.socketPath);
    clients.push(client);
    return client;
  };

  /** The server has noticed that everybody left. */
  const empty = async () => {
    while (world.server.connections > 0) await sleep(2);
  };

  beforeEach(async () => {
    world = await startNbdWorld(16 * mib, {
      handshakeTimeoutMs: 300,
      handshakesMax: 20,
      requestsInFlightMax: 8,
    });
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.socket.destroy();
    await world.close();
  });

  it.each([
    ['wrong client flags', Buffer.concat([u32(0xffff), go(volumeId)])],
    ['an option of 4 GiB', Buffer.concat([u32(3), option(7, Buffer.alloc(0), 0xffffffff)])],
    ['no option magic', Buffer.concat([u32(3), Buffer.alloc(64, 0x41)])],
    ['an unknown export the old way', Buffer.concat([u32(3), option(1, Buffer.from('none'))])],
    ['endless options', Buffer.concat([u32(3), ...Array(300).fill(option(99, Buffer.alloc(0)))])],
    ['another protocol', Buffer.from(`GET / HTTP/1.1\r\nhost: a\r\n\r\n${'x'.repeat(500)}`)],
    ['half a handshake', u32(3)],
    ['silence', Buffer.alloc(0)],
  ])('cuts off %s', async (_name, bytes) => {
    const client = join().send(bytes);
    await client.gone();
    expect(await world.client('nbdinfo', '--size', world.uri)).toBe(`${16 * mib}\n`);
  });

  it('refuses options that make no sense and stays', async () => {
    const lies = u32(4000);
    const client = join().send(
      u32(3),
      option(7, lies),
      option(6, Buffer.alloc(3)),
      option(9, Buffer.alloc(8)),
      option(5, Buffer.alloc(0)),
      option(3, Buffer.alloc(1)),
      go('nobody'),
    );
    const bytes = await client.until(18 + 6 * 20);
    const errors = [0, 1, 2, 3, 4, 5].map((at) => bytes.readUInt32BE(18 + at * 20 + 12) - 2 ** 31);
    expect(errors).toEqual([3, 3, 3, 1, 3, 6]);
    expect(client.closed).toBe(false);
  });

  it('takes no more half-open connections than it is told', async () => {
    const many = Array.from({ length: 200 }, join);
    await sleep(100);
    expect(world.server.connections).toBeLessThanOrEqual(20);
    for (const client of many) await client.gone();
    await empty();
    expect(await world.client('nbdinfo', '--size', world.uri)).toBe(`${16 * mib}\n`);
  });

  it('answers impossible requests with errors, in any pieces', async () => {
    const client = join();
    const from = await client.enter();
    const wrong = [
      request({ type: 0, offset: 2n ** 63n, length: 512, cookie: 1 }),
      request({ type: 0, offset: 2n ** 64n - 512n, length: 1024, cookie: 2 }),
      request({ type: 0, offset: 0n, length: 0xffffffff, cookie: 3 }),
      request({ type: 77, cookie: 4 }),
      request({ type: 3, flags: 0x8000, cookie: 5 }),
      Buffer.concat([request({ type: 1, offset: 1n, length: 512, cookie: 6 }), Buffer.alloc(512)]),
      request({ type: 6, offset: BigInt(16 * mib), length: 512, cookie: 7 }),
      request({ type: 7, length: 512, cookie: 8 }),
    ];
    const stream = Buffer.concat(wrong);
    for (let at = 0; at < stream.length; at += 13) client.send(stream.subarray(at, at + 13));
    const bytes = await client.until(from + wrong.length * 16);
    const seen = wrong.map((_, at) => [
      bytes.readUInt32BE(from + at * 16 + 12),
      bytes.readUInt32BE(from + at * 16 + 4),
    ]);
    expect(seen).toEqual([
      [1, 22],
      [2, 22],
      [3, 22],
      [4, 22],
      [5, 22],
      [6, 22],
      [7, 28],
      [8, 22],
    ]);
  });

  it.each([
    ['a write of 4 GiB', request({ type: 1, length: 0xffffffff })],
    ['no request magic', Buffer.alloc(28, 0x55)],
  ])('hangs up on %s', async (_name, bytes) => {
    const client = join();
    await client.enter();
    client.send(bytes);
    await client.gone();
    expect(await world.client('nbdinfo', '--size', world.uri)).toBe(`${16 * mib}\n`);
  });

  it('holds a bounded amount for a client that reads no replies', async () => {
    const data = Buffer.alloc(mib, 5);
    for (let at = 0; at < 16; at++) await world.volume.write(at * mib, data, 0, mib);
    const client = join();
    await client.enter();
    client.socket.pause();
    const asking = request({ type: 0, length: 8 * mib });
    for (let at = 0; at < 1000; at++) client.send(asking);
    await sleep(300);
    expect(process.memoryUsage().rss).toBeLessThan(1.5 * 2 ** 30);
    expect(await world.client('nbdinfo', '--size', world.uri)).toBe(`${16 * mib}\n`);
  });

  it('stays open for others while two thousand clients open connections and say nothing', async () => {
    const others: Client[] = [];
    while (others.length < 2000) {
      for (let at = 0; at < 50; at++) others.push(join());
      await sleep(2);
    }
    for (;;) {
      // The silent ones time out, and somebody who speaks gets in between.
      const client = join();
      await client.enter();
      if (!client.closed) break;
    }
    expect(world.server.connections).toBeLessThanOrEqual(22);
    for (const other of others) other.socket.destroy();
  });

  it('survives noise, and others keep their data', async () => {
    const random = seededRandom(9);
    const mine = random.bytes(64 * 1024);
    await world.volume.write(0, mine, 0, mine.length);
    for (let at = 0; at < 100; at++) {
      const client = join();
      if (at % 2 === 0) await client.enter();
      client.send(random.bytes(1 + random.below(5000)));
      client.socket.end();
      await client.gone();
    }
    const seen = Buffer.alloc(mine.length);
    await world.volume.read(0, seen.length, seen, 0);
    expect(seen.equals(mine)).toBe(true);
    await empty();
  });
});
