/**
 * Pinning points of an open volume:
 *   1. Seal what is open: the border after it is the point.
 *   2. Wait until everything before the border is in the store.
 *   3. Close the head's run at the border, so that no recovery stores those segments anew under another epoch.
 *   4. Write the pin's row: from now on nothing that it refers to is deleted.
 * Nothing of this depends on how much the volume holds.
 */
import { Failure } from '#common';
import type { Checkpointer } from './checkpointer.ts';
import { deleteCheckpoint } from './checkpointer.ts';
import type { Ciphers } from './ciphers.ts';
import type { EngineContext } from './context.ts';
import type { Manifest } from './head.ts';
import type { HeadKeeper } from './head-keeper.ts';
import { findInstant } from './instant.ts';
import { ManifestLoader } from './manifest-loader.ts';
import { closeRuns, runsFrom } from './past.ts';
import { deletePinRow, type Pin, type PinState, putPin } from './pin-rows.ts';
import { headNeeds, type PinSet } from './pin-set.ts';

export interface PinRequest {
  readonly id: string;
  readonly name: string;
  readonly state: PinState;
  /** An instant of the retained past instead of now. */
  readonly atMs?: number;
}

export interface PinningOptions {
  readonly context: EngineContext;
  readonly keeper: HeadKeeper;
  readonly pins: PinSet;
  readonly ciphers: Ciphers;
  readonly checkpointer: Checkpointer;
  /** Seals what is open and gives the number of the first segment that comes after. */
  readonly seal: () => number;
  readonly durable: (number: number) => Promise<void>;
}

export class Pinning {
  private readonly options: PinningOptions;

  constructor(options: PinningOptions) {
    this.options = options;
  }

  pin(request: PinRequest): Promise<Pin> {
    const { pins, context } = this.options;
    return pins.exclusive(async () => {
      const present = pins.get(request.id);
      if (present !== undefined) return present;
      if (pins.count >= context.settings.snapshotsMax) throw tooManyPins(pins.count);
      return request.atMs === undefined
        ? await this.pinNow(request)
        : await this.pinInstant(request, request.atMs);
    });
  }

  /** Resolves when no pin is being made or let go. */
  idle(): Promise<void> {
    return this.options.pins.exclusive(() => Promise.resolve());
  }

  /** Lets a pin go, and what only it needed. */
  release(id: string): Promise<void> {
    const { pins, context, keeper, checkpointer } = this.options;
    return pins.exclusive(async () => {
      const pin = pins.get(id);
      pins.drop(id);
      if (pin !== undefined) await releaseCheckpoint(context, keeper.now, pins, pin);
      await deletePinRow(context.tables, keeper.now.id, id);
      await checkpointer.sweep();
    });
  }

  private async pinNow(request: PinRequest): Promise<Pin> {
    const { seal, keeper } = this.options;
    const border = seal();
    const createdUs = this.options.context.clock.nowUs();
    await this.settle(border);
    const head = keeper.now;
    const tail = closeRuns(head.tail, border);
    return await this.write(request, border, createdUs, { ...checkpointOf(head), tail });
  }

  private async pinInstant(request: PinRequest, atMs: number): Promise<Pin> {
    const { seal, keeper, context, ciphers } = this.options;
    const end = seal();
    await this.settle(end);
    const { id: volumeId, sizeBytes } = keeper.now;
    const loader = new ManifestLoader({ context, volumeId, sizeBytes, ciphers });
    const nowMs = context.clock.nowUs() / 1000;
    const manifest = await findInstant(keeper.now, loader, { atMs, nowMs, end });
    const border = manifest.tail.at(-1)?.end ?? manifest.checkpoint?.next ?? 1;
    return await this.write(request, border, Math.floor(atMs * 1000), manifest);
  }

  private async settle(border: number): Promise<void> {
    const { durable, keeper } = this.options;
    await durable(border - 1);
    await keeper.change((head) => {
      if (head.state !== 'ready') {
        throw new Failure('conflict', 'volume-not-ready', 'The volume is being deleted', {
          facts: { volumeId: head.id },
        });
      }
      const last = head.tail.at(-1);
      if (last === undefined || last.first >= border) return head;
      return { ...head, tail: [...closeRuns(head.tail, border), ...runsFrom([last], border)] };
    });
  }

  private async write(
    request: PinRequest,
    border: number,
    createdUs: number,
    manifest: Manifest,
  ): Promise<Pin> {
    const { keeper, pins, context } = this.options;
    const { id: volume, sizeBytes } = keeper.now;
    const { id, name, state } = request;
    const pin: Pin = { id, volume, name, state, sizeBytes, createdUs, border, ...manifest };
    // Before the row: what a lost answer leaves behind is a pin that nothing sweeps away too early.
    pins.add(pin);
    await putPin(context.tables, pin);
    return pin;
  }
}

/** Deletes a pin's checkpoint when neither the head nor another pin needs it. */
export async function releaseCheckpoint(
  context: EngineContext,
  head: Parameters<typeof headNeeds>[0],
  others: PinSet,
  pin: Pin,
): Promise<void> {
  const { checkpoint } = pin;
  if (checkpoint === undefined || checkpoint.volume !== undefined) return;
  if (headNeeds(head, checkpoint) || others.needsCheckpoint(checkpoint)) return;
  await deleteCheckpoint(context, pin.volume, checkpoint);
}

function checkpointOf(manifest: Manifest): Pick<Manifest, 'checkpoint'> {
  return manifest.checkpoint === undefined ? {} : { checkpoint: manifest.checkpoint };
}

export function tooManyPins(count: number): Failure {
  return new Failure('busy', 'too-many-snapshots', 'The volume has too many snapshots', {
    facts: { count },
  });
}
