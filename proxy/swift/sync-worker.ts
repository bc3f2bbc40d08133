/**
 * Container sync: carries what was written and deleted in synced containers to the containers that they name, in other clusters.
 *
 * A pass over a container lists it and sends what is newer than the last complete pass, then the deletions noted since. Both ends may
 * sync to each other: times travel along, and what is older than what is there is left alone. What fails is tried in the next pass.
 */

import { Readable } from 'node:stream';
import { Agent, request } from 'undici';
import { isFailure, messageOf, type Random, randomHex } from '#common';
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

export interface SyncWorker {
  /** One pass over all synced containers; how many writes and deletions were sent. */
  pass(): Promise<number>;
  close(): Promise<void>;
}

/** Undefined when no realm is set: then there is nobody to sync with. */
export function startSyncWorker(services: SwiftServices, random: Random): SyncWorker | undefined {
  if (!services.offers.has('container-sync') || services.swift.syncRealms.trim() === '')
    return undefined;
  const worker = new Worker(services, random);
  worker.start();
  return worker;
}

interface Job {
  readonly container: Container;
  readonly target: SyncTarget;
  readonly userKey: string;
  readonly realmKey: string;
}

class Worker implements SyncWorker {
  private readonly services: SwiftServices;
  private readonly random: Random;
  private readonly stopped = new AbortController();
  private readonly agent = new Agent({ connections: inFlightMax, connectTimeout: 10_000 });
  private running: Promise<void> = Promise.resolve();

  constructor(services: SwiftServices, random: Random) {
    this.services = services;
    this.random = random;
  }

  start(): void {
    this.running = this.run();
  }

  async close(): Promise<void> {
    this.stopped.abort();
    await this.running;
    await this.agent.destroy();
  }

  private async run(): Promise<void> {
    const { clock, swift, log } = this.services;
    const { signal } = this.stopped;
    while (!signal.aborted) {
      // An idle worker keeps no process alive: what it waits on is called off when the door closes.
      await new Promise<void>((resolve) => {
        const timer = clock.after(swift.syncIntervalMs, resolve);
        signal.addEventListener('abort', () => {
          timer.cancel();
          resolve();
        });
      });
      if (signal.aborted) return;
      await this.pass().catch((error: unknown) => {
        log.warn({ reason: messageOf(error) }, 'container sync');
      });
    }
  }

  async pass(): Promise<number> {
    let sent = 0;
    let marker: string | undefined;
    for (;;) {
      const page = await listNotes(this.services.objects, syncedSet, {
        limit: pageMax,
        ...(marker === undefined ? {} : { marker }),
      });
      for (const { key, value } of page.entries) {
        marker = key;
        if (this.stopped.signal.aborted) return sent;
        sent += await this.syncOne(key, Number(value)).catch((error: unknown) => {
          const facts = { container: key, reason: messageOf(error) };
          this.services.log.warn(facts, 'container not synced');
          return 0;
        });
      }
      if (!page.more) return sent;
    }
  }

  private async syncOne(key: string, sinceUs: number): Promise<number> {
    const { objects, clock } = this.services;
    const startedUs = clock.nowUs();
    const job = await this.open(key);
    if (job === undefined) {
      await removeNote(objects, syncedSet, key);
      return 0;
    }
    const sent = (await this.sendWrites(job, sinceUs)) + (await this.sendDeletions(job));
    await writeNote(objects, syncedSet, { key, value: String(startedUs - overlapUs) });
    return sent;
  }

  private async open(key: string): Promise<Job | undefined> {
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
    return { container, target, userKey, realmKey };
  }

  private async sendWrites(job: Job, sinceUs: number): Promise<number> {
    const { containers } = this.services.objects;
    let sent = 0;
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
      sent += names.length;
      if (!page.more || this.stopped.signal.aborted) return sent;
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

  private async sendDeletions(job: Job): Promise<number> {
    const set = deletionSet(job.container);
    let sent = 0;
    let marker: string | undefined;
    for (;;) {
      const page = await listNotes(this.services.objects, set, {
        limit: pageMax,
        ...(marker === undefined ? {} : { marker }),
      });
      for (const { key, value } of page.entries) {
        marker = key;
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
          sent += 1;
        } else if (timeUs + deletionLifeUs < this.services.clock.nowUs())
          await removeNote(this.services.objects, set, key);
      }
      if (!page.more) return sent;
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
      signal: this.stopped.signal,
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
