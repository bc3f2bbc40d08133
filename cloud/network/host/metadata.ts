/**
 * The metadata address in every network of a host: a namespace that holds 169.254.169.254 on the network's service port, and in it
 * a listening socket that belongs to this very process. A short-lived child opens it there and hands it over, so that there is
 * no proxy process, and who asks is known by the network and the source address, which port security keeps true.
 */
import { spawn } from 'node:child_process';
import * as http from 'node:http';
import type { Server } from 'node:net';
import { type Clock, Failure, type Logger, messageOf } from '#common';
import { cidrOf } from '../addresses/ip.ts';
import type { Network, Port, Subnet } from '../model/documents.ts';
import { run, succeeds } from './commands.ts';
import { attach } from './host-network.ts';
import { metadataNamespace, metadataWire } from './names.ts';
import { datapath, type HostSwitch } from './switch.ts';

const address = '169.254.169.254';
const requestMs = 30_000;
const connectionsMax = 256;

export interface MetadataAsker {
  readonly portId: string;
  readonly deviceId: string;
  readonly projectId: string;
  readonly networkId: string;
  readonly address: string;
}

export type MetadataHandler = (
  request: http.IncomingMessage,
  response: http.ServerResponse,
  asker: MetadataAsker,
) => void;

/** What one network needs for it. */
export interface MetadataPlace {
  readonly network: Pick<Network, 'id' | 'mtu'>;
  readonly port: Pick<Port, 'id' | 'mac_address' | 'device_id' | 'fixed_ips'>;
  readonly subnets: readonly Pick<Subnet, 'id' | 'cidr'>[];
}

export interface MetadataParts {
  readonly host: HostSwitch;
  readonly log: Logger;
  readonly clock: Clock;
  handler(): MetadataHandler | undefined;
  /** Who has this address in this network. */
  whoIs(networkId: string, address: string): Promise<MetadataAsker | undefined>;
}

export class MetadataPlaces {
  private readonly parts: MetadataParts;
  private readonly open = new Map<string, { server: http.Server; stamp: string }>();
  private swept = false;

  constructor(parts: MetadataParts) {
    this.parts = parts;
  }

  /** Makes these places and no others; may be repeated. */
  async ensure(places: readonly MetadataPlace[]): Promise<void> {
    const wanted = new Set(places.map((place) => place.network.id));
    if (!this.swept) await this.sweep(new Set([...wanted].map((id) => this.namespaceOf(id))));
    this.swept = true;
    for (const id of this.open.keys()) if (!wanted.has(id)) await this.remove(id);
    for (const place of places) {
      const stamp = JSON.stringify([place.port.id, place.port.fixed_ips, place.network.mtu]);
      const held = this.open.get(place.network.id);
      if (held?.stamp === stamp) continue;
      try {
        await this.place(place);
        const server = held?.server ?? (await this.listen(place.network.id));
        this.open.set(place.network.id, { server, stamp });
      } catch (error) {
        this.parts.log.warn(
          { err: error, network: place.network.id },
          `no metadata in a network: ${messageOf(error)}`,
        );
      }
    }
  }

  private namespaceOf(networkId: string): string {
    return metadataNamespace(this.parts.host.options.tag, networkId);
  }

  private async place({ network, port, subnets }: MetadataPlace): Promise<void> {
    const { host } = this.parts;
    const namespace = this.namespaceOf(network.id);
    const { outer, inner } = metadataWire(port.id);
    const inside = { namespace };
    if (!(await succeeds('ip', ['netns', 'exec', namespace, 'true'])))
      await run('ip', ['netns', 'add', namespace]);
    if (!(await succeeds('ip', ['link', 'show', 'dev', inner], inside))) {
      await succeeds('ip', ['link', 'delete', outer], { namespace: host.options.namespace });
      // Made where the host's devices are, its other end handed to the namespace.
      await host.tool(
        'ip',
        'link',
        'add',
        outer,
        'type',
        'veth',
        'peer',
        'name',
        inner,
        'netns',
        namespace,
      );
    }
    await host.tool('ip', 'link', 'set', outer, 'up');
    await run(
      'ip',
      ['link', 'set', inner, 'address', port.mac_address, 'mtu', String(network.mtu)],
      inside,
    );
    await run('ip', ['link', 'set', 'lo', 'up'], inside);
    await run('ip', ['link', 'set', inner, 'up'], inside);
    if (datapath() === 'netdev') await run('ethtool', ['-K', inner, 'tx', 'off'], inside);
    await run('ip', ['address', 'replace', `${address}/32`, 'dev', inner], inside);
    for (const fixed of port.fixed_ips) {
      const subnet = subnets.find((one) => one.id === fixed.subnet_id);
      if (subnet !== undefined)
        await run(
          'ip',
          [
            'address',
            'replace',
            `${fixed.ip_address}/${cidrOf(subnet.cidr).prefixLength}`,
            'dev',
            inner,
          ],
          inside,
        );
    }
    await attach(host, outer, {
      id: port.id,
      macAddress: port.mac_address,
      mtu: network.mtu,
      deviceId: port.device_id,
    });
  }

