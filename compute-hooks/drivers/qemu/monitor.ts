/** QEMU's machine protocol (QMP): one connection, commands answered in order, events as they come. */
import type { Socket } from 'node:net';
import { type Clock, Failure, type Net } from '#common';

export interface MonitorEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Failure): void;
}

const lineBytesMax = 1024 * 1024;
const answerMs = 20_000;

export class Monitor {
  private readonly socket: Socket;
  private readonly clock: Clock;
  private readonly waiting = new Map<number, Waiting>();
  private readonly listeners = new Set<(event: MonitorEvent) => void>();
  private text = '';
  private next = 1;
  private over = false;
  /** Resolves when the guest's process has gone or the connection was closed. */
  readonly ended: Promise<void>;

  private constructor(socket: Socket, clock: Clock) {
    this.socket = socket;
    this.clock = clock;
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => this.take(chunk));
    // What went wrong is told by `close`.
    socket.on('error', () => {});
    this.ended = new Promise((resolve) => {
      socket.on('close', () => {
        this.over = true;
        for (const one of this.waiting.values()) one.reject(gone());
        this.waiting.clear();
        resolve();
      });
    });
  }

  /** Connects and leaves negotiation behind. QEMU speaks with one client at a time, so the connection is kept. */
  static async connect(path: string, parts: { net: Net; clock: Clock }): Promise<Monitor> {
    const socket = parts.net.connect({ path });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', () => reject(gone()));
    });
    const monitor = new Monitor(socket, parts.clock);
    await monitor.run('qmp_capabilities');
    return monitor;
  }

  get isOver(): boolean {
    return this.over;
  }

  async run(command: string, input: object = {}): Promise<unknown> {
    if (this.over) throw gone();
    const id = this.next++;
    const deadline = this.clock.after(answerMs, () => {
      this.waiting
        .get(id)
        ?.reject(new Failure('unreachable', 'guest-silent', `QEMU did not answer ${command}`));
      this.waiting.delete(id);
    });
    try {
      return await new Promise<unknown>((resolve, reject) => {
        this.waiting.set(id, { resolve, reject });
        this.socket.write(`${JSON.stringify({ execute: command, arguments: input, id })}\n`);
      });
    } finally {
      deadline.cancel();
    }
  }

  on(listener: (event: MonitorEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  close(): void {
    this.socket.destroy();
  }

  private take(chunk: string): void {
    this.text += chunk;
    const lines = this.text.split('\n');
    this.text = lines.pop() ?? '';
    if (this.text.length > lineBytesMax) this.socket.destroy();
    for (const line of lines) if (line.trim() !== '') this.hear(line);
  }

  private hear(line: string): void {
    let message: Record<string, unknown>;
    try {
      message = JSON.parse(line) as Record<string, unknown>;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      // A guest that has taken QEMU over may say anything here: whoever does not speak the protocol is not spoken with.
      this.socket.destroy();
      return;
    }
    if (typeof message.event === 'string') {
      const data = (message.data ?? {}) as Record<string, unknown>;
      for (const listener of this.listeners) listener({ event: message.event, data });
      return;
    }
    const waiting = this.waiting.get(Number(message.id));
    if (waiting === undefined) return;
    this.waiting.delete(Number(message.id));
    const error = message.error as { class?: string; desc?: string } | undefined;
    if (error === undefined) waiting.resolve(message.return);
    else waiting.reject(refusalOf(error));
  }
}

function refusalOf(error: { class?: string; desc?: string }): Failure {
  const code = error.class === 'DeviceNotFound' ? 'device-missing' : 'guest-refused';
  const kind = code === 'device-missing' ? 'missing' : 'conflict';
  return new Failure(kind, code, `QEMU: ${error.desc ?? 'refused'}`);
}

const gone = () => new Failure('closed', 'guest-gone', 'The guest is not running');
