/** One connection of a lane: sends a request, counts or collects the answer. Kept thin, as it is the hot path. */
import { Client, type Dispatcher } from 'undici';
import { Failure } from '#common';
import type { HttpRequest } from './dialect.ts';

const ANSWER_MS = 60_000;
/** The longest answer that is collected: a listing page or an object that is compared. */
const COLLECT_BYTES_MAX = 1024 ** 3;

export interface Answer {
  readonly status: number;
  readonly bytes: number;
  /** Present when it was asked for. */
  readonly body: Buffer | undefined;
}

export class Connection {
  readonly #client: Client;

  constructor(origin: string) {
    this.#client = new Client(origin, {
      pipelining: 1,
      headersTimeout: ANSWER_MS,
      bodyTimeout: ANSWER_MS,
      keepAliveTimeout: ANSWER_MS,
    });
  }

  send(request: HttpRequest, collect: boolean): Promise<Answer> {
    return new Promise((resolve, reject) => {
      let status = 0;
      let bytes = 0;
      const chunks: Buffer[] = [];
      const handler: Dispatcher.DispatchHandler = {
        onRequestStart() {},
        onResponseStart(_controller, statusCode) {
          status = statusCode;
        },
        onResponseData(controller, chunk) {
          bytes += chunk.length;
          if (!collect) return;
          if (bytes > COLLECT_BYTES_MAX) {
            controller.abort(new Failure('invalid', 'bench-answer', 'The answer is too long'));
          }
          chunks.push(chunk);
        },
        onResponseEnd() {
          resolve({ status, bytes, body: collect ? Buffer.concat(chunks) : undefined });
        },
        onResponseError(_controller, error) {
          reject(error);
        },
      };
      this.#client.dispatch(request, handler);
    });
  }

  async close(): Promise<void> {
    await this.#client.destroy();
  }
}
