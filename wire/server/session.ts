/**
 * One client's stream on the serving side. Frames are taken up in order; replies leave when they are ready, all of one turn in
 * one message. When too much is in flight or the client does not read its replies, the stream is not read any further,
 * and HTTP/2 holds the client back.
 *
 * What cannot be understood ends this stream with a status that says why, and nothing else.
 */
import {
  type Clock,
  Failure,
  giveBack,
  isFailure,
  type Logger,
  messageOf,
  type Timer,
} from '#common';
import { badMessage } from '../codec/decoder.ts';
import type { Encoder } from '../codec/encoder.ts';
import { type Frame, frameKind, protocolVersion, readFrames } from '../codec/frames.ts';
import { type Greeting, readGreeting, writeFailed, writeWelcome } from '../codec/replies.ts';
import type { DeviceService } from '../device-service.ts';
import { lentBytesMin } from '../lent-view.ts';
import type { Link } from '../link.ts';
import { Outbox } from '../outbox.ts';
import type { WireSettings } from '../settings.ts';
import { OpenWriters } from './open-writers.ts';
import { answer, type Reply } from './requests.ts';

/** The ring that this node knows, and the oldest that its clients may go by. Zero where nobody tells. */
export interface RingEpochs {
  readonly current: number;
  readonly least: number;
}

export interface SessionParts {
  readonly link: Link;
  readonly cluster: string;
  readonly ringEpochs: RingEpochs;
  readonly devices: ReadonlyMap<number, DeviceService>;
  readonly settings: WireSettings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onEnd: (session: Session) => void;
}

const fewInFlight = 2;

export class Session {
  private readonly parts: SessionParts;
  private readonly outbox: Outbox;
  private readonly writers: OpenWriters;
  private readonly cancelled = new Set<number>();
  /** What is being worked on, and the bytes that each request came with. */
  private readonly ids = new Map<number, number>();
  private heldBytes = 0;
  private readonly handshake: Timer;
  private greeted = false;
  private ringEpoch = 0;
  private ended = false;
  private paused = false;

  constructor(parts: SessionParts) {
    const { link, settings, clock } = parts;
    this.parts = parts;
    this.writers = new OpenWriters(settings.blobWritersMax);
    this.outbox = new Outbox({
      link,
      batchBytesMax: settings.batchBytesMax,
      busy: () => this.ids.size > fewInFlight,
      drained: () => this.pace(),
    });
    this.handshake = clock.after(settings.handshakeMs, () =>
      this.refuse(new Failure('unreachable', 'deadline-passed', 'No greeting came')),
    );
    link.start({
      message: (message) => this.receive(message),
      ended: (why) => {
        if (!this.greeted)
          parts.log.warn({ err: why, peer: link.peer }, 'a connection ended before its greeting');
        this.finish();
      },
    });
  }

  get inFlight(): number {
    return this.ids.size;
  }

  /** Ends the stream of one that goes by a ring older than may be. */
  endStale(): void {
    if (this.greeted && this.isStale) this.refuse(this.staleness());
  }

  private get isStale(): boolean {
    return this.ringEpoch < this.parts.ringEpochs.least;
  }

  private staleness(): Failure {
    const facts = { epoch: this.ringEpoch, least: this.parts.ringEpochs.least };
    return new Failure('denied', 'stale-ring', 'The ring has changed since', { facts });
  }

  /** Ends the stream from this side. */
  end(): void {
    if (this.ended) return;
    this.finish();
    this.parts.link.end();
  }

  private receive(message: Buffer): void {
    if (this.ended) return;
    try {
      readFrames(message, (frame) => this.takeFrame(frame));
    } catch (error) {
      this.refuse(isFailure(error) ? error : badMessage(messageOf(error)));
    }
    this.pace();
  }

  private takeFrame(frame: Frame): void {
    if (this.ended) return;
    if (!this.greeted) {
      this.takeHello(frame);
      return;
    }
    if (frame.id === 0 && frame.kind === frameKind.hello) {
      // Goes by another ring from here on.
      this.ringEpoch = readGreeting(frame.kind, frame.content).ringEpoch;
      return;
    }
    if (frame.kind === frameKind.cancel) {
      if (this.ids.has(frame.id)) this.cancelled.add(frame.id);
      return;
    }
    if (frame.id === 0 || this.ids.has(frame.id))
      throw new Failure('invalid', 'bad-message', 'A request number is used twice');
    const { length } = frame.content;
    this.ids.set(frame.id, length);
    this.heldBytes += length;
    this.start(frame, this.answer(frame));
  }

