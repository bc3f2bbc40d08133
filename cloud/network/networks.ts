/** The network service as the rest of the program sees it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { MountableService } from '#cloud/api';
import { Failure, type Net } from '#common';
import { type CoreOptions, NetworkCore } from './core.ts';
import { Backend, type BackendOptions, type HostPlan } from './host/backend.ts';
import type { HostNetwork, HostNetworkStatus } from './host/host-network.ts';
import type { MetadataQuestionOf } from './host/host-shapes.ts';
import type { MetadataHandler } from './host/metadata.ts';
import { whoIs } from './host/metadata-askers.ts';
import { RemoteHost, type RemoteHostParts } from './host/remote-host.ts';
import type { Uplink } from './host/switch.ts';
import { UpWatch } from './host/up-watch.ts';
import type { Drift } from './ovn/reconciler.ts';
import { ensurePublic, publicLeg } from './resources/public-network.ts';
import { declareQuotas } from './resources/quotas.ts';
import { type ServerPorts, serverPorts } from './servers.ts';
import { type Authenticate, networkService } from './service.ts';

export interface NetworksOptions extends CoreOptions {
  readonly authenticate: Authenticate;
}

export interface ConnectOptions extends Pick<BackendOptions, 'folder' | 'prepare'> {
  readonly net: Net;
  readonly hosts: readonly HostPlan[];
}

export interface Networks {
  /** The HTTP API, to be mounted on an API server. */
  readonly service: MountableService;
  readonly servers: ServerPorts;
  readonly hosts: {
    get(name: string): HostNetwork | undefined;
    names(): readonly string[];
    /** Hosts in other processes are to come: this machine gets an address for them. */
    expectOthers(uplink: Uplink): Promise<void>;
    /** One came within reach; returns how it leaves. */
    join(host: RemoteHostParts): () => void;
    /** OVN's southbound database as the host that is this chassis may use it; fails while there is no network. */
    southAs(chassis: string): Promise<Duplex>;
  };
  readonly metadata: {
    serve(handler: MetadataHandler): void;
    /** A guest's question that came to a host in another process: of a guest that is there. */
    answer(
      question: MetadataQuestionOf,
      request: IncomingMessage,
      response: ServerResponse,
    ): Promise<void>;
  };
  /** Makes the external network `public` in this range unless it was made before. */
  ensurePublic(projectId: string, range: string): Promise<void>;
  /** The machine's own address in `public`, with its prefix length. */
  publicLeg(): Promise<string | undefined>;
  /** Stands it on OVN: daemons of its own, started when something needs them. */
  connect(options: ConnectOptions): Promise<void>;
  status(): HostNetworkStatus & { readonly drift?: Drift & { readonly restarts: number } };
  close(): Promise<void>;
}

export async function createNetworks(options: NetworksOptions): Promise<Networks> {
  const core = new NetworkCore(options);
  declareQuotas(core);
  let backend: Backend | undefined;
  let handler: MetadataHandler | undefined;
  const up = new UpWatch();
  return {
    service: networkService(core, options.authenticate),
    servers: serverPorts(core, up),
    hosts: {
      get: (name) => backend?.host(name),
      names: () => backend?.hostNames ?? [],
      expectOthers: async (uplink) => await backend?.expectOthers(uplink),
      join: (host) => backend?.join(new RemoteHost(host)) ?? (() => undefined),
      southAs: async (chassis) => {
        if (backend !== undefined) return await backend.southAs(chassis);
        throw new Failure('unreachable', 'no-network', 'This cloud carries no networks');
      },
    },
    metadata: {
      serve: (given) => {
        handler = given;
        if (backend !== undefined) backend.handler = given;
      },
      answer: async ({ networkId, address, host }, request, response) => {
        const who = await whoIs(core, networkId, address, host);
        if (who === undefined) response.writeHead(404).end('404 Not Found\n');
        else if (handler === undefined) response.writeHead(503).end('No metadata service yet\n');
        else handler(request, response, who);
      },
    },
    ensurePublic: (projectId, range) => ensurePublic(core, projectId, range),
    publicLeg: () => publicLeg(core),
    connect: async ({ net, folder, hosts, prepare }) => {
      const { clock, log } = core;
      backend = new Backend({ core, net, clock, log, folder, hosts, prepare, up });
      backend.handler = handler;
      await backend.open();
    },
    status: () => {
      const drift = backend?.drift;
      return {
        ...(backend?.status() ?? { state: 'off' as const }),
        ...(drift === undefined ? {} : { drift }),
      };
    },
    close: async () => await backend?.close(),
  };
}
