/** The end that asks, over a connection whose other end serves calls. */
import * as http2 from 'node:http2';
import type { Duplex, Writable } from 'node:stream';
import { Failure, messageOf } from '#common';
import { bodyOf } from './body.ts';
import { failureOf, jsonFrame, kinds, parsed, readFrames } from './frames.ts';
import { alive, type Heartbeat, sessionSettings, windowBytes } from './session.ts';

export interface AskOptions {
  readonly signal?: AbortSignal;
  readonly news?: (news: unknown) => void;
  /** Where the bytes go that come before the answer; it is ended when the answer is there. */
  readonly to?: Writable;
}

export class Asking {
  private readonly session: http2.ClientHttp2Session;
  /** Resolves when the connection is gone. */
  readonly ended: Promise<void>;

  constructor(socket: Duplex, options: Heartbeat) {
    this.session = http2.connect('http://host', {
      createConnection: () => socket,
      settings: sessionSettings,
    });
    this.session.once('connect', () => this.session.setLocalWindowSize(windowBytes));
    this.ended = alive(this.session, options);
  }

  async call(name: string, args: unknown, options: AskOptions = {}): Promise<unknown> {
    const stream = this.begin(name, args, options.signal);
    stream.end();
    try {
      for await (const frame of readFrames(stream)) {
        if (frame.kind === kinds.answer) {
          options.to?.end();
          return parsed(frame.payload);
        }
        if (frame.kind === kinds.failure) throw failureOf(frame.payload);
        if (frame.kind === kinds.news) options.news?.(parsed(frame.payload));
        else if (frame.kind === kinds.bytes && options.to !== undefined)
          await written(options.to, frame.payload);
        else throw new Failure('bug', 'unexpected-frame', `An unexpected frame from ${name}`);
      }
      throw gone();
    } catch (error) {
      throw this.failure(error, options.signal);
    } finally {
      stream.close();
    }
  }

  /** A call whose answer is followed by bytes both ways. */
  async open(name: string, args: unknown): Promise<Duplex> {
    const stream = this.begin(name, args, undefined);
    const frames = readFrames(stream);
    try {
      const { value: first } = await frames.next();
      if (first === undefined) throw gone();
      if (first.kind === kinds.failure) throw failureOf(first.payload);
      if (first.kind !== kinds.answer)
        throw new Failure('bug', 'unexpected-frame', `An unexpected frame from ${name}`);
    } catch (error) {
      stream.close();
      throw this.failure(error, undefined);
    }
    return bodyOf({
      frames,
      send: (frame, done) => {
        stream.write(frame, done);
      },
      end: (done) => stream.end(done),
      drop: (error) => stream.close(error === null ? undefined : http2.constants.NGHTTP2_CANCEL),
      other: (frame) => (frame.kind === kinds.failure ? failureOf(frame.payload) : 'more'),
    });
  }

  private begin(name: string, args: unknown, signal: AbortSignal | undefined) {
    if (this.session.destroyed || this.session.closed) throw gone();
    const stream = this.session.request(
      { ':method': 'POST', ':path': `/${name}` },
      { endStream: false, ...(signal === undefined ? {} : { signal }) },
    );
    stream.on('error', () => stream.destroy());
    stream.write(jsonFrame(kinds.arguments, args));
    return stream;
  }

  /** What the connection says of its end is not of interest: the other end is out of reach. */
  private failure(error: unknown, signal: AbortSignal | undefined): unknown {
    if (signal?.aborted === true && signal.reason !== undefined) return signal.reason;
    if (error instanceof Failure) return error;
    return gone(error);
  }

  close(): void {
    this.session.destroy();
  }
}

function gone(cause?: unknown): Failure {
  const why = cause === undefined ? '' : `: ${messageOf(cause)}`;
  return new Failure('unreachable', 'host-unreachable', `The host cannot be reached${why}`, {
    cause,
  });
}

function written(to: Writable, chunk: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    to.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}
