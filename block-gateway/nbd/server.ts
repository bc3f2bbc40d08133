/** The NBD server: listens, counts, and gives each connection a receive buffer of its own that is used again and again. */
import { createServer, Socket } from 'node:net';
import { type Address, type Clock, type Logger, type Net, renderAddress } from '#common';
import type { BlockGatewaySettings } from '../settings.ts';
import { assert } from '../volume/assert.ts';
import { Connection } from './connection.ts';
import type { NbdExports } from './exports.ts';
import { IoBuffers } from './reply-writer.ts';

export interface NbdServerOptions {
  readonly exports: NbdExports;
  readonly settings: BlockGatewaySettings;
  readonly net: Net;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface NbdServer {
  /** May be called for several addresses. Returns the port for TCP, 0 for a unix socket. */
  listen(address: Address): Promise<number>;
  readonly connections: number;
  /** Stops listening and cuts every connection. */
  close(): Promise<void>;
}

const receiveBytes = 256 * 1024;

export function createNbdServer(options: NbdServerOptions): NbdServer {
  const { settings, net, log } = options;
  const sockets = new Set<Socket>();
  const servers: ReturnType<typeof createServer>[] = [];
  const buffers = new IoBuffers();
  let handshakes = 0;

  const accept = (accepted: Socket) => {
    if (sockets.size >= settings.connectionsMax || handshakes >= settings.handshakesMax) {
      log.warn({ connections: sockets.size, handshakes }, 'an NBD connection is one too many');
      accepted.destroy();
      return;
    }
    handshakes++;
    serve(accepted);
  };

  const serve = (accepted: Socket) => {
    let connection: Connection | undefined;
    const socket = withReceiveBuffer(accepted, (bytes) => connection?.receive(bytes) ?? false);
    const { exports, clock } = options;
    connection = new Connection({
      socket,
      exports,
      settings,
      clock,
      log,
      buffers,
      negotiated: () => {
        handshakes--;
      },
    });
    sockets.add(socket);
    const client = connection;
    socket.on('error', (error) => log.debug({ err: error }, 'an NBD socket failed'));
    socket.on('end', () => socket.end());
    socket.on('close', () => {
      sockets.delete(socket);
      // It has no handle any more, but the listener counts it.
      accepted.destroy();
      client.end();
    });
    void client.start();
  };

  return {
    get connections() {
      return sockets.size;
    },
    async listen(address) {
      const server = createServer({ noDelay: true, pauseOnConnect: true }, accept);
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
      for (const socket of sockets) socket.destroy();
      await Promise.all(closing);
    },
  };
}

/**
 * The accepted connection as a socket that reads into one buffer (`onread`), which Node offers for outgoing sockets only: a
 * new socket takes over the handle. It saves an allocation of 64 KiB for every read.
 */
function withReceiveBuffer(accepted: Socket, receive: (bytes: Buffer) => boolean): Socket {
  const handle: unknown = Reflect.get(accepted, '_handle');
  Reflect.set(accepted, '_handle', null);
  const buffer = Buffer.allocUnsafeSlow(receiveBytes);
  const socket: unknown = Reflect.construct(Socket, [
    {
      handle,
      allowHalfOpen: true,
      onread: { buffer, callback: (count: number) => receive(buffer.subarray(0, count)) },
    },
  ]);
  assert(socket instanceof Socket, 'a socket was constructed');
  socket.setNoDelay(true);
  socket.resume();
  return socket;
}
