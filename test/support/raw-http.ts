/** HTTP as bytes on a socket, for what no client library would send. */
import { connect } from 'node:net';

export interface RawOptions {
  /** Ends the connection this long after the last byte was sent, whatever came back. */
  readonly withinMs?: number;
  /** Destroys the connection right after sending. */
  readonly abort?: boolean;
}

/** Sends the pieces one after another and returns everything that came back as Latin-1. */
export function raw(
  port: number,
  pieces: readonly (string | Buffer)[],
  options: RawOptions = {},
): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const got: Buffer[] = [];
    let timer: NodeJS.Timeout | undefined;
    const end = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(Buffer.concat(got).toString('latin1'));
    };
    socket.on('data', (chunk) => got.push(chunk));
    socket.on('error', end);
    socket.on('close', end);
    for (const piece of pieces) socket.write(piece);
    if (options.abort === true) socket.once('connect', () => setTimeout(end, 100));
    else timer = setTimeout(end, options.withinMs ?? 10_000);
  });
}

/** The status of the (first) answer; 0 when the connection ended without one. */
export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
}
