/** What both ends of calls agree on, and how each notices that the other is gone. */
import type { Http2Session } from 'node:http2';
import type { Clock } from '#common';

export const windowBytes = 4 * 1024 * 1024;

export const sessionSettings = {
  initialWindowSize: 1024 * 1024,
  maxConcurrentStreams: 1_000,
  enablePush: false,
} as const;

export interface Heartbeat {
  readonly clock: Clock;
}

const pingMs = 3_000;
/** An end that has not answered for so long is gone, whatever the network says. */
const silentMs = 15_000;

/** Asks the other end for signs of life; resolves when the connection is over. */
export function alive(session: Http2Session, { clock }: Heartbeat): Promise<void> {
  let heardMs = clock.monotonicMs();
  let timer = clock.after(pingMs, beat);
  function beat(): void {
    if (session.destroyed) return;
    if (clock.monotonicMs() - heardMs > silentMs) {
      session.destroy();
      return;
    }
    session.ping((error) => {
      if (error === null) heardMs = clock.monotonicMs();
    });
    timer = clock.after(pingMs, beat);
  }
  return new Promise((resolve) => {
    // What broke it does not matter: it is made anew.
    session.on('error', () => session.destroy());
    session.once('close', () => {
      timer.cancel();
      resolve();
    });
  });
}
