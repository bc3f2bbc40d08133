/** Empties deleted accounts: every version of every object, then the containers, then the account's own row. Resumes where it was left. */

import { isFailure, messageOf } from '#common';
import type { Container, VersionListEntry } from '../objects/index.ts';
import { versioningOf } from '../objects/index.ts';
import { listNotes, removeNote } from './notes.ts';
import type { SwiftServices } from './swift-request.ts';

export const deletedSet = 'deleted-account';

const pageMax = 1_000;
const inFlightMax = 8;

export interface AccountReaper {
  /** One pass over all deleted accounts; how many are empty now. */
  pass(): Promise<number>;
  close(): Promise<void>;
}

/** Undefined where accounts cannot be deleted. */
export function startAccountReaper(services: SwiftServices): AccountReaper | undefined {
  if (!services.swift.accountManagement) return undefined;
  const reaper = new Reaper(services);
  reaper.start();
  return reaper;
}

class Reaper implements AccountReaper {
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
        const timer = clock.after(swift.reapIntervalMs, resolve);
        signal.addEventListener('abort', () => {
          timer.cancel();
          resolve();
        });
      });
      if (signal.aborted) return;
      await this.pass().catch((error: unknown) => {
        log.warn({ reason: messageOf(error) }, 'account reaper');
      });
    }
  }

  async pass(): Promise<number> {
    const { objects, log } = this.services;
    const page = await listNotes(objects, deletedSet, { limit: pageMax });
    let emptied = 0;
    for (const { key } of page.entries) {
      if (this.stopped.signal.aborted) break;
      try {
        if (await this.reap(key)) emptied += 1;
      } catch (error) {
        log.warn({ account: key, reason: messageOf(error) }, 'account not emptied yet');
      }
    }
    return emptied;
  }

  /** False when it was interrupted, or something could not be deleted: the next pass goes on. */
  private async reap(account: string): Promise<boolean> {
    const { accounts, containers } = this.services.objects;
    for (;;) {
      const page = await accounts.listContainers(account, { limit: pageMax });
      if (page.entries.length === 0) break;
      for (const { name } of page.entries) {
        if (name === undefined) continue;
        if (this.stopped.signal.aborted) return false;
        await this.empty(await containers.open(account, name));
        await containers.delete(account, name);
      }
    }
    await accounts.remove(account);
    await removeNote(this.services.objects, deletedSet, account);
    return true;
  }

  private async empty(container: Container): Promise<void> {
    const { containers } = this.services.objects;
    for (;;) {
      const names = (await containers.list(container, { limit: pageMax })).entries;
      await this.deleteAll(
        container,
        names.map((entry) => entry.name),
      );
      if (names.length === 0) break;
    }
    if (versioningOf(container) === 'off') return;
    for (;;) {
      const { entries } = await containers.listVersions(container, { limit: pageMax });
      await this.deleteVersions(container, entries);
      if (entries.length === 0) return;
    }
  }

  private async deleteAll(
    container: Container,
    names: readonly (string | undefined)[],
  ): Promise<void> {
    for (let at = 0; at < names.length; at += inFlightMax)
      await Promise.all(
        names.slice(at, at + inFlightMax).map(async (name = '') => {
          await this.services.objects.objects.delete({ container, name });
        }),
      );
  }

  private async deleteVersions(
    container: Container,
    entries: readonly VersionListEntry[],
  ): Promise<void> {
    for (const entry of entries) {
      if (entry.name === undefined) continue;
      const { name, versionId } = entry;
      try {
        await this.services.objects.objects.delete({ container, name }, { versionId });
      } catch (error) {
        if (!isFailure(error, 'missing')) throw error;
      }
    }
  }
}
