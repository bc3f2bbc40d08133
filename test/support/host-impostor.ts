/** What somebody can do who has taken over a compute host: everything that its certificate opens. */
import * as fs from 'node:fs';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { parse } from 'yaml';
import type { TestCloud } from './cloud.ts';

const replyKinds = { ack: 1, info: 3 } as const;

export class HostImpostor {
  private readonly tls: ConnectionOptions;

  constructor(cloud: TestCloud, name: string) {
    const folder = join(cloud.data, 'hosts', name);
    const config = parse(fs.readFileSync(join(folder, 'compute.yaml'), 'utf8')) as {
      readonly controller: { readonly host: string; readonly port: number };
    };
    const secret = (file: string) => fs.readFileSync(join(folder, 'secrets', file), 'utf8');
    this.tls = {
      ...config.controller,
      ca: secret('authority.pem'),
      cert: secret('host.pem'),
      key: secret('host.key'),
      checkServerIdentity: () => undefined,
    };
  }

  private connect(protocol: string): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ ...this.tls, ALPNProtocols: [protocol] }, () => resolve(socket));
      socket.once('error', reject);
    });
  }

  /** Asks for a disk by the name of its export; whether it was let in. */
  async opens(exportName: string): Promise<boolean> {
    const socket = await this.connect('pileus-nbd/1');
    try {
      const read = reader(socket);
      await read(18);
      const name = Buffer.from(exportName);
      const asked = Buffer.alloc(4 + 16 + 4);
      asked.writeUInt32BE(3, 0);
      asked.write('IHAVEOPT', 4);
      asked.writeUInt32BE(7, 12);
      asked.writeUInt32BE(name.length + 6, 16);
      asked.writeUInt32BE(name.length, 20);
      socket.write(Buffer.concat([asked, name, Buffer.alloc(2)]));
      for (;;) {
        const header = await read(20);
        await read(header.readUInt32BE(16));
        const kind = header.readUInt32BE(12);
        if (kind !== replyKinds.info) return kind === replyKinds.ack;
      }
    } finally {
      socket.destroy();
    }
  }

  /** Asks OVN's database server one thing. */
  async ovsdb(method: string, params: readonly unknown[]): Promise<unknown> {
    const socket = await this.connect('pileus-ovn/1');
    try {
      socket.write(JSON.stringify({ method, params, id: 'asked' }));
      let text = '';
      for await (const chunk of socket) {
        text += String(chunk);
        try {
          return (JSON.parse(text) as { result: unknown }).result;
        } catch (error) {
          // There is more to come.
          if (!(error instanceof SyntaxError)) throw error;
        }
      }
      throw new Error(`no answer to ${method}: ${text}`);
    } finally {
      socket.destroy();
    }
  }

  /** The status of what a guest would be told that asks from this address in this network. */
  metadata(network: string, address: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const asked = request(
        {
          agent: new Agent({ ...this.tls, ALPNProtocols: ['http/1.1'] }),
          host: this.tls.host,
          port: this.tls.port,
          path: '/metadata/openstack/latest/meta_data.json',
          headers: { 'pileus-network': network, 'pileus-address': address },
        },
        (answer) => {
          answer.resume();
          resolve(answer.statusCode ?? 0);
        },
      );
      asked.once('error', reject);
      asked.end();
    });
  }
}

/** Reads so many bytes at a time. */
function reader(socket: TLSSocket): (count: number) => Promise<Buffer> {
  const chunks = socket[Symbol.asyncIterator]();
  let held: Buffer = Buffer.alloc(0);
  return async (count) => {
    while (held.length < count) {
      const { value, done } = await chunks.next();
      if (done === true) throw new Error('the connection was cut');
      held = Buffer.concat([held, value as Buffer]);
    }
    const taken = held.subarray(0, count);
    held = held.subarray(count);
    return taken;
  };
}
