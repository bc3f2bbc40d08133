/** Where notifications go: a webhook takes a POST, a Redis stream an entry. */
import { request } from 'undici';
import { Failure } from '#common';

export interface Target {
  /** Rejects when it was not taken. */
  send(document: string): Promise<void>;
  close(): Promise<void>;
}

const sendMs = 5_000;

/** `NAME=URL,NAME=URL`; throws for what is neither a webhook nor a stream. */
export function parseTargets(setting: string): ReadonlyMap<string, Target> {
  const targets = new Map<string, Target>();
  for (const piece of setting.split(',')) {
    if (piece === '') continue;
    const equals = piece.indexOf('=');
    const [name, url] = [piece.slice(0, equals), piece.slice(equals + 1)];
    const { protocol } = URL.canParse(url) ? new URL(url) : { protocol: '' };
    if (equals < 1 || !/^(https?|rediss?):$/.test(protocol))
      throw new Failure(
        'invalid',
        'setting-invalid',
        'A notification target is NAME=http(s)://… or NAME=redis://HOST:PORT/STREAM',
        {
          facts: { target: name },
        },
      );
    targets.set(name, protocol.startsWith('http') ? webhook(url) : stream(new URL(url)));
  }
  return targets;
}

function webhook(url: string): Target {
  return {
    send: async (document) => {
      const answer = await request(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: document,
        headersTimeout: sendMs,
        bodyTimeout: sendMs,
      });
      await answer.body.dump();
      if (answer.statusCode >= 300)
        throw new Failure(
          'unreachable',
          'webhook-refused',
          'The webhook did not take a notification',
          {
            facts: { status: answer.statusCode },
          },
        );
    },
    close: async () => undefined,
  };
}

const streamEntriesMax = 1_000_000;

/** The connection is made with the first entry, and the library loaded then. */
function stream(url: URL): Target {
  const name = decodeURIComponent(url.pathname.slice(1)) || 'pileus-notifications';
  const server = new URL(url);
  server.pathname = '';
  let client: Promise<import('ioredis').Redis> | undefined;
  const connect = async () => {
    const { Redis } = await import('ioredis');
    const options = { maxRetriesPerRequest: 1, connectTimeout: sendMs, commandTimeout: sendMs };
    const made = new Redis(server.href, options);
    // Every command tells its own failure; without a listener the library would print them.
    made.on('error', () => undefined);
    return made;
  };
  return {
    send: async (document) => {
      client ??= connect();
      const redis = await client;
      await redis.xadd(name, 'MAXLEN', '~', streamEntriesMax, '*', 'event', document);
    },
    close: async () => {
      if (client !== undefined) (await client).disconnect();
    },
  };
}
