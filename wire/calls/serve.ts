/**
 * The end that is asked: HTTP/2 over a connection that it may have made itself, a stream a call. So a process behind any wall connects to
 * the controller, and the controller asks.
 */
import * as http2 from 'node:http2';
import type { Duplex } from 'node:stream';
import { Failure, type Logger, messageOf } from '#common';
import { bodyOf } from './body.ts';
import { failureFrame, jsonFrame, kinds, parsed, readFrames } from './frames.ts';
import { alive, type Heartbeat, sessionSettings, windowBytes } from './session.ts';

export interface CallContext {
  /** Aborted when the asker lets go. */
  readonly signal: AbortSignal;
  /** Sent before the answer. */
  tell(news: unknown): void;
  /** What the asker sends, and what it is sent. */
  readonly body: Duplex;
  /** Answers now; from here on the body alone goes on until the handler is done. */
  accept(answer: unknown): void;
}

export type CallHandler = (args: unknown, context: CallContext) => Promise<unknown>;

export interface Serving {
  /** Resolves when the connection is gone. */
  readonly ended: Promise<void>;
  close(): void;
}

export function serveCalls(
  socket: Duplex,
  handlers: Readonly<Record<string, CallHandler>>,
  options: Heartbeat & { readonly log: Logger },
): Serving {
  const session = http2.performServerHandshake(socket, { settings: sessionSettings });
  session.setLocalWindowSize(windowBytes);
  const ended = alive(session, options);
  session.on('stream', (stream, headers) => {
    const name = String(headers[':path']).slice(1);
    const handler = Object.hasOwn(handlers, name) ? handlers[name] : undefined;
    answer(stream, name, handler).catch((error: unknown) =>
      options.log.warn({ err: error, call: name }, `call: ${messageOf(error)}`),
    );
  });
  return { ended, close: () => session.destroy() };
}

async function answer(
  stream: http2.ServerHttp2Stream,
  name: string,
  handler: CallHandler | undefined,
): Promise<void> {
  const leave = new AbortController();
  stream.once('close', () => leave.abort());
  // Who lets go of a stream is told by its closing.
  stream.on('error', () => leave.abort());
  stream.respond({ ':status': 200 });
  const say = (frame: Buffer) => {
    if (!stream.destroyed && !stream.writableEnded) stream.write(frame);
  };
  let accepted = false;
  try {
    if (handler === undefined)
      throw new Failure('invalid', 'no-such-call', `There is no call ${name}`);
    const frames = readFrames(stream);
    const { value: first } = await frames.next();
    if (first?.kind !== kinds.arguments)
      throw new Failure('invalid', 'no-arguments', 'A call begins with its arguments');
    const body = bodyOf({
      frames,
      send: (frame, done) => {
        stream.write(frame, done);
      },
      end: (done) => done(),
      drop: (error) => {
        if (error !== null) stream.close(http2.constants.NGHTTP2_CANCEL);
      },
      other: () => new Failure('invalid', 'unexpected-frame', 'Only bytes follow the arguments'),
    });
    // Whether anybody listens is the handler's business.
    body.on('error', () => leave.abort());
    const result = await handler(parsed(first.payload), {
      signal: leave.signal,
      tell: (news) => say(jsonFrame(kinds.news, news)),
      body,
      accept: (result) => {
        accepted = true;
        say(jsonFrame(kinds.answer, result));
      },
    });
    if (!accepted) say(jsonFrame(kinds.answer, result));
    stream.end();
  } catch (error) {
    say(failureFrame(error));
    stream.end();
  }
}
