/** One scrub for each device there is: rings come with devices and take others away. */
import type { RunningWorker } from '#common';
import type { Peer } from '../peer.ts';
import type { ScrubDevice } from './scrub.ts';

export interface ScrubsParts {
  readonly make: (peer: Peer) => ScrubDevice;
  /** Undefined where no work is to be done by itself. */
  readonly start: (scrub: ScrubDevice) => RunningWorker | undefined;
}

interface Running {
  readonly scrub: ScrubDevice;
  readonly worker: RunningWorker | undefined;
}

export class Scrubs {
  private readonly parts: ScrubsParts;
  private readonly running = new Map<Peer, Running>();

  constructor(parts: ScrubsParts) {
    this.parts = parts;
  }

  get all(): readonly ScrubDevice[] {
    return [...this.running.values()].map(({ scrub }) => scrub);
  }

  async follow(peers: readonly Peer[]): Promise<void> {
    for (const peer of peers) {
      if (this.running.has(peer)) continue;
      const scrub = this.parts.make(peer);
      this.running.set(peer, { scrub, worker: this.parts.start(scrub) });
    }
    await this.stop([...this.running.keys()].filter((peer) => !peers.includes(peer)));
  }

  close(): Promise<void> {
    return this.stop([...this.running.keys()]);
  }

  private async stop(peers: readonly Peer[]): Promise<void> {
    const gone = peers.flatMap((peer) => this.running.get(peer) ?? []);
    for (const peer of peers) this.running.delete(peer);
    await Promise.all(gone.map(({ worker }) => worker?.stop()));
  }
}
