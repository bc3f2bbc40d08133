/** The NBD server: listens, counts, and gives each connection a receive buffer of its own that is used again and again. */
import { createServer, type Socket } from 'node:net';
import { type Address, type Clock, type Logger, type Net, renderAddress } from '#common';
import type { BlockGatewaySettings } from '../settings.ts';
import { Connection } from './connection.ts';
import type { NbdClient, NbdExports } from './exports.ts';
import { IoBuffers } from './reply-writer.ts';
import type { NbdTls } from './tls.ts';

export interface NbdServerOptions {
  readonly exports: NbdExports;
  readonly settings: BlockGatewaySettings;
  readonly net: Net;
  readonly clock: Clock;
  readonly log: Logger;
  /** Without it STARTTLS is refused. */
  readonly tls?: NbdTls;
}

export interface NbdServer {
  /**
   * May be called for several addresses. Returns the port for TCP, 0 for a unix socket. Who comes to the address of a compute host is
   * that host, whatever it says.
   */
  listen(address: Address, of?: { readonly host: string }): Promise<number>;
  readonly connections: number;
  /** Stops listening and cuts every connection. */
  close(): Promise<void>;
}

export function createNbdServer(options: NbdServerOptions): NbdServer {
  const { settings, net, log } = options;
  const connections = new Set<Connection>();
  const servers: ReturnType<typeof createServer>[] = [];
  const buffers = new IoBuffers();
  let handshakes = 0;

  const accept = (accepted: Socket, client: Pick<NbdClient, 'local' | 'host'>) => {
    if (connections.size >= settings.connectionsMax || handshakes >= settings.handshakesMax) {
      log.warn({ connections: connections.size, handshakes }, 'an NBD connection is one too many');
      accepted.destroy();
      return;
    }
    handshakes++;
    const connection = new Connection({
      ...options,
      socket: accepted,
      client,
      buffers,
      negotiated: () => {
        handshakes--;
      },
      ended: () => connections.delete(connection),
    });
    connections.add(connection);
    void connection.start();
  };

  return {
    get connections() {
      return connections.size;
    },
    async listen(address, of) {
      const client = of === undefined ? { local: 'path' in address } : { local: false, ...of };
      const listening = { noDelay: true, pauseOnConnect: true, allowHalfOpen: true };
      const server = createServer(listening, (accepted) => accept(accepted, client));
      await net.listen(server, address);
      server.on('error', (error) => log.error({ err: error }, 'an NBD listener failed'));
      servers.push(server);
      const bound = server.address();
      log.info({ address: renderAddress(address) }, 'NBD is served');
      return typeof bound === 'object' && bound !== null ? bound.port : 0;
    },
    async close() {
      const closing = servers.map(
        (server) => new Promise<void>((resolve) => server.close(() => resolve())),
      );
      for (const connection of connections) connection.destroy();
      await Promise.all(closing);
    },
  };
}
