/** Points of volumes, whether these are open or not: pinned, used by clones, let go again; and what follows for volumes that are gone. */
import { Failure, isFailure } from '#common';
import { deleteBootSet } from '../volume/boot-set.ts';
import type { EngineContext } from '../volume/context.ts';
import { deleteVolumeBlobs } from '../volume/deletion.ts';
import { endOf, headRef, nobody, type VolumeHead } from '../volume/head.ts';
import { changeHead, findHead, missingVolume } from '../volume/head-row.ts';
import { closeRuns } from '../volume/past.ts';
import {
  changePin,
  deletePinRow,
  findPin,
  hasUsers,
  listPins,
  missingSnapshot,
  type Pin,
  putPin,
  stopUsing,
  usePin,
} from '../volume/pin-rows.ts';
import { PinSet } from '../volume/pin-set.ts';
import { type PinRequest, releaseCheckpoint } from '../volume/pinning.ts';
import type { OpenVolumes } from './open-volumes.ts';

export interface PointsOptions {
  readonly context: EngineContext;
  readonly open: OpenVolumes;
  /** A volume is deleted for good: what else was kept for it can go. */
  readonly ended: (head: VolumeHead) => Promise<void>;
}

export class Points {
  private readonly options: PointsOptions;
  private readonly purging = new Map<string, { again: boolean; done: Promise<void> }>();
  private readonly endings = new Map<string, Promise<void>>();

  constructor(options: PointsOptions) {
    this.options = options;
  }

  /** Pins what is there now, or was at an instant; repeated with the same id it returns the same pin. */
  async pin(head: VolumeHead, request: PinRequest): Promise<Pin> {
    const { context, open } = this.options;
    const present = await findPin(context.tables, head.id, request.id);
    if (present !== undefined) return present;
    const atRest = head.gateway === '' && !open.has(head.id);
    if (atRest && request.atMs === undefined) {
      const pin = await this.pinAtRest(head, request);
      if (pin !== undefined) return pin;
    }
    this.checkOurs(head);
    return await open.within(head.id, (volume) => volume.pin(request));
  }

  /** Undefined when somebody opened the volume meanwhile. */
  private async pinAtRest(head: VolumeHead, request: PinRequest): Promise<Pin | undefined> {
    const { tables, clock } = this.options.context;
    const { id, name, state } = request;
    const { checkpoint, sizeBytes } = head;
    const border = endOf(head);
    const pin: Pin = {
      id,
      volume: head.id,
      name,
      state,
      sizeBytes,
      createdUs: clock.nowUs(),
      border,
      ...(checkpoint === undefined ? {} : { checkpoint }),
      tail: closeRuns(head.tail, border),
    };
    await putPin(tables, pin);
    let still = false;
    // Whoever opens the volume raises the epoch first and looks at the pins then: either this fails, or that one sees the pin.
    await changeHead(tables, head.id, (now) => {
      still = now.epoch === head.epoch && now.gateway === '' && now.state === 'ready';
      return now;
    });
    if (still) return pin;
    await deletePinRow(tables, head.id, id);
    return undefined;
  }

  private checkOurs(head: VolumeHead): void {
    const { context } = this.options;
    const elsewhere = !['', nobody, context.gateway].includes(head.gateway);
    if (!elsewhere) return;
    throw new Failure('conflict', 'volume-open-elsewhere', 'Another gateway has the volume open', {
      facts: { volumeId: head.id, gateway: head.gateway },
    });
  }

  /** One that nobody sees, and that is not ending; of several the first. */
  async findHidden(volume: string, prefix: string): Promise<Pin | undefined> {
    const pins = await listPins(this.options.context.tables, volume);
    return pins.find(({ id, state }) => state === 'hidden' && id.startsWith(prefix));
  }

  use(volume: string, pin: string, user: string): Promise<Pin> {
    return usePin(this.options.context.tables, volume, pin, user);
  }

  /** A user is done with a pin; one that nobody sees or uses any more goes away. */
  async stopUsing(volume: string, pin: string, user: string): Promise<void> {
    await stopUsing(this.options.context.tables, volume, pin, user);
    await this.endIfUnused(volume, pin);
  }

  /** A snapshot disappears for its owner; clones keep what they share. */
  async hide(volume: string, pin: string): Promise<void> {
    const hidden = await changePin(this.options.context.tables, volume, pin, (present) =>
      present.state === 'live' ? { ...present, state: 'hidden' } : present,
    );
    if (hidden === undefined) throw missingSnapshot(volume, pin);
    await this.endIfUnused(volume, pin);
  }

