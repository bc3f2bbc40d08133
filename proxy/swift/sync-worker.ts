/**
 * Container sync: carries what was written and deleted in synced containers to the containers that they name, in other clusters.
 *
 * A pass over a container lists it and sends what is newer than the last complete pass, then the deletions noted since. Both ends may
 * sync to each other: times travel along, and what is older than what is there is left alone. What fails is tried in the next pass.
 */

import { Readable } from 'node:stream';
import { Agent, request } from 'undici';
import {
  type BackgroundWork,
  isFailure,
  messageOf,
  type Random,
  type RunningWorker,
  randomHex,
  type StepOutcome,
  startWorker,
} from '#common';
import {
  type Container,
  isDynamic,
  type ObjectInfo,
  readSegments,
  type StoredObject,
} from '../objects/index.ts';
import { syncKeyField, syncToField } from './container-fields.ts';
import { objectHeaders } from './get-object.ts';
import { listNotes, removeNote, writeNote } from './notes.ts';
import { rawManifest } from './slo-manifest.ts';
import type { SwiftServices } from './swift-request.ts';
import { parseRealms, parseSyncTo, type SyncTarget, syncSignature } from './sync-realms.ts';
import { deletionSet, syncedSet } from './synced-writes.ts';
import { encodePercent, timestamp } from './text.ts';

const pageMax = 1_000;
const inFlightMax = 4;
const sendTimeoutMs = 60_000;
/** Writes that began before a pass may become visible this much after it. */
const overlapUs = 10_000_000;
/** How long a deletion is remembered, so that no late copy brings the object back. */
const deletionLifeUs = 3_600_000_000;

/** Undefined when no realm is set: then there is nobody to sync with. */
export function startSyncWorker(
  services: SwiftServices,
  random: Random,
): RunningWorker | undefined {
  const { clock, log, offers, swift } = services;
  if (!offers.has('container-sync') || swift.syncRealms.trim() === '') return undefined;
  const work = new ContainerSync(services, random);
  const worker = startWorker(work, { clock, log, restRatio: 1, idleMs: swift.syncIntervalMs });
  return {
    stop: async () => {
      await worker.stop();
      await work.close();
    },
  };
}

interface Job {
  readonly container: Container;
  readonly target: SyncTarget;
  readonly userKey: string;
  readonly realmKey: string;
  readonly signal: AbortSignal;
}

const pageAfter = (after: string | undefined) =>
  after === undefined ? { limit: pageMax } : { limit: pageMax, after };

class ContainerSync implements BackgroundWork {
  readonly name = 'container sync';
  private readonly services: SwiftServices;
  private readonly random: Random;
  private readonly agent = new Agent({ connections: inFlightMax, connectTimeout: 10_000 });

  constructor(services: SwiftServices, random: Random) {
    this.services = services;
    this.random = random;
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }

  /** Looks at all synced containers. */
  async step(signal: AbortSignal): Promise<StepOutcome> {
    const { objects, log } = this.services;
    let after: string | undefined;
    for (;;) {
      const page = await listNotes(objects, syncedSet, pageAfter(after));
      for (const { key, value } of page.entries) {
        after = key;
        if (signal.aborted) return 'idle';
        try {
          await this.syncOne(key, Number(value), signal);
        } catch (error) {
          log.warn({ container: key, reason: messageOf(error) }, 'container not synced');
        }
      }
      if (!page.more) return 'idle';
    }
  }

  private async syncOne(key: string, sinceUs: number, signal: AbortSignal): Promise<void> {
    const { objects, clock } = this.services;
    const startedUs = clock.nowUs();
    const job = await this.open(key, signal);
    if (job === undefined) {
      await removeNote(objects, syncedSet, key);
      return;
    }
    await this.sendWrites(job, sinceUs);
    await this.sendDeletions(job);
    // What was cut short is looked at again from where it began.
    if (signal.aborted) return;
    await writeNote(objects, syncedSet, { key, value: String(startedUs - overlapUs) });
  }

  private async open(key: string, signal: AbortSignal): Promise<Job | undefined> {
    const { objects, swift } = this.services;
    const cut = key.indexOf('/');
    objects.containers.forget(key.slice(0, cut), key.slice(cut + 1));
    const container = await objects.containers
      .open(key.slice(0, cut), key.slice(cut + 1))
      .catch((error: unknown) => {
        if (isFailure(error, 'missing')) return undefined;
        throw error;
      });
    const [to, userKey] = [container?.system[syncToField], container?.system[syncKeyField]];
    if (container === undefined || to === undefined || userKey === undefined) return undefined;
    const target = parseSyncTo(to, swift);
    if (typeof target === 'string') return undefined;
    const realmKey = parseRealms(swift).key(target.realm) ?? '';
    return { container, target, userKey, realmKey, signal };
  }

