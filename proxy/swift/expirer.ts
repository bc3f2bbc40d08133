/**
 * Deletes objects whose time has come (`X-Delete-At`), so that their space is used again; nobody is served them since that second.
 *
 * A write that sets a time notes the object first, in the set of the hour in which it is due (`stages/expirer.ts`). The worker goes
 * through the hours from where it was, deletes what really has expired (a compare-and-set on the object's row: one that was written
 * again since, without a time or with a later one, stays), and goes on to the next hour once one is empty.
 */
import {
  type BackgroundWork,
  isFailure,
  messageOf,
  type RunningWorker,
  type StepOutcome,
  startWorker,
} from '#common';
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

/** Undefined where objects do not expire. */
export function startExpirer(services: SwiftServices): RunningWorker | undefined {
  const { clock, log, offers, swift } = services;
  if (!offers.has('expirer')) return undefined;
  const pace = { restRatio: 1, idleMs: swift.expireIntervalMs };
  return startWorker(new Expirer(services), { clock, log, ...pace });
}

class Expirer implements BackgroundWork {
  readonly name = 'expirer';
  private readonly services: SwiftServices;

  constructor(services: SwiftServices) {
    this.services = services;
  }

  /** Works off all that is due. */
  async step(signal: AbortSignal): Promise<StepOutcome> {
    const { objects, clock } = this.services;
    const nowHour = Math.floor(clock.nowUs() / 1_000_000 / hourS);
    const known = await readNote(objects, cursor.set, cursor.key);
    // A moment before the first start nothing was noted yet.
    let hour = known === undefined ? nowHour - 1 : Number(known);
    for (; hour <= nowHour && !signal.aborted; hour++) {
      const left = await this.passHour(hour, signal);
      if (left || hour === nowHour) break;
    }
    if (String(hour) !== known)
      await writeNote(objects, cursor.set, { key: cursor.key, value: String(hour) });
    return 'idle';
  }

  /** Whether something of the hour is left: not due yet, or not to be deleted. */
  private async passHour(hour: number, signal: AbortSignal): Promise<boolean> {
    const { objects, clock } = this.services;
    let after: string | undefined;
    let left = false;
    for (;;) {
      const page = await listNotes(objects, hourSet(hour), {
        limit: pageMax,
        ...(after === undefined ? {} : { after }),
      });
      after = page.entries.at(-1)?.key;
      const due = page.entries.filter(({ value }) => Number(value) * 1_000_000 <= clock.nowUs());
      if (due.length < page.entries.length) left = true;
      for (let at = 0; at < due.length && !signal.aborted; at += inFlightMax) {
        const batch = due.slice(at, at + inFlightMax).map(({ key }) => this.expire(hour, key));
        if ((await Promise.all(batch)).includes('failed')) left = true;
      }
      if (signal.aborted) return true;
      if (!page.more) return left;
    }
  }

  private async expire(hour: number, key: string): Promise<'done' | 'failed'> {
    const { objects, log } = this.services;
    const [account = '', name = '', ...rest] = key.split('/');
    try {
      const container = await objects.containers.open(account, name);
      // For those whose time has come there is no object: any other one stays.
      const conditions = { ifNoneMatch: ['*'] };
      await objects.objects.delete(
        { container, name: rest.join('/') },
        { conditions, leaves: 'nothing' },
      );
    } catch (error) {
      if (!isFailure(error, 'missing') && !isFailure(error, 'conflict')) {
        log.info({ object: key, reason: messageOf(error) }, 'not expired yet');
        return 'failed';
      }
    }
    await removeNote(objects, hourSet(hour), key);
    return 'done';
  }
}
