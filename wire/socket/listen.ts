/** The serving end of socket links: listens, and gives each connection to whoever serves it. */
import * as nodeNet from 'node:net';
import * as nodeTls from 'node:tls';
import {
  type Address,
  type Clock,
  type Logger,
  listenPrivately,
  type Random,
  receiveInto,
  renderAddress,
  systemNet,
} from '#common';
import type { Link } from '../link.ts';
import type { WireSettings } from '../settings.ts';
import { alpnFramed, secretOf, type Tls, tlsMaterial } from '../tls.ts';
import { SocketLink } from './socket-link.ts';

export interface ListenParts {
  readonly address: Address;
  readonly tls: Tls;
  readonly settings: WireSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly serve: (link: Link) => void;
}

export interface Listener {
  readonly address: Address;
  /** Stops listening and cuts what is still connected. */
  close(): Promise<void>;
}

export async function listenSockets(parts: ListenParts): Promise<Listener> {
  const { address, log } = parts;
  const links = new Set<SocketLink>();
  const server = createServer(parts, links);
  server.maxConnections = parts.settings.connectionsMax;
  if ('path' in address) await listenPrivately(server, address.path);
  else await systemNet.listen(server, address);
  server.on('error', (error) => log.error({ err: error }, 'a listener for nodes failed'));
  server.on('drop', () => log.warn('a connection of a node is one too many'));
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  return {
    address: 'path' in address ? address : { ...address, port },
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const link of links) link.destroy();
      await closed;
    },
  };
}

function createServer(parts: ListenParts, links: Set<SocketLink>): nodeNet.Server {
  const material = tlsMaterial(parts.tls);
  if (material === undefined)
    return nodeNet.createServer({ noDelay: true, pauseOnConnect: true }, (accepted) => {
      const link = linkOf(parts, links, accepted);
      const socket = receiveInto(accepted, link.onread);
      link.attach(socket);
      socket.resume();
    });
  const options: nodeTls.TlsOptions = {
    ...material,
    noDelay: true,
    requestCert: true,
    rejectUnauthorized: true,
    handshakeTimeout: parts.settings.handshakeMs,
    ALPNProtocols: [alpnFramed],
  };
  const server = nodeTls.createServer(options, (socket) => {
    const link = linkOf(parts, links, socket);
    link.attach(socket);
    socket.on('data', (bytes: Buffer) => link.receive(bytes));
  });
  server.on('tlsClientError', (error, socket) => {
    const from = socket.remoteAddress;
    parts.log.warn({ err: error, from }, 'a stranger tried to connect as a node');
  });
  return server;
}

function linkOf(parts: ListenParts, links: Set<SocketLink>, socket: nodeNet.Socket): SocketLink {
  const { remoteAddress, remotePort } = socket;
  const peer =
    remoteAddress === undefined
      ? renderAddress(parts.address)
      : renderAddress({ host: remoteAddress, port: remotePort ?? 0 });
  const link = new SocketLink({ ...parts, side: 'server', peer, secret: secretOf(parts.tls) });
  links.add(link);
  socket.once('close', () => links.delete(link));
  parts.serve(link);
  return link;
}