  private async sendWrites(job: Job, sinceUs: number): Promise<void> {
    const { containers } = this.services.objects;
    let marker: string | undefined;
    for (;;) {
      const page = await containers.list(job.container, {
        limit: pageMax,
        ...(marker === undefined ? {} : { marker }),
      });
      const names: string[] = [];
      for (const entry of page.entries)
        if (entry.name !== undefined) {
          marker = entry.name;
          if (entry.modifiedUs > sinceUs) names.push(entry.name);
        }
      for (let at = 0; at < names.length; at += inFlightMax)
        await Promise.all(
          names.slice(at, at + inFlightMax).map((name) => this.sendWrite(job, name)),
        );
      if (!page.more || job.signal.aborted) return;
    }
  }

  private async sendWrite(job: Job, name: string): Promise<void> {
    const ref = { container: job.container, name };
    let stored: StoredObject;
    try {
      stored = await this.services.objects.objects.get(ref);
    } catch (error) {
      // Deleted since it was listed: that is sent as a deletion.
      if (isFailure(error, 'missing')) return;
      throw error;
    }
    const { info } = stored;
    const isStatic = info.kind === 'slo';
    const manifest = isStatic ? Buffer.from(rawManifest(await readSegments(stored))) : undefined;
    const body = manifest ?? stored.inline ?? Readable.from(stored.read(0, info.size));
    await this.send(job, name, {
      method: 'PUT',
      timeUs: info.modifiedUs,
      query: isStatic ? '?multipart-manifest=put' : '',
      headers: { ...sentHeaders(info), 'content-length': String(manifest?.length ?? info.size) },
      body,
    });
  }

  private async sendDeletions(job: Job): Promise<void> {
    const set = deletionSet(job.container);
    let after: string | undefined;
    for (;;) {
      const page = await listNotes(this.services.objects, set, pageAfter(after));
      for (const { key, value } of page.entries) {
        after = key;
        const timeUs = Number.parseInt(value, 10);
        if (!value.endsWith(' sent')) {
          await this.send(job, key, {
            method: 'DELETE',
            timeUs,
            query: '',
            headers: {},
            body: null,
          });
          await writeNote(this.services.objects, set, { key, value: `${timeUs} sent` });
        } else if (timeUs + deletionLifeUs < this.services.clock.nowUs())
          await removeNote(this.services.objects, set, key);
      }
      if (!page.more || job.signal.aborted) return;
    }
  }

  private async send(job: Job, name: string, what: Sending): Promise<void> {
    const { target, realmKey, userKey } = job;
    const at = `/${encodePercent(name)}`;
    const nonce = randomHex(this.random, 16);
    const time = timestamp(what.timeUs);
    const signature = syncSignature({
      method: what.method,
      path: target.path + at,
      timestamp: time,
      nonce,
      realmKey,
      userKey,
    });
    const answer = await request(target.url + at + what.query, {
      method: what.method,
      dispatcher: this.agent,
      headersTimeout: sendTimeoutMs,
      bodyTimeout: sendTimeoutMs,
      signal: job.signal,
      headers: {
        ...what.headers,
        'x-timestamp': time,
        'x-container-sync-auth': `${target.realm.toUpperCase()} ${nonce} ${signature}`,
      },
      body: what.body,
    });
    await answer.body.dump();
    const { statusCode } = answer;
    // What is newer over there (409), or gone already (404), is as it should be.
    if (statusCode < 300 || statusCode === 409 || (statusCode === 404 && what.method === 'DELETE'))
      return;
    throw new Error(`${what.method} ${target.url}${at} answered ${statusCode}`);
  }
}

interface Sending {
  readonly method: 'PUT' | 'DELETE';
  readonly timeUs: number;
  readonly query: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer | Readable | null;
}

const notSent = new Set(['last-modified', 'x-timestamp', 'accept-ranges', 'x-static-large-object']);

function sentHeaders(info: ObjectInfo): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(objectHeaders(info)))
    if (!notSent.has(name.toLowerCase())) headers[name.toLowerCase()] = String(value);
  if (info.kind !== 'plain' || isDynamic(info)) delete headers.etag;
  return headers;
}
