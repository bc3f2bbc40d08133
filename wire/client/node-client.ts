/** The way to one node: a connection that is made anew, with growing rests, whenever it breaks. */
import { type Address, type Clock, Failure, type Logger, messageOf, type Random } from '#common';
import type { DeviceService } from '../device-service.ts';
import { dialGrpc } from '../grpc/grpc-links.ts';
import type { Link } from '../link.ts';
import type { WireSettings } from '../settings.ts';
import { dialSocket } from '../socket/dial.ts';
import type { SharedSecret, Tls } from '../tls.ts';
import { Exchange } from './exchange.ts';
import { RemoteDevice } from './remote-device.ts';

export interface NodeClientParts {
  readonly address: Address;
  readonly tls: Tls;
  /** A unix socket of the node, if it should run on this machine: each attempt begins there. */
  readonly nearby?: Nearby;
  /** Both ends must name the same cluster. */
  readonly cluster: string;
  /** Who calls, for the node's logs. */
  readonly client: string;
  /** The ring that requests go by at first; zero when left out. */
  readonly ringEpoch?: number;
  readonly settings: WireSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface Nearby {
  readonly address: { readonly path: string };
  readonly tls: SharedSecret;
}

export interface NodeClient {
  /** A device of the node, by its number in the ring. */
  device(device: number): DeviceService;
  /** The devices the node said it serves; empty until it was reached. */
  readonly devices: readonly number[];
  readonly connected: boolean;
  /** Requests from here on go by this ring; nothing that began by an earlier one is under way. */
  announce(ringEpoch: number): void;
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
  private lastFailure: Failure | undefined;
  private speaksEpochs = false;
  private attempts = 0;
  private near: boolean;
  private closed = false;
  private ringEpoch: number;

  constructor(parts: NodeClientParts) {
    this.parts = parts;
    this.near = parts.nearby !== undefined;
    this.ringEpoch = parts.ringEpoch ?? 0;
    this.connect();
  }

  device(device: number): DeviceService {
    return new RemoteDevice(device, () => this.current(), this.parts.settings);
  }

  announce(ringEpoch: number): void {
    this.ringEpoch = ringEpoch;
    // A node of before rings had epochs would end the connection over a second greeting.
    if (this.connected && this.speaksEpochs) this.exchange?.announce(ringEpoch);
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
    const { settings, log } = this.parts;
    this.exchange = new Exchange({
      link: this.dial(),
      cluster: this.parts.cluster,
      client: this.parts.client,
      ringEpoch: this.ringEpoch,
      clock: this.parts.clock,
      settings,
      onWelcome: (greeting) => {
        this.devices = greeting.devices;
        this.speaksEpochs = greeting.ringEpoch > 0;
        this.connected = true;
        this.attempts = 0;
        log.debug({ devices: greeting.devices }, 'connected to a node');
      },
      onLost: (failure) => this.lost(failure),
    });
  }

  private dial(): Link {
    if (this.parts.settings.transport === 'grpc') return dialGrpc(this.parts);
    const { nearby } = this.parts;
    return dialSocket(this.near && nearby ? { ...this.parts, ...nearby } : this.parts);
  }

  private lost(failure: Failure): void {
    this.lastFailure = failure;
    const unreached = !this.connected;
    this.connected = false;
    if (this.near && unreached && !this.closed) {
      // Not on this machine, it seems: the other way, at once.
      this.near = false;
      this.connect();
      return;
    }
    this.near = this.parts.nearby !== undefined;
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
