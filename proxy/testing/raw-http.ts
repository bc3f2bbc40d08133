/** Requests byte by byte, for what no HTTP client would send. */
import * as net from 'node:net';

/** Sends pieces with pauses between them and returns all that came back until the connection closed or fell silent. */
export function exchangeRaw(
  port: number,
  pieces: readonly (string | Buffer)[],
  options: { readonly pauseMs?: number; readonly silenceMs?: number } = {},
): Promise<string> {
  const { pauseMs = 0, silenceMs = 500 } = options;
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    let out = '';
    let silence: NodeJS.Timeout | undefined;
    const over = () => {
      clearTimeout(silence);
      socket.destroy();
      resolve(out);
    };
    const wait = () => {
      clearTimeout(silence);
      silence = setTimeout(over, silenceMs);
    };
    socket.on('data', (chunk) => {
      out += chunk.toString('latin1');
      wait();
    });
    socket.on('close', over);
    socket.on('error', over);
    const send = async () => {
      for (const piece of pieces) {
        if (socket.destroyed) return;
        socket.write(piece);
        if (pauseMs > 0) await new Promise((next) => setTimeout(next, pauseMs));
      }
      wait();
    };
    socket.on('connect', () => void send());
  });
}

export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
}
