/**
 * Request targets with bytes beyond ASCII, sent as they are, as old clients and scripts do. Swift's server takes them; Node's parser does not,
 * in any of its modes. So its refusal is where they are mended:
 *
 * 1. The parser stops at such a byte: it says where in the packet it is, and that this is within a request's target. Every request
 *    and body before it has been framed by the parser itself; nothing here guesses where a message begins.
 * 2. In that one line the bytes beyond ASCII become `%XX`: the same target, as RFC 3986 writes it. No other byte changes, so whoever
 *    else reads this connection sees the same messages.
 * 3. The line and all that follows go to a parser of their own, over a `Front` of the socket; the old parser gets nothing more.
 *
 * Refused as before: a target that does not begin with `/`, control characters, a line that began in an earlier packet, one that
 * comes while an answer is still under way, and one longer than headers may be.
 */
import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

/** What Node's parser says of bytes that it refuses. */
export interface ParserFailure {
  readonly code?: string | undefined;
  readonly bytesParsed?: number | undefined;
  readonly rawPacket?: unknown;
}

const lineEnd = 0x0a;
// Methods that no other method ends with: a packet that begins in the middle of one is not taken for a line.
const lineStart = /^(?:GET|HEAD|PUT|POST|DELETE|COPY|OPTIONS) \/[\x21-\x7e]*$/;

/** The packet from the beginning of the line in whose target the parser stopped; undefined when that is not what stopped it. */
export function brokenLine({ code, bytesParsed, rawPacket }: ParserFailure): Buffer | undefined {
  if (code !== 'HPE_INVALID_URL' || bytesParsed === undefined || !Buffer.isBuffer(rawPacket))
    return undefined;
  if ((rawPacket[bytesParsed] ?? 0) < 0x80) return undefined;
  const start = bytesParsed === 0 ? 0 : rawPacket.lastIndexOf(lineEnd, bytesParsed - 1) + 1;
  if (!lineStart.test(rawPacket.toString('latin1', start, bytesParsed))) return undefined;
  return rawPacket.subarray(start);
}

/** The same with `%XX` for the bytes beyond ASCII of its first line. */
export function mendLine(bytes: Buffer): Buffer {
  const end = bytes.indexOf(lineEnd);
  const line = bytes.toString('latin1', 0, end < 0 ? undefined : end);
  const mended = line.replace(/[\x80-\xff]/g, percent);
  return Buffer.concat([Buffer.from(mended, 'latin1'), end < 0 ? nothing : bytes.subarray(end)]);
}

const nothing = Buffer.alloc(0);

function percent(byte: string): string {
  return `%${byte.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** A connection whose parser begins anew with a mended line: what is read here is that line, then what the socket brings. */
export class Front extends Duplex {
  private readonly socket: Socket;
  private readonly lineBytesMax: number;
  /** The line, as long as its end has not come. */
  private line: Buffer | undefined;
  private isReleased = false;

  constructor(socket: Socket, line: Buffer, lineBytesMax: number) {
    super({ allowHalfOpen: true });
    this.socket = socket;
    this.lineBytesMax = lineBytesMax;
    takeOver(socket);
    socket.on('data', (chunk: Buffer) => this.arrived(chunk));
    socket.on('end', () => this.push(null));
    socket.on('error', (error) => this.destroy(error));
    socket.on('close', () => this.destroy());
    socket.on('timeout', () => this.emit('timeout'));
    if ('encrypted' in socket) Object.defineProperty(this, 'encrypted', { value: true });
    if (socket.destroyed) this.destroy();
    this.line = nothing;
    this.arrived(line);
    socket.resume();
  }

  private arrived(chunk: Buffer): void {
    let bytes = chunk;
    if (this.line !== undefined) {
      const all = Buffer.concat([this.line, chunk]);
      // One that is too long goes on as it is: the parser has its own bound for it, and its own answer.
      const isWhole = all.includes(lineEnd) || all.length > this.lineBytesMax;
      this.line = isWhole ? undefined : all;
      if (!isWhole) return;
      bytes = mendLine(all);
    }
    if (!this.push(bytes)) this.socket.pause();
  }

  override _read(): void {
    this.socket.resume();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.socket.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (!this.isReleased) this.socket.destroy();
    done(error);
  }

  /** Ends without the socket; what it had not handed out yet comes with it. */
  release(): { readonly socket: Socket; readonly rest: readonly Buffer[] } {
    const rest: Buffer[] = [];
    for (let chunk: unknown = this.read(); chunk !== null; chunk = this.read())
      if (Buffer.isBuffer(chunk)) rest.push(chunk);
    this.isReleased = true;
    this.destroy();
    return { socket: this.socket, rest };
  }

  // What Node's server and our own stages ask a socket for besides.

  readonly setTimeout = (ms: number): this => {
    this.socket.setTimeout(ms);
    return this;
  };

  destroySoon(): void {
    this.end(() => this.destroy());
  }

  get remoteAddress(): string | undefined {
    return this.socket.remoteAddress;
  }
}

/** A front of the socket; or, where a front's own parser stopped at a line again, the next one. */
export function frontOf(socket: Socket | Front, line: Buffer, lineBytesMax: number): Front {
  if (!(socket instanceof Front)) return new Front(socket, line, lineBytesMax);
  const { socket: bare, rest } = socket.release();
  return new Front(bare, Buffer.concat([line, ...rest]), lineBytesMax);
}

/** Sockets whose first parser has nothing more to say, not even that it waited too long. */
const takenOver = new WeakSet<object>();

export function isFronted(socket: object): boolean {
  return takenOver.has(socket);
}

/** Nothing of what was listening before hears the socket any more, but for what it does at its end. */
function takeOver(socket: Socket): void {
  // A listener for data first: with it Node's parser gives back the handle that it reads by itself.
  socket.on('data', () => undefined);
  for (const event of ['data', 'end', 'error', 'drain', 'timeout', 'pause', 'resume'])
    socket.removeAllListeners(event);
  takenOver.add(socket);
}
