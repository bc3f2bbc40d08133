/** Writes a good copy of a blob over a bad or missing one that a read came upon: one at a time, bounded, in the background. */
import { giveBack, isFailure } from '#common';
import { type BlobInfo, type BlobKey, blobReadBytesMax } from '#wire';
import type { Core } from './core.ts';
import { quorumFailure, type ReplicaFailure, thresholdsOf } from './quorum.ts';
import type { Replica } from './replica.ts';

export class BlobRepair {
  private readonly core: Core;
  private readonly tasks = new Map<string, { readonly key: BlobKey; readonly device: number }>();
  private running = false;
  private closed = false;

  constructor(core: Core) {
    this.core = core;
  }

  later(key: BlobKey, device: number): void {
    if (this.closed || this.tasks.size >= this.core.settings.repairsWaitingMax) return;
    this.tasks.set(`${device}/${key.id}`, { key, device });
    if (!this.running) void this.work();
  }

  get pending(): number {
    return this.tasks.size + (this.running ? 1 : 0);
  }

  close(): void {
    this.closed = true;
    this.tasks.clear();
  }

  private async work(): Promise<void> {
    this.running = true;
    for (;;) {
      const [name, task] = this.tasks.entries().next().value ?? [];
      if (name === undefined || task === undefined) break;
      let outcome = 'failed';
      try {
        outcome = await this.mend(task.key, this.core.replica(task.device));
      } catch (error) {
        this.core.log.debug({ err: error, device: task.device }, 'a blob repair failed');
      }
      this.tasks.delete(name);
      this.core.counters.repairs.inc({ what: 'blob', outcome });
    }
    this.running = false;
  }

  /**
   * For a blob that was written while the ring changed: a majority of those who hold it by now has it, brought from `holders`, who took it.
   */
  async settle(key: BlobKey, length: number, holders: readonly Replica[]): Promise<void> {
    const owners = this.core.primariesOf(key.hash);
    const having = await Promise.all(
      owners.map(
        async (owner) => holders.includes(owner) || (await statOf(owner, key)) !== undefined,
      ),
    );
    const { majority } = thresholdsOf(owners.length);
    const failures: ReplicaFailure[] = [];
    let held = having.filter(Boolean).length;
    for (const [at, owner] of owners.entries()) {
      if (held >= majority) return;
      if (having[at] === true) continue;
      try {
        if (await this.copyFromAny(key, length, holders, owner)) held += 1;
      } catch (error) {
        failures.push({ device: owner.device, error });
      }
    }
    if (held < majority) throw quorumFailure('blob', failures);
  }

  private async copyFromAny(
    key: BlobKey,
    length: number,
    sources: readonly Replica[],
    target: Replica,
  ): Promise<boolean> {
    for (const source of sources) if (await this.copy(key, length, source, target)) return true;
    return false;
  }

  private async mend(key: BlobKey, bad: Replica): Promise<string> {
    for (const source of this.core.primariesOf(key.hash)) {
      if (source === bad) continue;
      const info = await statOf(source, key);
      if (info === undefined) continue;
      if (await this.copy(key, info.length, source, bad)) return 'ok';
    }
    return 'nothing';
  }

  /** False when the source turns out bad as well. */
  private async copy(
    key: BlobKey,
    length: number,
    source: Replica,
    bad: Replica,
  ): Promise<boolean> {
    const writer = await bad.call('blob', 0, (device) =>
      device.openBlob(key, { lengthHint: length }),
    );
    try {
      for (let offset = 0; offset < length; offset += blobReadBytesMax) {
        const wanted = Math.min(blobReadBytesMax, length - offset);
        const chunk = await source.call('blob', 0, (device) =>
          device.readBlob(key, offset, wanted),
        );
        await bad.call('blob', chunk.length, () => writer.append([chunk], () => giveBack(chunk)));
      }
      await bad.call('blob', 0, () => writer.commit());
      return true;
    } catch (error) {
      await writer.abort();
      if (isFailure(error, 'corrupt') || isFailure(error, 'missing')) return false;
      throw error;
    }
  }
}

/** A source that is out of reach has nothing to give. */
async function statOf(source: Replica, key: BlobKey): Promise<BlobInfo | undefined> {
  try {
    return await source.call('blob', 0, (device) => device.statBlob(key));
  } catch (error) {
    if (isFailure(error)) return undefined;
    throw error;
  }
}