  /** One after the other: who ends a pin must not do so by a mark that somebody else is about to take back. */
  private async endIfUnused(volume: string, id: string): Promise<void> {
    const key = `${volume}/${id}`;
    const before = this.endings.get(key) ?? Promise.resolve();
    const mine = before.catch(() => undefined).then(() => this.endOnce(volume, id));
    this.endings.set(key, mine);
    try {
      await mine;
    } finally {
      if (this.endings.get(key) === mine) this.endings.delete(key);
    }
  }

  /**
   * Marked first, then looked for users: whoever begins to use it sees the mark. Another gateway may have seen our mark and left it at that, so after
   * taking it back this looks once more.
   */
  private async endOnce(volume: string, id: string): Promise<void> {
    const { tables } = this.options.context;
    do {
      const pin = await changePin(tables, volume, id, (present) =>
        present.state === 'hidden' ? { ...present, state: 'ending' } : present,
      );
      if (pin?.state !== 'ending') return;
      if (!(await hasUsers(tables, volume, id))) {
        await this.release(pin);
        return;
      }
      await changePin(tables, volume, id, (present) => ({ ...present, state: 'hidden' }));
    } while (!(await hasUsers(tables, volume, id)));
  }

  private async release(pin: Pin): Promise<void> {
    const { context, open } = this.options;
    const head = await findHead(context.tables, pin.volume);
    if (head !== undefined && head.state !== 'gone' && head.sealed !== true) {
      this.checkOurs(head);
      try {
        await open.within(pin.volume, (volume) => volume.releasePin(pin.id));
      } catch (error) {
        // Whoever deletes the volume meanwhile finds the ending pin and goes on with it.
        const now = await findHead(context.tables, pin.volume);
        if (now !== undefined && now.state === 'ready') throw error;
      }
      return;
    }
    if (head !== undefined) {
      const others = (await listPins(context.tables, pin.volume)).filter(({ id }) => id !== pin.id);
      await releaseCheckpoint(context, head, new PinSet(others), pin);
    }
    await deletePinRow(context.tables, pin.volume, pin.id);
    if (head?.state !== 'gone') return;
    // Whoever is at it already, perhaps our own caller, looks again.
    const running = this.purging.get(pin.volume);
    if (running === undefined) await this.purge(pin.volume);
    else running.again = true;
  }

  /** Deletes what a volume wrote, or marks it as gone while clones share it. One at a time; who comes meanwhile waits for that one. */
  async purge(id: string): Promise<void> {
    const running = this.purging.get(id);
    if (running !== undefined) {
      running.again = true;
      return await running.done;
    }
    const mine = { again: true, done: Promise.resolve() };
    this.purging.set(id, mine);
    mine.done = this.purgeUntilDone(id, mine).finally(() => this.purging.delete(id));
    return await mine.done;
  }

  private async purgeUntilDone(id: string, mine: { again: boolean }): Promise<void> {
    while (mine.again) {
      mine.again = false;
      await this.purgeOnce(id);
    }
  }

  private async purgeOnce(id: string): Promise<void> {
    const { context } = this.options;
    const { tables } = context;
    if ((await findHead(tables, id)) === undefined) return;
    if (!(await deleteVolumeBlobs(context, id))) {
      await changeHead(tables, id, (head) => ({ ...head, state: 'gone' }));
      // A snapshot that was taken, or being deleted, while the volume was, goes with it.
      for (const pin of await listPins(tables, id)) {
        if (pin.state === 'live') await this.hide(id, pin.id);
        else await this.endIfUnused(id, pin.id);
      }
      // The last clone may have gone while this was decided.
      if ((await listPins(tables, id)).length > 0) return;
      await deleteVolumeBlobs(context, id);
    }
    const head = await findHead(tables, id);
    if (head === undefined) return;
    await this.options.ended(head);
    const { parent } = head;
    if (parent !== undefined) await this.stopUsing(parent.volume, parent.pin, id);
    await deleteBootSet(tables, id);
    await tables.delete(headRef(id));
  }

  /** The snapshots that a user sees. */
  async snapshots(volume: string): Promise<Pin[]> {
    const pins = await listPins(this.options.context.tables, volume);
    return pins.filter((pin) => pin.state === 'live');
  }

  async findSnapshot(volume: string, id: string): Promise<Pin | undefined> {
    const pin = await findPin(this.options.context.tables, volume, id);
    return pin?.state === 'live' ? pin : undefined;
  }
}

/** What an undo does: complaints are logged by the caller's own failure. */
export async function attempt(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isFailure(error) || error.kind === 'bug') throw error;
  }
}

export function requireHead(head: VolumeHead | undefined, id: string): VolumeHead {
  if (head === undefined || head.state === 'gone') throw missingVolume(id);
  return head;
}

export function checkReady(head: VolumeHead): void {
  if (head.state === 'ready') return;
  throw new Failure('conflict', 'volume-not-ready', 'The volume is not ready', {
    facts: { volumeId: head.id, state: head.state },
  });
}
