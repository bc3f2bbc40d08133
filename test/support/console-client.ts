/** A client of consoles: what a terminal or a screen would be to a guest. */

export class ConsoleClient {
  private readonly socket: WebSocket;
  private heard = '';
  private changed: (() => void) | undefined;
  /** The code that the connection ended with. */
  readonly closed: Promise<number>;

  constructor(address: string) {
    this.socket = new WebSocket(address);
    this.socket.binaryType = 'arraybuffer';
    this.socket.onmessage = ({ data }) => {
      this.heard += Buffer.from(data as ArrayBuffer).toString('latin1');
      this.changed?.();
    };
    this.closed = new Promise((resolve) => {
      this.socket.onclose = ({ code }) => {
        resolve(code);
        this.changed?.();
      };
    });
  }

  get ready(): boolean {
    return this.socket.readyState === WebSocket.OPEN;
  }

  say(what: string): void {
    this.socket.send(Buffer.from(what, 'latin1'));
  }

  /** Waits until this was heard, and forgets everything up to its end. */
  async hear(pattern: RegExp, withinMs = 60_000): Promise<string> {
    const untilMs = performance.now() + withinMs;
    for (;;) {
      const match = pattern.exec(this.heard);
      if (match !== null) {
        this.heard = this.heard.slice(match.index + match[0].length);
        return match[0];
      }
      const left = untilMs - performance.now();
      if (left <= 0 || this.socket.readyState > WebSocket.OPEN)
        throw new Error(`the console did not say ${pattern}; it said ${this.heard.slice(-500)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  close(): void {
    this.socket.close();
  }
}