  private async listen(networkId: string): Promise<http.Server> {
    const handed = await handedSocket(this.namespaceOf(networkId), this.parts.clock);
    const server = http.createServer(
      {
        requestTimeout: requestMs,
        headersTimeout: requestMs,
        keepAliveTimeout: 5_000,
        maxHeaderSize: 16_384,
      },
      (request, response) => {
        this.answer(networkId, request, response).catch((error: unknown) => {
          this.parts.log.warn({ err: error }, `metadata: ${messageOf(error)}`);
          if (!response.headersSent) response.writeHead(500);
          response.end();
        });
      },
    );
    server.maxConnections = connectionsMax;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(handed, () => resolve());
    });
    return server;
  }

  private async answer(
    networkId: string,
    request: http.IncomingMessage,
    response: http.ServerResponse,
  ): Promise<void> {
    const source = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
    const who = await this.parts.whoIs(networkId, source);
    const handler = this.parts.handler();
    if (who === undefined) response.writeHead(404).end('404 Not Found\n');
    else if (handler === undefined) response.writeHead(503).end('No metadata service yet\n');
    else handler(request, response, who);
  }

  private async remove(networkId: string): Promise<void> {
    const held = this.open.get(networkId);
    this.open.delete(networkId);
    held?.server.close();
    held?.server.closeAllConnections();
    await this.clear(this.namespaceOf(networkId));
  }

  private async clear(namespace: string): Promise<void> {
    const links = await run('ip', ['-o', 'link', 'show', 'type', 'veth'], { namespace }).catch(
      () => '',
    );
    for (const [, id] of links.matchAll(/pmi([0-9a-f-]{11})/g)) {
      const outer = `pmo${id}`;
      await this.parts.host
        .configure(['--if-exists', 'del-port', this.parts.host.names.integration, outer])
        .catch(() => '');
      await succeeds('ip', ['link', 'delete', outer], {
        namespace: this.parts.host.options.namespace,
      });
    }
    await succeeds('ip', ['netns', 'delete', namespace]);
  }

  /** Everything away, also what an earlier process left. */
  async close(): Promise<void> {
    for (const { server } of this.open.values()) {
      server.close();
      server.closeAllConnections();
    }
    this.open.clear();
    await this.sweep(new Set());
  }

  /** Namespaces of this host for networks that have no guests here any more. */
  private async sweep(keep: ReadonlySet<string>): Promise<void> {
    const prefix = `pm-${this.parts.host.options.tag}-`;
    const listed = await run('ip', ['netns', 'list']).catch(() => '');
    for (const line of listed.split('\n')) {
      const [namespace = ''] = line.split(' ');
      if (namespace.startsWith(prefix) && !keep.has(namespace)) await this.clear(namespace);
    }
  }
}

const handMs = 15_000;

/** What the child runs: it listens, hands the socket to its parent, and is done. */
const childText = `
const server = require('node:net').createServer();
server.listen({ host: '0.0.0.0', port: 80 }, () => process.send('socket', server, {}, () => process.exit(0)));
server.on('error', (error) => process.send(String(error), () => process.exit(1)));
`;

function handedSocket(namespace: string, clock: Clock): Promise<Server> {
  return new Promise((resolve, reject) => {
    const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, '-e', childText], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    });
    const fail = (why: string) =>
      reject(
        new Failure('unreachable', 'metadata-socket', `Cannot listen in ${namespace}: ${why}`),
      );
    const timer = clock.after(handMs, () => child.kill('SIGKILL'));
    child.on('message', (message, handle) => {
      timer.cancel();
      if (handle === undefined || handle === null) fail(String(message));
      else resolve(handle as Server);
    });
    child.on('error', (error) => fail(error.message));
    child.on('exit', (code) => {
      timer.cancel();
      if (code !== 0) fail(`the helper ended with ${code}`);
    });
  });
}
