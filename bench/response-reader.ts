/**
 * Reads HTTP/1.1 answers from a connection's bytes as they come (RFC 9112), one at a time, with as little work as a
 * load generator can do: it looks for the status and the three header fields that say where the answer ends.
 */
import { Failure } from '#common';

const HEAD_BYTES_MAX = 64 * 1024;
const CHUNK_LINE_BYTES_MAX = 1024;

export interface Answer {
  readonly status: number;
  readonly bytes: number;
  /** Present when it was asked for. */
  readonly body: Buffer | undefined;
  /** The server will close the connection. */
  readonly closes: boolean;
}

type State =
  | 'idle'
  | 'head'
  | 'length'
  | 'chunk-line'
  | 'chunk'
  | 'chunk-end'
  | 'trailer'
  | 'until-close';

export class ResponseReader {
  #state: State = 'idle';
  #collect = false;
  #status = 0;
  #closes = false;
  #bytes = 0;
  /** Of the body, or of the chunk, that are still to come. */
  #left = 0;
  #parts: Buffer[] = [];
  /** The beginning of a line or head whose end has not come yet. */
  #carry: Buffer = Buffer.alloc(0);

  get isIdle(): boolean {
    return this.#state === 'idle';
  }

  /** Makes ready for the next answer. */
  begin(collect: boolean): void {
    this.#state = 'head';
    this.#collect = collect;
    this.#bytes = 0;
    this.#parts = [];
    this.#carry = Buffer.alloc(0); // of an answer that broke off
  }

  /** Takes what came; returns the answer when it is whole. The bytes are the caller's again after the call. */
  take(data: Buffer): Answer | undefined {
    let at = 0;
    while (at < data.length) {
      if (this.#state === 'idle') throw broken('bytes that nobody asked for');
      at = this.#step(data, at);
      if (this.isIdle) {
        if (at < data.length) throw broken('bytes after the answer');
        return this.#answer();
      }
    }
    return undefined;
  }

  /** The connection ended: the answer, if it is one that ends so. */
  end(): Answer | undefined {
    if (this.#state !== 'until-close') return undefined;
    this.#state = 'idle';
    return this.#answer();
  }

  #answer(): Answer {
    const body = this.#collect ? Buffer.concat(this.#parts) : undefined;
    this.#parts = [];
    return { status: this.#status, bytes: this.#bytes, body, closes: this.#closes };
  }

  #step(data: Buffer, at: number): number {
    switch (this.#state) {
      case 'head':
        return this.#line(data, at, { end: '\r\n\r\n', max: HEAD_BYTES_MAX }, (head) =>
          this.#head(head),
        );
      case 'chunk-line':
        return this.#line(data, at, { end: '\r\n', max: CHUNK_LINE_BYTES_MAX }, (line) =>
          this.#chunk(line),
        );
      case 'chunk-end':
        return this.#line(data, at, { end: '\r\n', max: CHUNK_LINE_BYTES_MAX }, (line) => {
          if (line !== '') throw broken('a chunk longer than it said');
          this.#state = 'chunk-line';
        });
      case 'trailer':
        return this.#line(data, at, { end: '\r\n', max: HEAD_BYTES_MAX }, (line) => {
          if (line === '') this.#state = 'idle';
        });
      default:
        return this.#body(data, at);
    }
  }

  /** Finds the end of a line or head, over several reads if need be, and hands its text on. */
  #line(
    data: Buffer,
    at: number,
    what: { readonly end: string; readonly max: number },
    done: (text: string) => void,
  ): number {
    const before = this.#carry.length;
    const whole =
      before === 0 ? data.subarray(at) : Buffer.concat([this.#carry, data.subarray(at)]);
    const found = whole.indexOf(what.end, Math.max(0, before - what.end.length), 'latin1');
    if ((found === -1 ? whole.length : found) > what.max)
      throw broken('a head or line without end');
    if (found === -1) {
      this.#carry = before === 0 ? Buffer.from(whole) : whole;
      return data.length;
    }
    if (before > 0) this.#carry = Buffer.alloc(0);
    done(whole.toString('latin1', 0, found));
    return at + found + what.end.length - before;
  }

  #head(head: string): void {
    const status = Number(head.slice(9, 12));
    if (!head.startsWith('HTTP/1.') || !(status >= 100 && status <= 599))
      throw broken('no HTTP/1 answer');
    if (status < 200) return; // 100 Continue and the like: the answer is still to come
    const fields = `${head.toLowerCase()}\r\n`;
    this.#status = status;
    this.#closes = fields.startsWith('http/1.0') || fieldOf(fields, 'connection') === 'close';
    const length = fieldOf(fields, 'content-length');
    if (status === 204 || status === 304) this.#expect(0);
    else if (fieldOf(fields, 'transfer-encoding') === 'chunked') this.#state = 'chunk-line';
    else if (length !== undefined) this.#expect(parseLength(length, 10));
    else {
      this.#state = 'until-close';
      this.#closes = true;
    }
  }

  #expect(length: number): void {
    this.#left = length;
    this.#state = length === 0 ? 'idle' : 'length';
  }

  #chunk(line: string): void {
    this.#left = parseLength((line.split(';')[0] ?? '').trim(), 16);
    this.#state = this.#left === 0 ? 'trailer' : 'chunk';
  }

  #body(data: Buffer, at: number): number {
    const open = this.#state === 'until-close';
    const end = open ? data.length : Math.min(data.length, at + this.#left);
    this.#bytes += end - at;
    if (this.#collect) this.#parts.push(Buffer.from(data.subarray(at, end)));
    if (open) return end;
    this.#left -= end - at;
    if (this.#left === 0) this.#state = this.#state === 'chunk' ? 'chunk-end' : 'idle';
    return end;
  }
}

/** `fields` are in lower case, and each ends with CRLF. */
function fieldOf(fields: string, name: string): string | undefined {
  const at = fields.indexOf(`\r\n${name}:`);
  if (at === -1) return undefined;
  const from = at + name.length + 3;
  return fields.slice(from, fields.indexOf('\r\n', from)).trim();
}

function parseLength(text: string, radix: 10 | 16): number {
  const digits = radix === 10 ? /^\d{1,15}$/ : /^[\da-f]{1,12}$/i;
  if (!digits.test(text)) throw broken('a length that is none');
  return Number.parseInt(text, radix);
}

function broken(what: string): Failure {
  return new Failure('corrupt', 'bench-http', `The server sent ${what}`);
}
