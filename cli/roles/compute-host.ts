/**
 * `pileus run compute`: a machine that runs guests, joined to a controller elsewhere.
 *
 *  1. Its hypervisor finds the guests that lived on; a socket for their disks and one for its ovn-controller lead to the controller.
 *  2. It connects to the controller, which asks from then on: guests and ports are made and removed by calls.
 *  3. A connection that ends is made anew, for ever. Guests do not notice: they run on, and their disks wait.
 */
import * as fs from 'node:fs';
import { Agent, request as httpsRequest } from 'node:https';
import { connect as connectSocket, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { type NetworkHost, openNetworkHost } from '#cloud/network';
import { createLogger, listenPrivately, messageOf, systemClock, Undo } from '#common';
import { hypervisorCalls } from '#compute-hooks';
import { type CallHandler, nodeServerName, serveCalls } from '#wire';
import { claimRunning, dataFolder, releaseRunning } from '../data-folder.ts';
import { firstSignal } from '../foreground.ts';
import { alpn, metadataPath } from '../hosts/door.ts';
import type { HostConfig } from '../hosts/host-config.ts';
import { hostTag, uplinkOf } from '../hosts/registry.ts';
import { openHypervisor } from './compute.ts';
import { prepareNetworkHost } from './network-host.ts';

const againMs = 1_000;

export async function runComputeHost(
  config: HostConfig,
  say: (line: string) => void,
): Promise<void> {
  const folder = dataFolder(config.data);
  claimRunning(folder);
  const stopped = firstSignal();
  const opened = new Undo();
  const host = new ComputeRole(config);
  try {
    await host.open(opened);
    say(`${config.name} is ready`);
    await stopped;
  } finally {
    await opened.run();
    releaseRunning(folder);
  }
  process.exit(0);
}

class ComputeRole {
  private readonly config: HostConfig;
  private readonly log;
  private readonly run: string;
  private readonly tls: ConnectionOptions;
  private readonly agent: Agent;
  private closed = false;

  constructor(config: HostConfig) {
    this.config = config;
    this.run = join(config.data, 'run');
    const file = join(config.data, 'log', 'pileus.log');
    const level = config.settings.cloud.logLevel;
    this.log = createLogger({ level, file }).child({ node: config.name });
    const secret = (name: string) => fs.readFileSync(join(config.secrets, name), 'utf8');
    this.tls = {
      ...config.controller,
      ca: secret('authority.pem'),
      cert: secret('host.pem'),
      key: secret('host.key'),
      servername: nodeServerName,
      minVersion: 'TLSv1.3',
    };
    this.agent = new Agent({ ...this.tls, ALPNProtocols: [alpn.http], keepAlive: true });
  }

  async open(opened: Undo): Promise<void> {
    const { config, log } = this;
    const hypervisor = await openHypervisor(join(config.data, 'guests'), {
      settings: config.settings,
      log,
    });
    opened.add(() => hypervisor.close());
    const nbdSocketPath = join(this.run, 'nbd.sock');
    const central = join(this.run, 'ovn.sock');
    await this.relay(nbdSocketPath, () => this.toGateway(), opened);
    await this.relay(central, () => this.to(alpn.ovn), opened);
    const network = this.openNetwork(central);
    opened.add(() => network.close());
    const calls: Readonly<Record<string, CallHandler>> = {
      hello: async () => ({ nbdSocketPath }),
      ...hypervisorCalls(hypervisor),
      ...network.calls,
    };
    void this.stayJoined(calls);
    opened.add(() => {
      this.closed = true;
    });
    log.info({ controller: config.controller }, 'up');
  }

  private openNetwork(central: string): NetworkHost {
    const { config, log } = this;
    const tag = hostTag(config.clusterId, config.name);
    const root = join(this.run, 'net');
    return openNetworkHost({
      ...{ tag, central, log, clock: systemClock, folder: root, hostname: config.name },
      ...{ namespace: `pn-${tag}`, ownNamespace: true },
      uplink: { ...uplinkOf(config.tunnel.address, ''), bridge: config.tunnel.bridge },
      prepare: () => prepareNetworkHost(root),
      answer: ({ networkId, address }, request, response) => {
        const asked = httpsRequest({
          agent: this.agent,
          host: config.controller.host,
          port: config.controller.port,
          method: request.method,
          path: `${metadataPath}${request.url ?? '/'}`,
          headers: {
            ...request.headers,
            'pileus-network': networkId,
            'pileus-address': address,
          },
        });
        asked.once('response', (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          pipeline(answer, response).catch(() => response.destroy());
        });
        asked.on('error', (error) => {
          log.warn(`metadata: ${messageOf(error)}`);
          if (!response.headersSent) response.writeHead(503);
          response.end();
        });
        // Who hangs up in the middle of a question gets no answer: `asked` says so.
        pipeline(request, asked).catch(() => asked.destroy());
      },
    });
  }

  private to(protocol: string): TLSSocket {
    return connectTls({ ...this.tls, ALPNProtocols: [protocol] });
  }

  private toGateway(): Socket {
    const { gateway } = this.config;
    return gateway !== undefined && fs.existsSync(gateway)
      ? connectSocket({ path: gateway })
      : this.to(alpn.nbd);
  }

  /** A socket of this machine whose connections go on elsewhere. */
  private async relay(path: string, onwards: () => Socket, opened: Undo): Promise<void> {
    fs.mkdirSync(this.run, { recursive: true, mode: 0o700 });
    const open = new Set<Socket>();
    const server = createServer((near) => {
      const far = onwards();
      open.add(near);
      // Who has connected finds out by its connection, and tries again.
      const end = () => {
        open.delete(near);
        near.destroy();
        far.destroy();
      };
      pipeline(near, far).then(end, end);
      pipeline(far, near).then(end, end);
    });
    await listenPrivately(server, path);
    opened.add(() => {
      server.close();
      for (const socket of open) socket.destroy();
    });
  }

  private async stayJoined(calls: Readonly<Record<string, CallHandler>>): Promise<void> {
    while (!this.closed) {
      try {
        const socket = await joined(this.to(alpn.host));
        const serving = serveCalls(socket, calls, { clock: systemClock, log: this.log });
        this.log.info('joined');
        await serving.ended;
      } catch (error) {
        this.log.warn(`the controller is out of reach: ${messageOf(error)}`);
      }
      await systemClock.sleep(againMs);
    }
  }
}

function joined(socket: TLSSocket): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    socket.once('secureConnect', () => resolve(socket));
    socket.once('error', reject);
  });
}
