/**
 * One stream to a node, from greeting to loss: requests out, replies in. When it ends, for whatever reason, every request in
 * flight fails `unreachable` connection-lost, and its caller cannot know whether it was done.
 */
import { type Clock, Failure, type LentBuffers, type Timer } from '#common';
import type { Decoder } from '../codec/decoder.ts';
import type { Encoder } from '../codec/encoder.ts';
import { type Frame, frameKind, protocolVersion, readFrames, writeEmpty } from '../codec/frames.ts';
import { type Greeting, readFailed, readGreeting, writeHello } from '../codec/replies.ts';
import type { Link } from '../link.ts';
import { Outbox } from '../outbox.ts';
import type { WireSettings } from '../settings.ts';

/** Takes one reply; true when the request is answered, false when more parts follow. */
export type TakeReply = (kind: number, content: Decoder, memory: ReplyMemory) => boolean;

/** Whose the memory under a reply is: when `buffers` is there, nothing else lies in it, and it may be lent on. */
export interface ReplyMemory {
  readonly buffers: LentBuffers | undefined;
}

export interface ExchangeParts {
  readonly link: Link;
  readonly cluster: string;
  readonly client: string;
  readonly ringEpoch: number;
  readonly clock: Clock;
  readonly settings: WireSettings;
  readonly onWelcome: (greeting: Greeting) => void;
  readonly onLost: (failure: Failure) => void;
}

interface Pending {
  readonly take: TakeReply;
  readonly fail: (error: unknown) => void;
  readonly dueMs: number;
}

const shared: ReplyMemory = { buffers: undefined };
const sweepsPerTimeout = 16;
const fewInFlight = 2;

export class Exchange {
  private readonly parts: ExchangeParts;
  private readonly outbox: Outbox;
  // In the order of sending, and all with the same timeout: the first is always the next that is due.
  private readonly pending = new Map<number, Pending>();
  private nextId = 1;
  private lost: Failure | undefined;
  private welcomed = false;
  private sweeper: Timer | undefined;
  private readonly handshake: Timer;
  private readonly lendable: ReplyMemory;

  constructor(parts: ExchangeParts) {
    const { link, clock, settings } = parts;
    this.parts = parts;
    this.lendable = { buffers: link.buffers };
    this.outbox = new Outbox({
      link,
      batchBytesMax: settings.batchBytesMax,
      busy: () => this.pending.size > fewInFlight,
      drained: () => undefined,
    });
    link.start({
      message: (message) => this.receive(message),
      ended: (why) => {
        const said =
          why === undefined ? 'A node ended the connection' : 'The connection to a node broke';
        this.lose(said, why);
      },
    });
    this.handshake = clock.after(settings.handshakeMs, () => this.lose('A node did not greet'));
    this.greet();
  }

  /** Whether requests can still be sent. */
  get usable(): boolean {
    return this.lost === undefined;
  }

  /** Sends a request, on demand in a message of its own; returns its id. Throws when it cannot be sent, and then nothing was. */
  request(
    device: number,
    write: (to: Encoder) => void,
    take: TakeReply,
    fail: (error: unknown) => void,
    alone = false,
  ): number {
    this.checkRoom();
    const id = this.takeId();
    if (alone) this.outbox.sendAlone(id, device, write);
    else this.outbox.send(id, device, write);
    const dueMs = this.parts.clock.monotonicMs() + this.parts.settings.callTimeoutMs;
    this.pending.set(id, { take, fail, dueMs });
    this.sweeper ??= this.sweepLater();
    return id;
  }

  close(): void {
    this.lose('The connection was closed');
  }

  private greet(): void {
    this.announce(this.parts.ringEpoch);
  }

  /** From here on requests go by this ring. */
  announce(ringEpoch: number): void {
    if (this.lost !== undefined) return;
    const { cluster, client } = this.parts;
    const greeting = { protocol: protocolVersion, cluster, client, devices: [], ringEpoch };
    this.outbox.send(0, 0, (to) => writeHello(to, greeting));
  }

  private checkRoom(): void {
    if (this.lost !== undefined) throw this.lost;
    const { inFlightMax, pendingBytesMax } = this.parts.settings;
    if (this.pending.size < inFlightMax && this.outbox.pendingBytes < pendingBytesMax) return;
    throw new Failure('busy', 'too-many-waiting', 'Too much waits for this node already', {
      facts: { inFlight: this.pending.size, bytes: this.outbox.pendingBytes },
    });
  }

  private takeId(): number {
    do {
      this.nextId = this.nextId >= 2 ** 32 - 1 ? 1 : this.nextId + 1;
    } while (this.pending.has(this.nextId));
    return this.nextId;
  }

  private receive(message: Buffer): void {
    try {
      readFrames(message, (frame) => this.takeFrame(frame));
    } catch (error) {
      this.lose('A node sent what cannot be read', error);
    }
  }

  private takeFrame({ id, kind, content, alone }: Frame): void {
    if (id === 0 && kind === frameKind.failed) {
      this.lose('A node refused the connection', readFailed(content));
      return;
    }
    if (!this.welcomed) {
      this.takeWelcome(kind, content);
      return;
    }
    const pending = this.pending.get(id);
    // Answered too late: its caller was told so.
    if (pending === undefined) return;
    if (kind === frameKind.failed) {
      this.pending.delete(id);
      pending.fail(readFailed(content));
    } else if (pending.take(kind, content, alone ? this.lendable : shared)) this.pending.delete(id);
  }

  private takeWelcome(kind: number, content: Decoder): void {
    if (kind !== frameKind.welcome)
      throw new Failure('invalid', 'bad-message', 'A node did not greet first');
    const greeting = readGreeting(kind, content);
    if (greeting.protocol !== protocolVersion || greeting.cluster !== this.parts.cluster)
      throw new Failure('denied', 'wrong-cluster', 'A node belongs to another cluster or version', {
        facts: { protocol: greeting.protocol, cluster: greeting.cluster },
      });
    this.welcomed = true;
    this.handshake.cancel();
    this.parts.onWelcome(greeting);
  }

  private sweepLater(): Timer {
    const restMs = this.parts.settings.callTimeoutMs / sweepsPerTimeout;
    return this.parts.clock.after(restMs, () => {
      this.sweep();
      this.sweeper = this.pending.size > 0 ? this.sweepLater() : undefined;
    });
  }

  private sweep(): void {
    const nowMs = this.parts.clock.monotonicMs();
    for (const [id, pending] of this.pending) {
      if (pending.dueMs > nowMs) return;
      this.pending.delete(id);
      this.outbox.send(id, 0, (to) => writeEmpty(to, frameKind.cancel));
      pending.fail(
        new Failure('unreachable', 'deadline-passed', 'A node did not answer in time', {
          facts: { timeoutMs: this.parts.settings.callTimeoutMs },
        }),
      );
    }
  }

  private lose(why: string, cause?: unknown): void {
    if (this.lost !== undefined) return;
    this.lost = new Failure('unreachable', 'connection-lost', why, { cause });
    this.handshake.cancel();
    this.sweeper?.cancel();
    this.outbox.close();
    this.parts.link.destroy();
    for (const { fail } of this.pending.values()) fail(this.lost);
    this.pending.clear();
    this.parts.onLost(this.lost);
  }
}
