/**
 * One connection of a lane: sends a request, counts or collects the answer. The hot path of the generator, and the
 * reason it speaks HTTP over `node:net` itself: see "What a request costs the generator" in DESIGN.md.
 */

import * as net from 'node:net';
import { performance } from 'node:perf_hooks';
import * as tls from 'node:tls';
import { Failure } from '#common';
import type { HttpRequest } from './dialect.ts';
import { type Answer, ResponseReader } from './response-reader.ts';

const ANSWER_MS = 60_000;
/** Servers close idle connections after five seconds and more; a request sent at that moment would be lost. */
const IDLE_MS = 1000;
/** Every read lands in this one buffer, so that a body costs no allocation. */
const READ_BUFFER_BYTES = 128 * 1024;

interface Waiting {
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

export class Connection {
  readonly #url: URL;
  readonly #reader = new ResponseReader();
  readonly #buffer = Buffer.alloc(READ_BUFFER_BYTES);
  #socket: net.Socket | undefined;
  #waiting: Waiting | undefined;
  #idleSinceMs = 0;

  constructor(origin: string) {
    this.#url = new URL(origin);
  }

  /** One request at a time: the next only when this one is answered. */
  send(request: HttpRequest, collect: boolean): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      if (this.#socket && performance.now() - this.#idleSinceMs > IDLE_MS) this.#drop();
      this.#reader.begin(collect);
      const socket = this.#socket ?? this.#connect();
      socket.cork();
      socket.write(this.#head(request), 'latin1');
      if (request.body !== null && request.body.length > 0) socket.write(request.body);
      socket.uncork();
    });
  }

  close(): void {
    this.#drop();
  }

  #head(request: HttpRequest): string {
    let head = `${request.method} ${request.path} HTTP/1.1\r\nhost: ${this.#url.host}\r\n`;
    for (const name in request.headers) head += `${name}: ${request.headers[name]}\r\n`;
    if (request.method === 'PUT') head += `content-length: ${request.body?.length ?? 0}\r\n`;
    return `${head}\r\n`;
  }

  #connect(): net.Socket {
    const secure = this.#url.protocol === 'https:';
    const host = this.#url.hostname.replace(/^\[|\]$/g, '');
    const port = Number(this.#url.port || (secure ? 443 : 80));
    const onread = {
      buffer: this.#buffer,
      callback: (count: number): boolean => {
        if (this.#socket === socket) this.#take(this.#buffer.subarray(0, count));
        return true;
      },
    };
    const socket: net.Socket = secure
      ? tls.connect({ host, port, servername: net.isIP(host) ? '' : host })
      : net.connect({ host, port, onread, noDelay: true });
    if (secure) socket.on('data', (data: Buffer) => this.#socket === socket && this.#take(data));
    this.#socket = socket;
    socket.setTimeout(ANSWER_MS, () => {
      if (this.#waiting)
        socket.destroy(new Failure('unreachable', 'bench-timeout', 'No answer in time'));
    });
    let failed: unknown;
    socket.on('error', (error) => {
      failed = error;
    });
    socket.on('close', () => {
      if (this.#socket === socket) this.#ended(failed);
    });
    return socket;
  }

  #take(data: Buffer): void {
    try {
      const answer = this.#reader.take(data);
      if (answer) this.#answered(answer);
    } catch (error) {
      this.#fail(error);
    }
  }

  #answered(answer: Answer): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    this.#idleSinceMs = performance.now();
    if (answer.closes) this.#drop();
    waiting?.resolve(answer);
  }

  #ended(error: unknown): void {
    this.#socket = undefined;
    const answer = error === undefined ? this.#reader.end() : undefined;
    if (answer) this.#answered(answer);
    else
      this.#fail(error ?? new Failure('unreachable', 'bench-closed', 'closed before the answer'));
  }

  #fail(error: unknown): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    this.#drop();
    waiting?.reject(error);
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
  }
}