  private takeHello({ kind, content }: Frame): void {
    if (kind !== frameKind.hello)
      throw new Failure('invalid', 'bad-message', 'The stream does not begin with a greeting');
    const { cluster } = this.parts;
    const hello = readGreeting(kind, content);
    const mismatch = mismatchOf(hello, cluster);
    if (mismatch !== undefined) {
      this.refuse(new Failure('denied', 'wrong-cluster', mismatch));
      return;
    }
    this.ringEpoch = hello.ringEpoch;
    if (this.isStale) {
      this.refuse(this.staleness());
      return;
    }
    this.greeted = true;
    this.handshake.cancel();
    const devices = [...this.parts.devices.keys()];
    const welcome = {
      protocol: protocolVersion,
      cluster,
      client: '',
      devices,
      ringEpoch: this.parts.ringEpochs.current,
    };
    this.outbox.send(0, 0, (to) => writeWelcome(to, welcome));
  }

  private deviceOf(frame: Frame): DeviceService | undefined {
    return this.parts.devices.get(frame.device);
  }

  private answer(frame: Frame): Promise<Reply> {
    const buffers = frame.alone ? this.parts.link.buffers : undefined;
    return answer({ frame, device: this.deviceOf(frame), writers: this.writers, buffers });
  }

  private start(frame: Frame, work: Promise<Reply>): void {
    work.then(
      (reply) => this.reply(frame.id, reply),
      (error: unknown) => {
        if (!(error instanceof Failure))
          this.parts.log.error({ err: error, kind: frame.kind }, 'a device request went wrong');
        this.reply(frame.id, (to) => writeFailed(to, error));
      },
    );
  }

  private reply(id: number, reply: Reply): void {
    this.heldBytes -= this.ids.get(id) ?? 0;
    this.ids.delete(id);
    const unwanted = this.cancelled.delete(id);
    if (!this.ended && !unwanted) this.sendReply(id, reply);
    this.pace();
  }

  private sendReply(id: number, reply: Reply): void {
    try {
      if (typeof reply === 'function') this.outbox.send(id, 0, reply);
      else this.sendParts(id, reply.data);
    } catch (error) {
      this.parts.log.error({ err: error }, 'a reply could not be written');
      this.outbox.send(id, 0, (to) => writeFailed(to, error));
    }
  }

  private sendParts(id: number, data: Buffer): void {
    const partBytes = this.parts.link.partBytesMax;
    let at = 0;
    do {
      const whole = data.length <= partBytes;
      const part = whole ? data : data.subarray(at, at + partBytes);
      at += part.length;
      const more = at < data.length;
      const write = (to: Encoder) => {
        const start = to.begin(frameKind.blobPart);
        to.bytes(1, part);
        to.bool(2, more);
        to.end(start);
      };
      // Alone in its message, so that the receiver can use the message's memory again.
      if (part.length < lentBytesMin) this.outbox.send(id, 0, write);
      else this.outbox.sendAlone(id, 0, write, () => giveBack(part));
    } while (at < data.length);
  }

  /** Reads on, or stops reading, as the amount in flight allows. */
  private pace(): void {
    if (this.ended) return;
    const { inFlightMax, pendingBytesMax } = this.parts.settings;
    const heldBytes = Math.max(this.heldBytes, this.outbox.pendingBytes);
    const full = this.ids.size >= inFlightMax || heldBytes >= pendingBytesMax;
    if (full === this.paused) return;
    this.paused = full;
    if (full) this.parts.link.pause();
    else this.parts.link.resume();
  }

  private refuse(why: Failure): void {
    if (this.ended) return;
    const { link, log } = this.parts;
    log.warn({ peer: link.peer, err: why }, 'refused a connection');
    this.finish();
    link.refuse(why);
  }

  private finish(): void {
    if (this.ended) return;
    this.ended = true;
    this.handshake.cancel();
    this.outbox.close();
    this.writers.abortAll().catch((error: unknown) => {
      this.parts.log.error({ err: error }, 'a blob could not be called off');
    });
    this.parts.onEnd(this);
  }
}

function mismatchOf(hello: Greeting, cluster: string): string | undefined {
  if (hello.protocol !== protocolVersion)
    return `This node speaks protocol ${protocolVersion}, not ${hello.protocol}`;
  return hello.cluster === cluster ? undefined : 'This node is of another cluster';
}
