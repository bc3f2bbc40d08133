/** Requests that a stage makes of its own on behalf of the one it was given; they go through the stages behind it. */
import { Buffer } from 'node:buffer';
import type { Exchange, ExchangeBody } from '../exchange.ts';
import { objectFailure } from '../objects/index.ts';
import type { Caller, Grant } from './access.ts';
import type { Query, SwiftPath } from './swift-path.ts';
import type { InternalRights, SwiftRequest } from './swift-request.ts';
import { titleCase } from './text.ts';

export interface SubRequest {
  readonly method: string;
  readonly path: SwiftPath;
  readonly query?: Query;
  /** Lower-case names; all that the request has. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | AsyncIterable<Buffer>;
  /** Of a streamed body, when it is known. */
  readonly length?: number;
  readonly caller?: Caller;
  readonly internal?: InternalRights;
}

const noQuery: Query = new Map();

export function subRequest(request: SwiftRequest, sub: SubRequest): SwiftRequest {
  const body = new GivenBody(sub.body ?? Buffer.alloc(0), sub.length);
  const headers: Record<string, string> = { ...sub.headers };
  delete headers['content-length'];
  delete headers['transfer-encoding'];
  if (body.length === undefined) headers['transfer-encoding'] = 'chunked';
  else headers['content-length'] = String(body.length);
  const rawHeaders = Object.entries(headers).flatMap(([name, value]) => [titleCase(name), value]);
  const exchange: Exchange = {
    ...request.exchange,
    method: sub.method,
    headers,
    rawHeaders,
    body,
  };
  return {
    exchange,
    path: sub.path,
    query: sub.query ?? noQuery,
    caller: sub.caller ?? request.caller,
    ...(sub.internal === undefined ? {} : { internal: sub.internal }),
  };
}

/** The headers of a request in one value each. */
export function headersOf({ headers }: Exchange): Record<string, string> {
  const own: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers))
    if (typeof value === 'string')
      Object.defineProperty(own, name, {
        value,
        enumerable: true,
        writable: true,
        configurable: true,
      });
  return own;
}

/** The caller with every right to the account (or one container of it), and none beyond. */
export function granted(caller: Caller, grant: Grant): Caller {
  return { ...caller, grant };
}

class GivenBody implements ExchangeBody {
  readonly length: number | undefined;
  private readonly source: AsyncIterable<Buffer>;
  private done = false;

  constructor(source: Buffer | AsyncIterable<Buffer>, length: number | undefined) {
    this.length = Buffer.isBuffer(source) ? source.length : length;
    this.source = Buffer.isBuffer(source) ? single(source) : source;
  }

  get isDone(): boolean {
    return this.done;
  }

  async whole(maxBytes: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of this) {
      bytes += chunk.length;
      if (bytes > maxBytes)
        throw objectFailure('body-too-large', 'The body is larger than this request may bring', {
          facts: { max: maxBytes },
        });
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, bytes);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Buffer> {
    yield* this.source;
    this.done = true;
  }
}

async function* single(chunk: Buffer): AsyncIterable<Buffer> {
  if (chunk.length > 0) yield chunk;
}
