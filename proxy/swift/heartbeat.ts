/** Answers to long work: the status at once, a blank now and then so that nobody hangs up, and what came of it at the end. */
import { Buffer } from 'node:buffer';
import type { Clock, Logger } from '#common';
import type { Reply } from '../exchange.ts';

export const heartbeatSeconds = 10;

export interface HeartbeatServices {
  readonly clock: Clock;
  readonly log: Logger;
}

const blank = Buffer.from(' ');

export async function* withHeartbeat(
  clock: Clock,
  work: () => Promise<string>,
): AsyncIterable<Buffer> {
  yield blank;
  const outcome = work();
  while (!(await isOver(clock, outcome))) yield blank;
  yield Buffer.from(`\r\n\r\n${await outcome}`);
}

/** The reply to work as it is, when it is done before the first blank would be due; later, its body behind blanks. */
export async function replyOrBlanks(
  { clock, log }: HeartbeatServices,
  type: string,
  work: Promise<Reply>,
): Promise<Reply> {
  if (await isOver(clock, work)) return await work;
  // Its client may have left by then, and nobody else would hear of it.
  work.catch((err) => log.warn({ err }, 'long work failed behind the beginning of its answer'));
  const text = async () => {
    const { body } = await work;
    return typeof body === 'string' ? body : '';
  };
  return { status: 200, headers: { 'Content-Type': type }, body: withHeartbeat(clock, text) };
}

/** Whether the work ends before the next blank is due; fails as the work does. */
function isOver(clock: Clock, work: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(heartbeatSeconds * 1000, () => resolve(false));
    work.then(
      () => {
        timer.cancel();
        resolve(true);
      },
      (error) => {
        timer.cancel();
        reject(error);
      },
    );
  });
}
