/** Sends a reply: headers and body in one write where the body is at hand; a stream as fast as the client takes it. */
import { Buffer } from 'node:buffer';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Clock, Failure, giveBack } from '#common';
import type { Reply } from './exchange.ts';
import type { RequestBody } from './request-body.ts';

export interface SendOptions {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body: RequestBody;
  readonly clock: Clock;
  readonly idleMs: number;
}

/** What is left of a body that is this small is read and dropped; beyond it the connection ends. */
const drainBytesMax = 262_144;
/** How long a client that is still sending is listened to: at most so long without a byte, and so long at all. */
const lingerIdleMs = 2_000;
const lingerMs = 10_000;

/** Returns how many body bytes were sent. Throws when the client left or paused for too long, or the stream broke. */
export async function sendReply(options: SendOptions, reply: Reply): Promise<number> {
  const { response, request, body } = options;
  if (response.destroyed) return 0;
  const unread = !body.isDone && (body.length ?? drainBytesMax + 1) > drainBytesMax;
  if (unread) response.setHeader('connection', 'close');
  const content = reply.body ?? '';
  if (typeof content === 'string' || Buffer.isBuffer(content)) {
    const bytes = typeof content === 'string' ? Buffer.byteLength(content) : content.length;
    const plain = hasLength(reply) || isBodiless(reply.status);
    response.writeHead(
      reply.status,
      plain ? { ...reply.headers } : { ...reply.headers, 'Content-Length': bytes },
    );
    const sends = request.method !== 'HEAD' && bytes > 0;
    if (unread) await linger(options, sends ? content : '');
    else if (sends) response.end(content);
    else response.end();
    return sends ? bytes : 0;
  }
  response.writeHead(reply.status, { ...reply.headers });
  if (request.method === 'HEAD') {
    response.end();
    return 0;
  }
  return await sendStream(options, content);
}

function hasLength({ headers }: Reply): boolean {
  return headers['Content-Length'] !== undefined || headers['content-length'] !== undefined;
}

function isBodiless(status: number): boolean {
  return status === 204 || status === 304 || status < 200;
}

async function sendStream(options: SendOptions, content: AsyncIterable<Buffer>): Promise<number> {
  const { response } = options;
  let sent = 0;
  try {
    for await (const chunk of content) {
      if (response.destroyed) throw clientGone();
      sent += chunk.length;
      // Only when the system has taken all of it; after an error somebody may still be reading.
      const done = (error?: Error | null) => {
        if (error === undefined || error === null) giveBack(chunk);
      };
      if (!response.write(chunk, done)) await drained(options);
    }
  } catch (error) {
    // The head is out: the only way left to say that the body is not whole is to cut it short.
    response.destroy();
    throw error;
  }
  response.end();
  return sent;
}

function clientGone(): Failure {
  return new Failure('closed', 'client-gone', 'The client left before the answer was sent');
}

/** Waits until the client has taken what was written. */
function drained(options: SendOptions): Promise<void> {
  const { response, clock, idleMs } = options;
  return new Promise((resolve, reject) => {
    const settle = (failure?: Failure) => {
      timer.cancel();
      response.off('drain', onDrain);
      response.off('close', onClose);
      if (failure === undefined) resolve();
      else reject(failure);
    };
    const onDrain = () => settle();
    const onClose = () => settle(clientGone());
    const timer = clock.after(idleMs, () => {
      settle(
        new Failure('closed', 'client-slow', 'The client takes nothing', { facts: { idleMs } }),
      );
    });
    response.on('drain', onDrain);
    response.on('close', onClose);
    if (response.destroyed) onClose();
  });
}

/**
 * Answers while the client is still sending: closing at once would reset the connection and lose the answer with it. So the answer goes
 * out, what still arrives is dropped for a moment, and then the connection ends.
 */
async function linger(options: SendOptions, content: string | Buffer): Promise<void> {
  const { request, response, clock, body } = options;
  if (content.length > 0) response.write(content);
  else response.flushHeaders();
  body.abandon();
  let heardMs = clock.monotonicMs();
  request.on('data', () => {
    heardMs = clock.monotonicMs();
  });
  const endMs = heardMs + lingerMs;
  await new Promise<void>((resolve) => {
    const look = () => {
      const nowMs = clock.monotonicMs();
      const leftMs = Math.min(heardMs + lingerIdleMs, endMs) - nowMs;
      if (leftMs > 0) timer = clock.after(leftMs, look);
      else resolve();
    };
    let timer = clock.after(lingerIdleMs, look);
    const over = () => {
      timer.cancel();
      resolve();
    };
    request.once('end', over);
    request.once('close', over);
    request.once('error', over);
  });
  response.end();
}
