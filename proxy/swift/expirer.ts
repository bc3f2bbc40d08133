/**
 * Deletes objects whose time has come (`X-Delete-At`), so that their space is used again; nobody is served them since that second.
 *
 * A write that sets a time notes the object first, in the set of the hour in which it is due (`stages/expirer.ts`). The worker goes
 * through the hours from where it was, deletes what really has expired (a compare-and-set on the object's row: one that was written
 * again since, without a time or with a later one, stays), and goes on to the next hour once one is empty.
 */
import { isFailure, messageOf } from '#common';
import { listNotes, readNote, removeNote, writeNote } from './notes.ts';
import type { SwiftServices } from './swift-request.ts';

const hourS = 3_600;
const pageMax = 1_000;
const inFlightMax = 8;
const cursor = { set: 'expirer', key: 'hour' } as const;

export interface ExpiringObject {
  readonly account: string;
  readonly container: string;
  readonly object: string;
}

function hourSet(hour: number): string {
  return `expiring/${hour}`;
}

/** To be done before the write that makes it so. */
export async function noteExpiry(
  { objects }: Pick<SwiftServices, 'objects'>,
  { account, container, object }: ExpiringObject,
  deleteAtS: number,
): Promise<void> {
  // The write itself may count the seconds from a moment later.
  const dueS = deleteAtS + 1;
  const key = `${account}/${container}/${object}`;
  await writeNote(objects, hourSet(Math.floor(dueS / hourS)), { key, value: String(dueS) });
}

export interface Expirer {
  /** One pass over all that is due; how many objects were deleted. */
  pass(): Promise<number>;
  close(): Promise<void>;
}

export function startExpirer(services: SwiftServices): Expirer | undefined {
  if (!services.offers.has('expirer')) return undefined;
  const worker = new Worker(services);
  worker.start();
  return worker;
}

class Worker implements Expirer {
  private readonly services: SwiftServices;
  private readonly stopped = new AbortController();
  private running: Promise<void> = Promise.resolve();

  constructor(services: SwiftServices) {
    this.services = services;
  }

  start(): void {
    this.running = this.run();
  }

  async close(): Promise<void> {
    this.stopped.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { clock, swift, log } = this.services;
    const { signal } = this.stopped;
    while (!signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = clock.after(swift.expireIntervalMs, resolve);
        signal.addEventListener('abort', () => {
          timer.cancel();
          resolve();
        });
      });
      if (signal.aborted) return;
      await this.pass().catch((error: unknown) => {
        log.warn({ reason: messageOf(error) }, 'expirer');
      });
    }
  }

  async pass(): Promise<number> {
    const { objects, clock } = this.services;
    const nowHour = Math.floor(clock.nowUs() / 1_000_000 / hourS);
    const known = await readNote(objects, cursor.set, cursor.key);
    // A moment before the first start nothing was noted yet.
    let hour = known === undefined ? nowHour - 1 : Number(known);
    let deleted = 0;
    for (; hour <= nowHour && !this.stopped.signal.aborted; hour++) {
      const done = await this.passHour(hour);
      deleted += done.deleted;
      if (done.left || hour === nowHour) break;
    }
    if (String(hour) !== known)
      await writeNote(objects, cursor.set, { key: cursor.key, value: String(hour) });
    return deleted;
  }

  /** `left`: something of the hour is not due yet, or could not be deleted. */
  private async passHour(hour: number): Promise<{ deleted: number; left: boolean }> {
    const { objects, clock } = this.services;
    let after: string | undefined;
    let deleted = 0;
    let left = false;
    for (;;) {
      const page = await listNotes(objects, hourSet(hour), {
        limit: pageMax,
        ...(after === undefined ? {} : { after }),
      });
      after = page.entries.at(-1)?.key;
      const due = page.entries.filter(({ value }) => Number(value) * 1_000_000 <= clock.nowUs());
      if (due.length < page.entries.length) left = true;
      for (let at = 0; at < due.length && !this.stopped.signal.aborted; at += inFlightMax) {
        const batch = due.slice(at, at + inFlightMax).map(({ key }) => this.expire(hour, key));
        for (const outcome of await Promise.all(batch)) {
          if (outcome === 'deleted') deleted += 1;
          if (outcome === 'failed') left = true;
        }
      }
      if (!page.more || this.stopped.signal.aborted) return { deleted, left };
    }
  }

  private async expire(hour: number, key: string): Promise<'deleted' | 'kept' | 'failed'> {
    const { objects, log } = this.services;
    const [account = '', name = '', ...rest] = key.split('/');
    let outcome: 'deleted' | 'kept' = 'kept';
    try {
      const container = await objects.containers.open(account, name);
      // For those whose time has come there is no object: any other one stays.
      const conditions = { ifNoneMatch: ['*'] };
      await objects.objects.delete({ container, name: rest.join('/') }, { conditions });
      outcome = 'deleted';
    } catch (error) {
      if (!isFailure(error, 'missing') && !isFailure(error, 'conflict')) {
        log.info({ object: key, reason: messageOf(error) }, 'not expired yet');
        return 'failed';
      }
    }
    await removeNote(objects, hourSet(hour), key);
    return outcome;
  }
}
