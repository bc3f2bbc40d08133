/**
 * What the object service's rows refer to is all that it needs of the store: random histories of plain, versioned, encrypted, multipart, copied and
 * lent objects; everything else is deleted in the middle of them; every body is still there.
 */
import { expect, test } from 'vitest';
import { defaultsOf, type Random, seededRandom, silentLogger, VirtualClock } from '#common';
import { proxySettings } from '../settings.ts';
import { BlobShares } from './blob-shares.ts';
import type { Container } from './container-service.ts';
import { createObjectService } from './create-service.ts';
import { patterned, readAll } from './object-service.contract.ts';
import type { ObjectService } from './object-service.ts';
import { lentBlobs, objectReferrers } from './references.ts';
import { objectRef } from './rows/tables.ts';
import { createMemoryCluster, type MemoryCluster } from './testing/memory-cluster.ts';

const settings = {
  ...defaultsOf(proxySettings),
  inlineBytesMax: 100,
  blobBytesMax: 4096,
  bodyBufferBytes: 4096,
  partBytesMin: 1,
  containerCacheMs: 0,
};

/** A pass of reclaim without any time of grace. */
async function reclaim(cluster: MemoryCluster): Promise<number> {
  const candidates = new Set(cluster.stored.keys());
  for (const [key, rows] of [...cluster.rows]) {
    const table = key.slice(0, key.indexOf('/'));
    const partition = key.slice(table.length + 1);
    const references = objectReferrers[table];
    if (references === undefined) throw new Error(`${table} is not registered`);
    if (references === 'nothing') continue;
    for (const { sort, meta } of rows.values())
      await references({ table, partition, sort, meta }, (id) => candidates.delete(id));
  }
  const isLent = lentBlobs(cluster.tables);
  let count = 0;
  for (const id of candidates)
    if (!(await isLent(id))) {
      await cluster.blobs.delete(id);
      count += 1;
    }
  return count;
}

interface Stored {
  readonly container: Container;
  readonly name: string;
  readonly versionId?: string;
  readonly body: Buffer;
}

interface OpenUpload {
  readonly ref: { readonly container: Container; readonly name: string; readonly uploadId: string };
  readonly parts: { readonly number: number; readonly etag: string; readonly body: Buffer }[];
}

