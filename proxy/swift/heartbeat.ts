/** Answers to long work: the status at once, a blank now and then so that nobody hangs up, and what came of it at the end. */
import { Buffer } from 'node:buffer';
import type { Clock } from '#common';

export const heartbeatSeconds = 10;

export async function* withHeartbeat(
  clock: Clock,
  work: () => Promise<string>,
): AsyncIterable<Buffer> {
  const blank = Buffer.from(' ');
  yield blank;
  const over = new AbortController();
  const outcome = work().finally(() => over.abort());
  // Awaited below; until then a failure is nobody's.
  outcome.catch(() => undefined);
  while (!over.signal.aborted) {
    await clock.sleep(heartbeatSeconds * 1000, over.signal).catch(() => undefined);
    if (!over.signal.aborted) yield blank;
  }
  yield Buffer.from(`\r\n\r\n${await outcome}`);
}
