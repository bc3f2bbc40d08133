/**
 * Whether the device takes writes: free space is asked for now and then and estimated in between, so that a write
 * decides without waiting. Deletes may use the reserve, which is what lets a full device become emptier.
 */
import { type Clock, type Disk, type DiskSpace, type Failure, isFailure } from '#common';
import type { DeviceState } from '#wire';
import { refusalOf } from '../failures.ts';

export interface SpaceOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly folder: string;
  readonly reserveBytes: number;
}

const freshMs = 1000;

export class Space {
  private readonly options: SpaceOptions;
  private known: DiskSpace = { totalBytes: 0, freeBytes: 0 };
  private chargedBytes = 0;
  private knownAtMs = 0;
  private asking: Promise<void> | undefined;
  trouble: { readonly state: 'full' | 'read-only' | 'failed'; readonly atMs: number } | undefined;
  closed = false;

  constructor(options: SpaceOptions) {
    this.options = options;
  }

  get totalBytes(): number {
    return this.known.totalBytes;
  }

  /** What clients may still fill. */
  get freeBytes(): number {
    return Math.max(0, this.known.freeBytes - this.chargedBytes - this.options.reserveBytes);
  }

  get state(): DeviceState {
    if (this.closed) return 'closed';
    if (this.trouble !== undefined) return this.trouble.state;
    return this.freeBytes === 0 ? 'full' : 'ok';
  }

  charge(bytes: number): void {
    this.chargedBytes += bytes;
  }

  /** True when a write may go ahead without asking the disk first. */
  isOpen(bytes: number): boolean {
    const age = this.options.clock.monotonicMs() - this.knownAtMs;
    if (age > freshMs) this.askSoon();
    return !this.closed && this.trouble === undefined && this.freeBytes > bytes;
  }

  /** Asks the disk, then refuses when there is really no room. After trouble, one try in a while is let through. */
  async ensureOpen(bytes: number, mayUseReserve: boolean): Promise<void> {
    if (this.closed) throw refusalOf('closed');
    await this.refresh();
    this.checkTrouble(bytes, mayUseReserve);
    if (mayUseReserve || this.freeBytes > bytes) return;
    this.trouble = { state: 'full', atMs: this.options.clock.monotonicMs() };
    throw refusalOf('full');
  }

  private checkTrouble(bytes: number, mayUseReserve: boolean): void {
    const { trouble } = this;
    if (trouble === undefined) return;
    if (trouble.state === 'full') {
      // Space came back, or there may be enough of it for what makes more.
      if (this.freeBytes > bytes) this.trouble = undefined;
      if (this.trouble === undefined || mayUseReserve) return;
    }
    // Now and then one is let through to see whether the disk takes writes again.
    const { clock } = this.options;
    if (clock.monotonicMs() - trouble.atMs < freshMs) throw refusalOf(trouble.state);
  }

  /** What became of a write: failures of the disk put the device out of service until one succeeds. */
  note(failure: Failure | undefined): void {
    if (failure === undefined) {
      this.trouble = undefined;
      return;
    }
    const state = troubleOf(failure);
    if (state !== undefined) this.trouble = { state, atMs: this.options.clock.monotonicMs() };
  }

  noteError(error: unknown): void {
    if (isFailure(error)) this.note(error);
  }

  private askSoon(): void {
    if (this.asking !== undefined) return;
    // The next write that needs to know asks again and is told of the failure.
    this.refresh().catch(() => {});
  }

  refresh(): Promise<void> {
    this.asking ??= this.ask().finally(() => {
      this.asking = undefined;
    });
    return this.asking;
  }

  private async ask(): Promise<void> {
    const { disk, clock, folder } = this.options;
    this.knownAtMs = clock.monotonicMs();
    const charged = this.chargedBytes;
    this.known = await disk.space(folder);
    this.chargedBytes -= charged;
  }
}

function troubleOf(failure: Failure): 'full' | 'read-only' | 'failed' | undefined {
  if (failure.code === 'disk-full') return 'full';
  if (failure.code === 'disk-read-only') return 'read-only';
  return isFailure(failure, 'unreachable') || isFailure(failure, 'bug') ? 'failed' : undefined;
}

/** Failures of the disk as a device's callers know them. */
export function asDeviceFailure(error: unknown): unknown {
  if (!isFailure(error)) return error;
  if (error.code === 'disk-full') return refusalOf('full');
  if (error.code === 'disk-read-only') return refusalOf('read-only');
  return error;
}
