/** One request and its answer, as the pipeline hands them to its stages and dialects. */
import type { IncomingHttpHeaders } from 'node:http';

/** The body of a request, taken off the wire as it is wanted. */
export interface ExchangeBody extends AsyncIterable<Buffer> {
  /** What `Content-Length` says; undefined for a chunked body. */
  readonly length: number | undefined;
  /** Whether all of it was taken. */
  readonly isDone: boolean;
  /** The whole body, when it is at most `maxBytes`; `body-too-large` otherwise. */
  whole(maxBytes: number): Promise<Buffer>;
  /** Header lines after a chunked body, once it has ended: name, value, …; none when there were none. */
  readonly trailers?: readonly string[];
}

export interface Exchange {
  readonly method: string;
  /** As it came over the wire: nothing decoded. */
  readonly url: string;
  /** What stood before `url` in the request line, where one address serves several APIs: `/s3`. */
  readonly prefix?: string;
  /** Lower-case names; values as bytes (latin1). */
  readonly headers: IncomingHttpHeaders;
  /** Name, value, name, value …, as they came. */
  readonly rawHeaders: readonly string[];
  readonly body: ExchangeBody;
  /** `tx…`, on every answer and in every log line. */
  readonly transactionId: string;
  readonly startedMs: number;
  /** The other end of the connection. */
  readonly peer?: { readonly remoteAddress?: string | undefined };
  /** Came over TLS. */
  readonly secure: boolean;
  /** For the log: who it was, once that is known. */
  account?: string;
  /** For the log: what went wrong. */
  failure?: unknown;
}

export type ReplyHeaders = Readonly<Record<string, string | number>>;

export interface Reply {
  readonly status: number;
  /** Values hold bytes (latin1); `content-length` is set for strings and buffers when it is absent. */
  readonly headers: ReplyHeaders;
  /** A stream's length must be in `content-length`. */
  readonly body?: string | Buffer | AsyncIterable<Buffer>;
}

/** A dialect, or any part of the pipeline in front of one. Never throws once the failure stage is in front of it. */
export type Handler = (exchange: Exchange) => Promise<Reply>;

/** One step of the pipeline: does its part, or hands on to `next`. */
export type Stage = (exchange: Exchange, next: Handler) => Promise<Reply>;
