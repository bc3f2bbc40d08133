/** Waiting for what must come in the end. */
import { setTimeout as sleep } from 'node:timers/promises';

const stepMs = 250;

/** Asks again as long as it is not so; what was last heard is in the failure. */
export async function until<T>(
  ask: () => Promise<T>,
  isIt: (value: T) => boolean,
  seconds = 200,
): Promise<T> {
  let last: T | undefined;
  for (let tries = 0; tries * stepMs < seconds * 1_000; tries++) {
    last = await ask();
    if (isIt(last)) return last;
    await sleep(stepMs);
  }
  throw new Error(`it did not come to that: ${JSON.stringify(last)}`);
}
