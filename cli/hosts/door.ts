/**
 * Where compute hosts in other processes come in: one port, mutual TLS, and what a connection is for is said in its handshake. A host is who its
 * certificate says, and gets what belongs to it: one that was taken over reaches nothing of servers that are elsewhere.
 *
 *   pileus-host/1   the host connects and is asked: its hypervisor and its network
 *   pileus-nbd/1    a disk of a guest that is there, to the gateway
 *   pileus-ovn/1    the host's ovn-controller, to OVN's southbound database, as its chassis and with a controller's rights
 *   http/1.1        a question of a guest that is there to its metadata address
 *   pileus-node/1   a storage node or another front, which is told of the cluster's map
 *   pileus-join/1   a machine with a one-time token, and no certificate yet
 */
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { connect as connectSocket, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createServer, type TLSSocket } from 'node:tls';
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import type { Networks } from '#cloud/network';
import { type Address, Failure, messageOf, systemClock, systemNet } from '#common';
import {
  type Compute,
  type ComputeHost,
  type Member,
  type Members,
  RemoteHypervisor,
} from '#compute-hooks';
import { Asking, type CertificateAndKey } from '#wire';
import { nodeAlpn } from '../machines/links.ts';
import type { RoleContext } from '../roles/context.ts';
import type { Gateway } from '../roles/gateway.ts';
import { fingerprintOf, hostTag } from './registry.ts';

export interface DoorParts {
  readonly context: RoleContext;
  readonly certificates: CertificateAndKey & { readonly authority: string };
  readonly gateway: Pick<Gateway, 'socketOf' | 'admit'>;
  readonly members: Members;
  readonly networks: Networks;
  readonly compute: Compute;
  readonly space: ComputeHost['space'];
  /** Nodes of the cluster, and machines that want to be. */
  readonly nodes: {
    welcome(socket: TLSSocket): Promise<void>;
    admit(socket: TLSSocket): Promise<void>;
  };
}

export const alpn = {
  host: 'pileus-host/1',
  nbd: 'pileus-nbd/1',
  ovn: 'pileus-ovn/1',
  http: 'http/1.1',
  ...nodeAlpn,
} as const;

export const metadataPath = '/metadata';

const Hello = Type.Object({ nbdSocketPath: Type.String({ minLength: 1, maxLength: 107 }) });

const bothWays = { allowHalfOpen: true } as const;
const handshakeMs = 10_000;
const connectionsMax = 4_096;

export class HostsDoor {
  private readonly parts: DoorParts;
  private readonly joined = new Map<string, { readonly sinceUs: number; leave(): void }>();
  /** Every connection, and whose it is as soon as that is known. */
  private readonly sockets = new Map<Socket, string>();
  private readonly metadata: HttpServer;

  constructor(parts: DoorParts) {
    this.parts = parts;
    this.metadata = createHttpServer((request, response) => {
      const [, network = '', address = ''] = [
        '',
        request.headers['pileus-network'],
        request.headers['pileus-address'],
      ].map(String);
      const host = this.sockets.get(request.socket) ?? '';
      request.url = (request.url ?? '').slice(metadataPath.length);
      parts.networks.metadata
        .answer({ networkId: network, address, host }, request, response)
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
        // With the authority's, so that who joins can look at it before it believes it.
        cert: `${certificates.certificate}\n${certificates.authority}`,
        ca: certificates.authority,
        minVersion: 'TLSv1.3',
        requestCert: true,
        // Only a machine with a token has no certificate: `lead` sends all others away.
        rejectUnauthorized: false,
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
        for (const socket of this.sockets.keys()) socket.destroy();
        for (const { leave } of this.joined.values()) leave();
      },
    };
  }

  private take(socket: TLSSocket): void {
    this.sockets.set(socket, '');
    socket.once('close', () => this.sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    this.lead(socket).catch((error: unknown) => {
      const host = this.sockets.get(socket);
      this.parts.context.log.warn({ host }, `at the door of the hosts: ${messageOf(error)}`);
      socket.destroy();
    });
  }

  /** Each to where it wants, as who it is. */
  private async lead(socket: TLSSocket): Promise<void> {
    const { nodes } = this.parts;
    if (socket.alpnProtocol === alpn.join) return await nodes.admit(socket);
    if (!socket.authorized) {
      socket.destroy();
      return;
    }
    if (socket.alpnProtocol === alpn.node) return await nodes.welcome(socket);
    const host = await this.whose(socket);
    if (host === undefined) {
      socket.destroy();
      return;
    }
    this.sockets.set(socket, host.name);
    const { gateway, networks, context } = this.parts;
    switch (socket.alpnProtocol) {
      case alpn.host:
        return await this.welcome(host, socket);
      case alpn.nbd:
        // Another controller may have added it.
        await gateway.admit(host.name);
        return pass(socket, connectSocket({ path: gateway.socketOf(host.name), ...bothWays }));
      case alpn.ovn:
        return pass(socket, await networks.hosts.southAs(hostTag(context.clusterId, host.name)));
      case alpn.http:
        this.metadata.emit('connection', socket);
        return;
      default:
        socket.destroy();
    }
  }

  /** The host whose certificate this is, as long as it is the one it was given last. */
  private async whose(socket: TLSSocket): Promise<Member | undefined> {
    const { raw } = socket.getPeerCertificate();
    return raw === undefined ? undefined : await this.parts.members.find(fingerprintOf(raw));
  }

  private async welcome({ name, tunnel }: Member, socket: TLSSocket): Promise<void> {
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
    const hypervisor = new RemoteHypervisor(asking, { clock: systemClock, log: context.log });
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
    for (const [socket, whose] of this.sockets) if (whose === name) socket.destroy();
  }

  sinceUs(name: string): number | undefined {
    return this.joined.get(name)?.sinceUs;
  }
}

function pass(socket: Socket, inner: Duplex): void {
  // Either end's failure ends both; each finds out by its connection.
  const end = () => {
    socket.destroy();
    inner.destroy();
  };
  pipeline(socket, inner).catch(end);
  pipeline(inner, socket).catch(end);
}
