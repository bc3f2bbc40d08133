/** The volumes that are open in this gateway: one open volume serves all who use it here, and is closed some time after the last of them. */
import { type Clock, Failure, isFailure, type Logger, type Timer } from '#common';
import type { BlockGatewaySettings } from '../settings.ts';
import type { Volume } from '../volume/volume.ts';
import type { OpenVolume } from './service.ts';

export interface OpenVolumesOptions {
  readonly clock: Clock;
  readonly settings: BlockGatewaySettings;
  readonly log: Logger;
  readonly open: (id: string) => Promise<Volume>;
}

interface Held {
  readonly opening: Promise<Volume>;
  users: number;
  idle: Timer | undefined;
}

export class OpenVolumes {
  private readonly options: OpenVolumesOptions;
  private readonly held = new Map<string, Held>();
  private readonly closings = new Map<string, Promise<void>>();
  private closed = false;

  constructor(options: OpenVolumesOptions) {
    this.options = options;
  }

  get count(): number {
    return this.held.size;
  }

  has(id: string): boolean {
    return this.held.has(id) || this.closings.has(id);
  }

  users(id: string): number {
    return this.held.get(id)?.users ?? 0;
  }

  async open(id: string): Promise<OpenVolume> {
    if (this.closed) throw new Failure('closed', 'gateway-closed', 'The gateway is stopping');
    await this.closings.get(id);
    const mine = this.held.get(id) ?? this.begin(id);
    mine.users++;
    mine.idle?.cancel();
    try {
      const volume = await mine.opening;
      let released = false;
      const release = () => {
        if (!released) this.release(id, mine);
        released = true;
      };
      return { volume, release };
    } catch (error) {
      if (this.held.get(id) === mine) this.held.delete(id);
      throw error;
    }
  }

  private begin(id: string): Held {
    if (this.held.size >= this.options.settings.openVolumesMax) {
      throw new Failure('busy', 'too-many-volumes', 'Too many volumes are open here', {
        facts: { open: this.held.size },
      });
    }
    const held: Held = { opening: this.options.open(id), users: 0, idle: undefined };
    this.held.set(id, held);
    return held;
  }

  /** Opens it for as long as the work takes. */
  async within<T>(id: string, work: (volume: Volume) => Promise<T>): Promise<T> {
    const { volume, release } = await this.open(id);
    try {
      return await work(volume);
    } finally {
      release();
    }
  }

  private release(id: string, held: Held): void {
    held.users--;
    if (held.users > 0 || this.held.get(id) !== held) return;
    held.idle = this.options.clock.after(this.options.settings.idleCloseMs, () => {
      if (held.users > 0 || this.held.get(id) !== held) return;
      this.closeHeld(id, held).catch((error: unknown) => {
        if (!isFailure(error) || error.kind === 'bug') throw error;
        this.options.log.warn({ err: error, volumeId: id }, 'a volume could not be closed');
      });
    });
  }

  /** Closes it whoever uses it; resolves at once when it is not open. */
  async end(id: string): Promise<void> {
    const held = this.held.get(id);
    if (held !== undefined) await this.closeHeld(id, held);
    await this.closings.get(id);
  }

  private closeHeld(id: string, held: Held): Promise<void> {
    held.idle?.cancel();
    this.held.delete(id);
    const closing = held.opening
      .then((volume) => volume.close())
      .finally(() => this.closings.delete(id));
    this.closings.set(id, closing);
    return closing;
  }

  async close(): Promise<void> {
    this.closed = true;
    const open = [...this.held].map(([id, held]) => this.closeHeld(id, held));
    const outcomes = await Promise.allSettled([...open, ...this.closings.values()]);
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }
}
