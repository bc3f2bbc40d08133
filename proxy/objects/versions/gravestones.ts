/**
 * Removes what deleted and promoted versions leave behind in the table of versions, once no write that began before can still copy
 * the version there. What is still waiting when the process ends is found again by listings.
 */
import type { StoredRow, Tables } from '#cluster';
import { type Clock, type Logger, messageOf } from '#common';
import type { Version } from '#wire';
import type { Container } from '../container-service.ts';
import { DelayQueue } from '../delay-queue.ts';
import { decodeRowVersion } from '../rows/object-row.ts';
import { versionRef } from '../rows/tables.ts';

/** Longer than any write takes from reading the current row to having copied it. */
export const gravestoneLifeMs = 600_000;
const waitingMax = 100_000;

export interface Leftover {
  readonly container: Container;
  readonly name: string;
  readonly order: string;
  /** Of a copy whose version became the current one again: only this very row goes. */
  readonly copy?: Version;
}

export interface GravestonesOptions {
  readonly tables: Tables;
  readonly clock: Clock;
  readonly log: Logger;
}

export class Gravestones {
  private readonly options: GravestonesOptions;
  private readonly queue: DelayQueue<Leftover>;
  private closed = false;

  constructor(options: GravestonesOptions) {
    this.options = options;
    this.queue = new DelayQueue(options.clock, gravestoneLifeMs, (entry) => this.remove(entry));
  }

  add(entry: Leftover): void {
    if (!this.closed && this.queue.length < waitingMax) this.queue.add(entry);
  }

  /** At once; for those that are old enough. Never rejects. */
  async remove({ container, name, order, copy }: Leftover): Promise<void> {
    const isMeant = (row: StoredRow): boolean =>
      copy === undefined
        ? decodeRowVersion(row)?.kind === 'gravestone'
        : row.version.timeUs === copy.timeUs && row.version.coordinator === copy.coordinator;
    try {
      await this.options.tables.update(versionRef(container, name, order), (present) =>
        present !== undefined && isMeant(present) ? 'delete' : 'keep',
      );
    } catch (error) {
      this.options.log.info(
        { reason: messageOf(error) },
        'a gravestone is left to a later listing',
      );
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.queue.close();
  }
}
