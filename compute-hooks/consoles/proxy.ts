/**
 * The way to a guest's screen or serial line, below `/compute-console`.
 *
 *  1. A client asks the compute API for a console and is told an address with a token in it.
 *  2. A browser opens that address and gets the page with noVNC; the page, or any other client, opens a websocket with the token.
 *  3. The token is taken, its server looked up, and bytes go to and fro until one side ends. Frames carry bytes and nothing else: RFB on
 *     the screen's, what a terminal says on the line's.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream';
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws';
import { type Failure, isFailure, messageOf } from '#common';
import type { ComputeCore } from '../core.ts';
import { findServer } from '../rows.ts';
import { shownBy } from './kinds.ts';
import { servePage } from './pages.ts';
import { takeConsole } from './tokens.ts';

const frameBytesMax = 1024 * 1024;
/** A client that has gone without a word is noticed by then. */
const pingMs = 30_000;

type Refusal = readonly [status: number, words: string];
const refusals = {
  foreign: [403, 'Forbidden'],
  token: [403, 'Forbidden'],
  full: [503, 'Service Unavailable'],
  off: [409, 'Conflict'],
} as const satisfies Record<string, Refusal>;

export class ConsoleProxy {
  private readonly core: ComputeCore;
  private readonly websockets = new WebSocketServer({
    noServer: true,
    maxPayload: frameBytesMax,
    perMessageDeflate: false,
    // Older clients name what they send; newer ones don't.
    handleProtocols: (offered) => (offered.has('binary') ? 'binary' : false),
  });
  private readonly open = new Set<WebSocket>();
  /** A serial line has one end: who comes later takes it over. */
  private readonly lines = new Map<string, WebSocket>();
  private opening = 0;

  constructor(core: ComputeCore) {
    this.core = core;
  }

  serve(request: IncomingMessage, response: ServerResponse, prefix: string): void {
    servePage(request, response, prefix);
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.begin(request, socket, head).catch((error: unknown) => {
      this.core.log.warn({ err: error }, `console: ${messageOf(error)}`);
      socket.destroy();
    });
  }

  private async begin(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    if (isForeign(request)) return refuse(socket, refusals.foreign);
    if (this.open.size + this.opening >= this.core.settings.consolesMax)
      return refuse(socket, refusals.full);
    this.opening++;
    try {
      const guest = await this.reach(tokenOf(request));
      if ('refusal' in guest) return refuse(socket, guest.refusal);
      let joined = false;
      this.websockets.handleUpgrade(request, socket, head, (websocket) => {
        joined = true;
        this.join(websocket, guest);
      });
      // A handshake that is none has been answered by the library, which does not say so.
      if (!joined) guest.stream.destroy();
    } finally {
      this.opening--;
    }
  }

  private async reach(token: string): Promise<Reached | { readonly refusal: Refusal }> {
    const row = token === '' ? undefined : await takeConsole(this.core, token);
    const server = row === undefined ? undefined : await findServer(this.core.db, row.server_id);
    if (row === undefined || server === undefined || server.host === null)
      return { refusal: refusals.token };
    const what = shownBy(row.kind);
    if (what === 'serial') this.lines.get(server.id)?.close(4001, 'taken over');
    try {
      const stream = await this.core.host(server.host).hypervisor.open(server.id, what);
      return { stream, serverId: server.id, what };
    } catch (error) {
      if (!isFailure(error) || error.kind === 'bug') throw error;
      this.core.log.info({ server: server.id }, `console: ${(error as Failure).message}`);
      return { refusal: refusals.off };
    }
  }

  private join(websocket: WebSocket, { stream, serverId, what }: Reached): void {
    this.open.add(websocket);
    if (what === 'serial') this.lines.set(serverId, websocket);
    const outside = createWebSocketStream(websocket);
    const beat = this.watch(websocket);
    websocket.once('close', () => {
      beat.stop();
      this.open.delete(websocket);
      if (this.lines.get(serverId) === websocket) this.lines.delete(serverId);
      stream.destroy();
    });
    // An end of either is the end of both, whatever the reason.
    stream.once('close', () => websocket.close());
    pipeline(stream, outside, stream, () => stream.destroy());
  }

  /** Ends a connection whose client does not answer. */
  private watch(websocket: WebSocket): { stop(): void } {
    const { clock } = this.core;
    let answered = true;
    websocket.on('pong', () => {
      answered = true;
    });
    const again = (): { cancel(): void } =>
      clock.after(pingMs, () => {
        if (!answered) return websocket.terminate();
        answered = false;
        websocket.ping();
        timer = again();
      });
    let timer = again();
    return { stop: () => timer.cancel() };
  }

  close(): void {
    for (const websocket of this.open) websocket.terminate();
    this.websockets.close();
  }
}

interface Reached {
  readonly stream: Duplex;
  readonly serverId: string;
  readonly what: 'screen' | 'serial';
}

/** A page of another site may not use what a browser knows. Programs name no origin. */
function isForeign({ headers }: IncomingMessage): boolean {
  const { origin, host } = headers;
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host;
}

/** `?token=…`, or as noVNC's own pages and older clients send it, in a cookie. */
function tokenOf({ url = '', headers }: IncomingMessage): string {
  const asked = URL.parse(url, 'http://localhost')?.searchParams.get('token');
  const kept = /(?:^|;\s*)token=([0-9a-f-]{36})(?:;|$)/.exec(headers.cookie ?? '')?.[1];
  return (asked ?? kept ?? '').slice(0, 64);
}

function refuse(socket: Duplex, [status, words]: Refusal): void {
  socket.end(`HTTP/1.1 ${status} ${words}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () =>
    socket.destroy(),
  );
}
