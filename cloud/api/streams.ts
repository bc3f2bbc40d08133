/** Bodies that are not held in memory: how they come in, how they go out, and what bounds them. */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Clock, Failure } from '#common';

/** What a route declares as its body when it reads the bytes itself. */
export const streamBody = 'stream' as const;

/** Opened only when bytes are wanted: a HEAD, or a client that has gone, costs nothing. */
export type StreamSource = () => AsyncIterable<Uint8Array> | Promise<AsyncIterable<Uint8Array>>;

/** In this scope no body is parsed: handlers get the bytes as they come. */
export function acceptStreams(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', (_request, _payload, done) => done(null, undefined));
}

/**
 * The request's bytes. Reading pulls them from the socket, so a slow reader slows the sender; a client that goes away
 * or sends more than `bytesMax` ends the reading with a failure.
 */
export async function* bytesOf(
  request: FastifyRequest,
  limit: { readonly bytesMax: number; tooLarge(): Failure },
): AsyncGenerator<Uint8Array> {
  if (Number(request.headers['content-length'] ?? 0) > limit.bytesMax) throw limit.tooLarge();
  let received = 0;
  try {
    // Not destroyed when the reader stops early: the answer still has to go out on this connection.
    for await (const chunk of request.raw.iterator({ destroyOnReturn: false })) {
      received += chunk.length;
      if (received > limit.bytesMax) throw limit.tooLarge();
      yield chunk;
    }
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw new Failure('closed', 'client-gone', 'The client ended the request early', {
      cause: error,
    });
  }
}

/** Sends a stream with back-pressure; resolves when all of it is with the client, or the client is gone. */
export async function sendStream(reply: FastifyReply, source: StreamSource): Promise<void> {
  if (reply.request.method === 'HEAD') {
    await reply.send();
    return;
  }
  const opened = await source();
  const readable =
    opened instanceof Readable ? opened : Readable.from(opened, { objectMode: false });
  await reply.send(readable);
}

/**
 * What is left of a body that nobody will read is taken and thrown away for a while, so that a client which reads the answer
 * only after sending everything gets it; then the connection ends.
 */
export function drain(request: FastifyRequest, clock: Clock, drainMs: number): void {
  const { raw } = request;
  if (raw.complete) return;
  raw.on('error', () => raw.destroy());
  raw.resume();
  const deadline = clock.after(drainMs, () => {
    if (!raw.complete) raw.socket.destroy();
  });
  raw.once('close', () => deadline.cancel());
}
