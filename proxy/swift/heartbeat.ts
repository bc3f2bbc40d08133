/** Answers to long work: the status at once, a blank now and then so that nobody hangs up, and what came of it at the end. */
import { Buffer } from 'node:buffer';
import type { Clock } from '#common';
import type { Reply } from '../exchange.ts';

export const heartbeatSeconds = 10;

const blank = Buffer.from(' ');

export async function* withHeartbeat(
  clock: Clock,
  work: () => Promise<string>,
): AsyncIterable<Buffer> {
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

/** The reply to work as it is, when it is done before the first blank would be due; later, its body behind blanks. */
export async function replyOrBlanks(
  clock: Clock,
  type: string,
  work: Promise<Reply>,
): Promise<Reply> {
  const early = new AbortController();
  const due = clock.sleep(heartbeatSeconds * 1000, early.signal).then(
    () => undefined,
    () => undefined,
  );
  const reply = await Promise.race([work, due]).finally(() => early.abort());
  if (reply !== undefined) return reply;
  // A client that leaves before its first blank waits for no outcome.
  work.catch(() => undefined);
  const text = async () => {
    const { body } = await work;
    return typeof body === 'string' ? body : '';
  };
  return { status: 200, headers: { 'Content-Type': type }, body: withHeartbeat(clock, text) };
}
