/**
 * Where compute hosts in other processes come in: one port, mutual TLS, and what a connection is for is said in its handshake.
 *
 *   pileus-host/1   the host connects and is asked: its hypervisor and its network
 *   pileus-nbd/1    a guest's disk, to the gateway
 *   pileus-ovn/1    the host's ovn-controller, to OVN's databases
 *   http/1.1        a guest's question to its metadata address
 */
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { connect as connectSocket, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { createServer, type TLSSocket } from 'node:tls';
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import type { Networks } from '#cloud/network';
import { type Address, Failure, messageOf, systemClock, systemNet } from '#common';
import { type Compute, type ComputeHost, RemoteHypervisor } from '#compute-hooks';
import { Asking, type CertificateAndKey } from '#wire';
import type { DataFolder } from '../data-folder.ts';
import type { RoleContext } from '../roles/context.ts';
import { fingerprintOf, type RegisteredHost, registeredHosts } from './registry.ts';

export interface DoorParts {
  readonly folder: DataFolder;
  readonly context: RoleContext;
  readonly certificates: CertificateAndKey & { readonly authority: string };
  readonly gatewaySocket: string;
  readonly networks: Networks;
  readonly compute: Compute;
  readonly space: ComputeHost['space'];
}

export const alpn = {
  host: 'pileus-host/1',
  nbd: 'pileus-nbd/1',
  ovn: 'pileus-ovn/1',
  http: 'http/1.1',
} as const;

export const metadataPath = '/metadata';

const Hello = Type.Object({ nbdSocketPath: Type.String({ minLength: 1, maxLength: 107 }) });

const handshakeMs = 10_000;
const connectionsMax = 4_096;

export class HostsDoor {
  private readonly parts: DoorParts;
  private readonly joined = new Map<string, { readonly sinceUs: number; leave(): void }>();
  private readonly sockets = new Set<Socket>();
  private readonly metadata: HttpServer;

  constructor(parts: DoorParts) {
    this.parts = parts;
    this.metadata = createHttpServer((request, response) => {
      const [, network = '', address = ''] = [
        '',
        request.headers['pileus-network'],
        request.headers['pileus-address'],
      ].map(String);
      request.url = (request.url ?? '').slice(metadataPath.length);
      parts.networks.metadata
        .answer({ networkId: network, address }, request, response)
        .catch((error: unknown) => {
          parts.context.log.warn({ err: error }, `metadata: ${messageOf(error)}`);
          if (!response.headersSent) response.writeHead(500);
          response.end();
        });
    });
  }

  async listen(address: Address): Promise<{ close(): Promise<void> }> {
    const { certificates } = this.parts;
    const server = createServer(
      {
        key: certificates.key,
        cert: certificates.certificate,
        ca: certificates.authority,
        minVersion: 'TLSv1.3',
        requestCert: true,
        rejectUnauthorized: true,
        handshakeTimeout: handshakeMs,
        ALPNProtocols: Object.values(alpn),
      },
      (socket) => this.take(socket),
    );
    server.maxConnections = connectionsMax;
    server.on('tlsClientError', (error) =>
      this.parts.context.log.debug({ err: error }, 'a stranger at the door of the hosts'),
    );
    await systemNet.listen(server, address);
    return {
      close: async () => {
        server.close();
        for (const socket of this.sockets) socket.destroy();
        for (const { leave } of this.joined.values()) leave();
      },
    };
  }

  private take(socket: TLSSocket): void {
    this.sockets.add(socket);
    socket.once('close', () => this.sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    const host = this.whose(socket);
    if (host === undefined) {
      socket.destroy();
      return;
    }
    const { gatewaySocket, networks, context } = this.parts;
    switch (socket.alpnProtocol) {
      case alpn.host:
        this.welcome(host, socket).catch((error: unknown) => {
          context.log.warn({ host: host.name }, `a host could not join: ${messageOf(error)}`);
          socket.destroy();
        });
        return;
      case alpn.nbd:
        pass(socket, gatewaySocket);
        return;
      case alpn.ovn:
        pass(socket, networks.hosts.centralSocket());
        return;
      case alpn.http:
        this.metadata.emit('connection', socket);
        return;
      default:
        socket.destroy();
    }
  }

  /** The host whose certificate this is, as long as it is the one it was given last. */
  private whose(socket: TLSSocket): RegisteredHost | undefined {
    const { raw } = socket.getPeerCertificate();
    if (raw === undefined) return undefined;
    const fingerprint = fingerprintOf(raw);
    return registeredHosts(this.parts.folder).find((host) => host.fingerprint === fingerprint);
  }

  private async welcome({ name, tunnel }: RegisteredHost, socket: TLSSocket): Promise<void> {
    const { networks, compute, context, space } = this.parts;
    // One that comes again before it was noticed that it had gone takes its own place.
    this.joined.get(name)?.leave();
    const asking = new Asking(socket, { clock: systemClock });
    const hello = await asking.call('hello', {});
    if (!Value.Check(Hello, hello))
      throw new Failure('invalid', 'bad-hello', 'A host does not say what it must');
    const leaveNetwork = networks.hosts.join({
      ...{ hostname: name, asking },
      address: tunnel.split('/')[0],
    });
    const hypervisor = new RemoteHypervisor(asking);
    const network = networks.hosts.get(name);
    const leaveCompute = await compute.join({
      ...{ name, hypervisor, space, nbdSocketPath: hello.nbdSocketPath },
      ...(network === undefined ? {} : { network }),
    });
    const member = {
      sinceUs: systemClock.nowUs(),
      leave: () => {
        if (this.joined.get(name) === member) this.joined.delete(name);
        leaveCompute();
        leaveNetwork();
        asking.close();
      },
    };
    this.joined.set(name, member);
    context.log.info({ host: name }, 'a compute host has joined');
    void asking.ended.then(() => {
      context.log.warn({ host: name }, 'a compute host is out of reach');
      member.leave();
    });
  }

  /** Sends away who may no longer be here. */
  dismiss(name: string): void {
    this.joined.get(name)?.leave();
  }

  sinceUs(name: string): number | undefined {
    return this.joined.get(name)?.sinceUs;
  }
}

function pass(socket: Socket, path: string | undefined): void {
  if (path === undefined) {
    socket.destroy();
    return;
  }
  const inner = connectSocket({ path, allowHalfOpen: true });
  // Either end's failure ends both; each finds out by its connection.
  const end = () => {
    socket.destroy();
    inner.destroy();
  };
  pipeline(socket, inner).catch(end);
  pipeline(inner, socket).catch(end);
}
