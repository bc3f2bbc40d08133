/** The way to one node: a stream that is made anew, with growing rests, whenever it breaks. */
import * as grpc from '@grpc/grpc-js';
import { type Address, type Clock, Failure, type Logger, messageOf, type Random } from '#common';
import { exchangePath, messageBytesMax } from '../codec/frames.ts';
import type { DeviceService } from '../device-service.ts';
import type { WireSettings } from '../settings.ts';
import { clientCredentials, nodeServerName, type Tls } from '../tls.ts';
import { Exchange } from './exchange.ts';
import { RemoteDevice } from './remote-device.ts';

export interface NodeClientParts {
  readonly address: Address;
  readonly tls: Tls;
  /** Both ends must name the same cluster. */
  readonly cluster: string;
  /** Who calls, for the node's logs. */
  readonly client: string;
  readonly settings: WireSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface NodeClient {
  /** A device of the node, by its number in the ring. */
  device(device: number): DeviceService;
  /** The devices the node said it serves; empty until it was reached. */
  readonly devices: readonly number[];
  readonly connected: boolean;
  close(): Promise<void>;
}

/** Starts connecting at once; calls made before the node is reached wait for it, within their deadline. */
export function connectNode(parts: NodeClientParts): NodeClient {
  return new Connection(parts);
}

class Connection implements NodeClient {
  devices: readonly number[] = [];
  connected = false;
  private readonly parts: NodeClientParts;
  private exchange: Exchange | undefined;
  private client: grpc.Client | undefined;
  private lastFailure: Failure | undefined;
  private attempts = 0;
  private closed = false;

  constructor(parts: NodeClientParts) {
    this.parts = parts;
    this.connect();
  }

  device(device: number): DeviceService {
    return new RemoteDevice(device, () => this.current(), this.parts.settings);
  }

  async close(): Promise<void> {
    this.closed = true;
    this.exchange?.close();
  }

  private current(): Exchange {
    if (this.exchange?.usable === true) return this.exchange;
    if (this.closed) throw new Failure('closed', 'connection-closed', 'The connection was closed');
    throw new Failure('unreachable', 'node-unreachable', 'This node is out of reach', {
      facts: { said: messageOf(this.lastFailure) },
      cause: this.lastFailure,
    });
  }

  private connect(): void {
    const { tls, settings, log } = this.parts;
    const client = new grpc.Client(targetOf(this.parts.address), clientCredentials(tls), {
      ...channelOptions(settings),
      ...(tls === 'plaintext' ? {} : { 'grpc.ssl_target_name_override': nodeServerName }),
    });
    this.client = client;
    const call = client.makeBidiStreamRequest<Buffer, Buffer>(exchangePath, same, same);
    this.exchange = new Exchange({
      call,
      cluster: this.parts.cluster,
      client: this.parts.client,
      clock: this.parts.clock,
      settings,
      onWelcome: (greeting) => {
        this.devices = greeting.devices;
        this.connected = true;
        this.attempts = 0;
        log.debug({ devices: greeting.devices }, 'connected to a node');
      },
      onLost: (failure) => this.lost(failure),
    });
  }

  private lost(failure: Failure): void {
    this.lastFailure = failure;
    this.connected = false;
    this.client?.close();
    if (this.closed) return;
    const { settings, clock, random, log } = this.parts;
    const mostMs = Math.min(settings.reconnectMsMax, settings.reconnectMs * 2 ** this.attempts);
    this.attempts = Math.min(this.attempts + 1, 30);
    if (this.attempts === 1) log.warn({ err: failure }, 'lost the connection to a node');
    clock.after(mostMs * (0.5 + random.unit() / 2), () => {
      if (!this.closed) this.connect();
    });
  }
}

const same = (bytes: Buffer): Buffer => bytes;

function targetOf(address: Address): string {
  if ('path' in address) return `unix:${address.path}`;
  return address.host.includes(':')
    ? `ipv6:[${address.host}]:${address.port}`
    : `dns:${address.host}:${address.port}`;
}

function channelOptions(settings: WireSettings): grpc.ChannelOptions {
  return {
    'grpc-node.flow_control_window': settings.flowWindowBytes,
    'grpc.max_receive_message_length': messageBytesMax,
    'grpc.max_send_message_length': messageBytesMax,
    'grpc.keepalive_time_ms': settings.keepaliveMs,
    'grpc.keepalive_timeout_ms': settings.keepaliveMs,
    'grpc.enable_retries': 0,
    'grpc.enable_http_proxy': 0,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.service_config_disable_resolution': 1,
  };
}
