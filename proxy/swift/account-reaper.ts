/** Empties deleted accounts: every version of every object, then the containers, then the account's own row. Resumes where it was left. */

import {
  type BackgroundWork,
  isFailure,
  messageOf,
  type RunningWorker,
  type StepOutcome,
  startWorker,
} from '#common';
import type { Container, VersionListEntry } from '../objects/index.ts';
import { versioningOf } from '../objects/index.ts';
import { listNotes, removeNote } from './notes.ts';
import type { SwiftServices } from './swift-request.ts';

export const deletedSet = 'deleted-account';

const pageMax = 1_000;
const inFlightMax = 8;

/** Undefined where accounts cannot be deleted. */
export function startAccountReaper(services: SwiftServices): RunningWorker | undefined {
  const { clock, log, swift } = services;
  if (!swift.accountManagement) return undefined;
  const pace = { restRatio: 1, idleMs: swift.reapIntervalMs };
  return startWorker(new Reaper(services), { clock, log, ...pace });
}

class Reaper implements BackgroundWork {
  readonly name = 'account reaper';
  private readonly services: SwiftServices;

  constructor(services: SwiftServices) {
    this.services = services;
  }

  /** Looks at all deleted accounts. */
  async step(signal: AbortSignal): Promise<StepOutcome> {
    const { objects, log } = this.services;
    const page = await listNotes(objects, deletedSet, { limit: pageMax });
    for (const { key } of page.entries) {
      if (signal.aborted) break;
      try {
        await this.reap(key, signal);
      } catch (error) {
        log.warn({ account: key, reason: messageOf(error) }, 'account not emptied yet');
      }
    }
    return 'idle';
  }

  /** Fails when something could not be deleted; when it is interrupted, the next step goes on. */
  private async reap(account: string, signal: AbortSignal): Promise<void> {
    const { accounts, containers } = this.services.objects;
    for (;;) {
      const page = await accounts.listContainers(account, { limit: pageMax });
      if (page.entries.length === 0) break;
      for (const { name } of page.entries) {
        if (name === undefined) continue;
        if (signal.aborted) return;
        await this.empty(await containers.open(account, name));
        await containers.delete(account, name);
      }
    }
    await accounts.remove(account);
    await removeNote(this.services.objects, deletedSet, account);
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