class Story {
  readonly cluster: MemoryCluster;
  readonly service: ObjectService;
  private readonly random: Random;
  private readonly containers: Container[] = [];
  private readonly uploads: OpenUpload[] = [];
  private stored: Stored[] = [];

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.cluster = createMemoryCluster(seededRandom(seed + 1000));
    this.service = createObjectService({
      ...{ tables: this.cluster.tables, blobs: this.cluster.blobs, settings },
      ...{ clock: new VirtualClock(), random: this.random, log: silentLogger },
    });
  }

  async begin(): Promise<void> {
    for (const [name, system] of [
      ['plain', {}],
      ['versioned', { versioning: 'enabled' }],
    ] as const) {
      const made = await this.service.containers.create({ account: 'AUTH_a', name, system });
      this.containers.push(made.container);
    }
  }

  async step(): Promise<void> {
    const kind = this.random.below(10);
    if (kind < 3) await this.put();
    else if (kind === 3) await this.drop();
    else if (kind === 4) await this.beginUpload();
    else if (kind === 5) await this.putPart();
    else if (kind === 6) await this.endUpload();
    else if (kind === 7) await this.copy();
    else await this.lend();
  }

  private place() {
    const container = this.containers[this.random.below(2)];
    if (container === undefined) throw new Error('no container');
    return { container, name: `o${this.random.below(6)}` };
  }

  private some(): Stored | undefined {
    return this.stored[this.random.below(this.stored.length)];
  }

  private body(): Buffer {
    return patterned(1 + this.random.below(12_000), this.random.below(200));
  }

  /** Where versions are kept, what was there stays; elsewhere it is gone. */
  private note({ container, name }: Omit<Stored, 'body'>, body: Buffer, versionId?: string): void {
    const isSame = (one: Stored) =>
      one.container.id === container.id && one.name === name && one.versionId === undefined;
    this.stored = this.stored.filter((one) => !isSame(one));
    this.stored.push({ container, name, body, ...(versionId === undefined ? {} : { versionId }) });
  }

  private async put(): Promise<void> {
    const place = this.place();
    const body = this.body();
    const encryption =
      this.random.below(3) === 0
        ? await this.service.encryption.forWrite({ kind: 'AES256' })
        : undefined;
    const wanted = { ...place, body, ...(encryption === undefined ? {} : { encryption }) };
    const { info } = await this.service.objects.put(wanted);
    this.note(place, body, info.versionId);
  }

  private async drop(): Promise<void> {
    const one = this.some();
    if (one === undefined) return;
    const { container, name, versionId } = one;
    const choice = versionId === undefined ? {} : { versionId };
    await this.service.objects.delete({ container, name }, choice);
    this.stored.splice(this.stored.indexOf(one), 1);
  }

  private async beginUpload(): Promise<void> {
    const place = this.place();
    const { uploadId } = await this.service.uploads.create(place, {});
    this.uploads.push({ ref: { ...place, uploadId }, parts: [] });
  }

  private async putPart(): Promise<void> {
    const upload = this.uploads[this.random.below(this.uploads.length)];
    if (upload === undefined) return;
    const number = upload.parts.length + 1;
    const body = this.body();
    const { etag } = await this.service.uploads.putPart({ ...upload.ref, number, body });
    upload.parts.push({ number, etag, body });
  }

  private async endUpload(): Promise<void> {
    const [upload] = this.uploads;
    if (upload === undefined) return;
    this.uploads.shift();
    const { ref, parts } = upload;
    if (parts.length === 0) return await this.service.uploads.abort(ref);
    const { info } = await this.service.uploads.complete({ ...ref, parts });
    this.note(ref, Buffer.concat(parts.map(({ body }) => body)), info.versionId);
  }

  private async copy(): Promise<void> {
    const one = this.some();
    if (one === undefined) return;
    const target = this.place();
    const source = await this.read(one);
    const { info } = await this.service.objects.copy({ source, target });
    this.note(target, one.body, info.versionId);
  }

  private async lend(): Promise<void> {
    const [container] = this.containers;
    const one = this.some();
    if (one === undefined || one.versionId !== undefined || container === undefined) return;
    const target = { container, name: `lent${this.random.below(4)}` };
    const lent = await this.service.objects.lend({ sources: [one], target });
    if (lent !== undefined) this.note(target, one.body);
  }

  private read({ container, name, versionId }: Stored) {
    const choice = versionId === undefined ? {} : { versionId };
    return this.service.objects.get({ container, name }, choice);
  }

  async check(): Promise<void> {
    for (const one of this.stored) {
      const found = await readAll(await this.read(one));
      expect(found.equals(one.body), `${one.container.name}/${one.name}`).toBe(true);
    }
    for (const { ref, parts } of this.uploads)
      expect((await this.service.uploads.get(ref)).uploadId, `${parts.length}`).toBe(ref.uploadId);
  }
}

test.each(Array.from({ length: 25 }, (_, at) => at + 1))('history %i', async (seed) => {
  const story = new Story(seed);
  await story.begin();
  for (let step = 1; step <= 120; step++) {
    await story.step();
    if (step % 10 !== 0) continue;
    await reclaim(story.cluster);
    await story.check();
  }
  await story.cluster.blobs.put([Buffer.from('nobody knows it')]);
  expect(await reclaim(story.cluster)).toBeGreaterThan(0);
  expect(await reclaim(story.cluster)).toBe(0);
  await story.service.close();
});

test('what is lent is seen by name, until the last who has it is gone', async () => {
  const story = new Story(1);
  await story.begin();
  const { service, cluster } = story;
  const { container } = await service.containers.create({ account: 'AUTH_a', name: 'c' });
  const at = (name: string) => ({ container, name });
  await service.objects.put({ ...at('owner'), body: patterned(3000, 1) });
  const [id = ''] = cluster.stored.keys();
  const shares = new BlobShares(cluster.tables);
  expect(await shares.isLent(id)).toBe(false);
  await service.objects.lend({ sources: [at('owner')], target: at('one') });
  expect(await shares.isLent(id)).toBe(true);
  // Another one borrows while the look goes from the note to the rows, and the first goes.
  let looks = 0;
  const passing = new BlobShares({
    ...cluster.tables,
    get: async (ref, want) => {
      if (ref.table === 'object' && looks++ === 0) {
        await service.objects.lend({ sources: [at('one')], target: at('two') });
        await service.objects.delete(at('one'));
      }
      return await cluster.tables.get(ref, want);
    },
  });
  expect(await passing.isLent(id)).toBe(true);
  expect(await cluster.tables.get(objectRef(container, 'one'))).toBe(undefined);
  await cluster.tables.delete(objectRef(container, 'two'));
  expect(await shares.isLent(id)).toBe(false);
  await service.close();
});
