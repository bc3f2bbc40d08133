/**
 * Containers found lately, so that a request for an object does not first ask for its container's row; and who is writing
 * into which one, so that this process never acknowledges an object into a container it is deleting.
 */
import type { Clock } from '#common';
import type { Container } from './container-service.ts';
import { objectFailure } from './failures.ts';

interface Entry {
  readonly container: Container;
  readonly atMs: number;
}

interface Writers {
  count: number;
  deleting: boolean;
  idle: (() => void) | undefined;
}

const goneMax = 10_000;

export class ContainerCache {
  private readonly clock: Clock;
  private readonly lifeMs: number;
  private readonly max: number;
  private readonly entries = new Map<string, Entry>();
  private readonly writers = new Map<string, Writers>();
  /** Ids of containers that this process deleted lately: a body may have been under way since before. */
  private readonly gone = new Set<string>();

  constructor(clock: Clock, options: { readonly lifeMs: number; readonly max: number }) {
    this.clock = clock;
    this.lifeMs = options.lifeMs;
    this.max = options.max;
  }

  find(account: string, name: string): Container | undefined {
    const entry = this.entries.get(`${account}/${name}`);
    if (entry === undefined || this.clock.monotonicMs() - entry.atMs > this.lifeMs)
      return undefined;
    return entry.container;
  }

  remember(container: Container): void {
    if (this.lifeMs === 0) return;
    const key = `${container.account}/${container.name}`;
    this.entries.delete(key);
    if (this.entries.size >= this.max) {
      const [oldest] = this.entries.keys();
      if (oldest !== undefined) this.entries.delete(oldest);
    }
    this.entries.set(key, { container, atMs: this.clock.monotonicMs() });
  }

  /** The container was deleted: whoever still holds it may not write into it. */
  bury(container: Container): void {
    if (this.gone.size >= goneMax) {
      const [oldest] = this.gone;
      if (oldest !== undefined) this.gone.delete(oldest);
    }
    this.gone.add(container.id);
  }

  forget(account?: string, name?: string): void {
    if (account === undefined || name === undefined) this.entries.clear();
    else this.entries.delete(`${account}/${name}`);
  }

  /** Runs the write of an object's row; refused once the container's deletion began. */
  async writing<T>(container: Container, write: () => Promise<T>): Promise<T> {
    const writers = this.writersOf(container.id);
    if (writers.deleting || this.gone.has(container.id)) {
      if (writers.count === 0 && !writers.deleting) this.writers.delete(container.id);
      const facts = { container: container.name };
      throw objectFailure('container-missing', 'The container was deleted', { facts });
    }
    writers.count += 1;
    try {
      return await write();
    } finally {
      writers.count -= 1;
      if (writers.count === 0) {
        writers.idle?.();
        if (!writers.deleting) this.writers.delete(container.id);
      }
    }
  }

  /** Runs the deletion of a container, after the writes in flight and keeping new ones out. */
  async deleting<T>(container: Container, work: () => Promise<T>): Promise<T> {
    const writers = this.writersOf(container.id);
    if (writers.deleting) {
      const facts = { container: container.name };
      throw objectFailure('container-deleting', 'The container is being deleted', { facts });
    }
    writers.deleting = true;
    try {
      if (writers.count > 0)
        await new Promise<void>((resolve) => {
          writers.idle = resolve;
        });
      return await work();
    } finally {
      writers.deleting = false;
      writers.idle = undefined;
      if (writers.count === 0) this.writers.delete(container.id);
    }
  }

  private writersOf(id: string): Writers {
    let writers = this.writers.get(id);
    if (writers === undefined) {
      writers = { count: 0, deleting: false, idle: undefined };
      this.writers.set(id, writers);
    }
    return writers;
  }
}
