import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { defaultsOf, type Failure, seededRandom, silentLogger, systemClock } from '#common';
import { proxySettings } from '../../settings.ts';
import type { Container, VersionListEntry } from '../container-service.ts';
import { createObjectService } from '../create-service.ts';
import { readAll } from '../object-service.contract.ts';
import type { ObjectService } from '../object-service.ts';
import { createMemoryCluster, type MemoryCluster } from '../testing/memory-cluster.ts';
import { withVersioning } from './versioning.ts';

let service: ObjectService;
let cluster: MemoryCluster;
let container: Container;

beforeEach(async () => {
  cluster = createMemoryCluster(seededRandom(3));
  service = createObjectService({
    tables: cluster.tables,
    blobs: cluster.blobs,
    clock: systemClock,
    random: seededRandom(4),
    log: silentLogger,
    settings: { ...defaultsOf(proxySettings), inlineBytesMax: 10, containerCacheMs: 0 },
  });
  container = (await service.containers.create({ account: 'AUTH_v', name: 'box' })).container;
});
afterEach(() => service.close());

async function set(state: 'enabled' | 'suspended'): Promise<void> {
  container = await service.containers.update('AUTH_v', 'box', ({ system }) => ({
    system: withVersioning(system, state),
  }));
}

async function put(name: string, text: string): Promise<string> {
  const { info } = await service.objects.put({ container, name, body: Buffer.from(text) });
  return info.versionId ?? 'none';
}

async function read(name: string, versionId?: string): Promise<string> {
  const choice = versionId === undefined ? {} : { versionId };
  try {
    const stored = await service.objects.get({ container, name }, choice);
    return (await readAll(stored)).toString();
  } catch (error) {
    return (error as Failure).code;
  }
}

async function remove(name: string, versionId?: string) {
  return await service.objects.delete(
    { container, name },
    versionId === undefined ? {} : { versionId },
  );
}

async function versions(pageMax = 1000, prefix = '', delimiter = ''): Promise<VersionListEntry[]> {
  const all: VersionListEntry[] = [];
  let at = {};
  for (;;) {
    const page = await service.containers.listVersions(container, {
      limit: pageMax,
      prefix,
      delimiter,
      ...at,
    });
    expect(page.entries.length).toBeLessThanOrEqual(pageMax);
    all.push(...page.entries);
    const last = page.entries.at(-1);
    if (!page.more || last === undefined) return all;
    at =
      last.prefix === undefined
        ? { nameMarker: last.name, versionMarker: last.position }
        : { nameMarker: last.prefix };
  }
}

const idOf = (entry: VersionListEntry): string | undefined =>
  entry.prefix === undefined ? entry.versionId : undefined;

/** `name:id*` for each line; `*` marks the latest, `-` a marker. */
async function lines(pageMax?: number): Promise<string[]> {
  return (await versions(pageMax)).map((entry) =>
    entry.prefix === undefined
      ? `${entry.name}:${entry.versionId}${entry.isLatest ? '*' : ''}${entry.isDeleteMarker ? '-' : ''}`
      : entry.prefix,
  );
}

describe('kept versions', () => {
  test('each put is a version of its own, and the one from before is called null', async () => {
    await put('o', 'before');
    await set('enabled');
    const first = await put('o', 'first, too long for a row');
    const second = await put('o', 'second');
    expect(new Set([first, second]).size).toBe(2);
    expect(await read('o')).toBe('second');
    expect(await read('o', first)).toBe('first, too long for a row');
    expect(await read('o', 'null')).toBe('before');
    expect(await read('o', '0'.repeat(32))).toBe('version-missing');
    expect(await lines()).toEqual([`o:${second}*`, `o:${first}`, 'o:null']);
    expect(await lines(1)).toEqual(await lines());
    expect(await service.containers.usage(container)).toMatchObject({ objects: 1, versions: 2 });
  });

  test('a delete makes a marker, and deleting the marker undoes it', async () => {
    await set('enabled');
    const first = await put('o', 'first');
    const gone = await remove('o');
    expect(gone).toMatchObject({ existed: true, deleteMarker: true });
    const marker = gone.versionId ?? '';
    await expect(service.objects.get({ container, name: 'o' })).rejects.toMatchObject({
      code: 'object-missing',
      facts: { deleteMarker: true, versionId: marker },
    });
    expect(await read('o', marker)).toBe('delete-marker');
    expect(await lines()).toEqual([`o:${marker}*-`, `o:${first}`]);
    expect((await service.containers.list(container, { limit: 10 })).entries).toEqual([]);
    expect(await remove('o', marker)).toMatchObject({ existed: true, deleteMarker: true });
    expect(await read('o')).toBe('first');
    expect(await lines()).toEqual([`o:${first}*`]);
  });

  test('deleting the current version brings the one before it back, with its blobs', async () => {
    await set('enabled');
    const first = await put('o', 'first, which is long');
    const second = await put('o', 'second, which is long');
    expect(await remove('o', second)).toEqual({ existed: true, versionId: second });
    expect(await read('o')).toBe('first, which is long');
    expect(await read('o', second)).toBe('version-missing');
    expect(await lines()).toEqual([`o:${first}*`]);
    const third = await put('o', 'third');
    expect(await lines()).toEqual([`o:${third}*`, `o:${first}`]);
    expect(await remove('o', 'f'.repeat(32))).toMatchObject({ existed: false });
  });

  test('while suspended there is one null version, which each write replaces', async () => {
    await set('enabled');
    const kept = await put('o', 'kept');
    await set('suspended');
    expect(await put('o', 'null one')).toBe('null');
    expect(await put('o', 'null two')).toBe('null');
    expect(await lines()).toEqual(['o:null*', `o:${kept}`]);
    expect(await read('o', 'null')).toBe('null two');
    await set('enabled');
    const later = await put('o', 'later');
    expect(await lines()).toEqual([`o:${later}*`, 'o:null', `o:${kept}`]);
    await set('suspended');
    expect(await remove('o')).toMatchObject({ versionId: 'null', deleteMarker: true });
    expect(await lines()).toEqual(['o:null*-', `o:${later}`, `o:${kept}`]);
    expect(await put('o', 'null three')).toBe('null');
    expect(await lines()).toEqual(['o:null*', `o:${later}`, `o:${kept}`]);
    expect(await remove('o', 'null')).toMatchObject({ existed: true });
    expect(await read('o')).toBe('later');
  });

  test('a container with versions is not empty; without them it is', async () => {
    await set('enabled');
    const first = await put('o', 'first');
    const { versionId } = await remove('o');
    const away = () => service.containers.delete('AUTH_v', 'box');
    await expect(away()).rejects.toMatchObject({ code: 'container-not-empty' });
    await remove('o', first);
    await expect(away()).rejects.toMatchObject({ code: 'container-not-empty' });
    await remove('o', versionId);
    await away();
  });

  test('a locked version stays, whoever asks', async () => {
    await set('enabled');
    const until = String(Math.floor(Date.now() / 1000) + 100);
    const lock = async (system: Record<string, string>) => {
      const { info } = await service.objects.put({
        container,
        name: 'o',
        body: Buffer.from('x'),
        system,
      });
      return info.versionId ?? '';
    };
    const held = await lock({ 'legal-hold': 'ON' });
    const kept = await lock({ 'lock-mode': 'COMPLIANCE', 'lock-until': until });
    const governed = await lock({ 'lock-mode': 'GOVERNANCE', 'lock-until': until });
    const ref = { container, name: 'o' };
    for (const versionId of [held, kept, governed])
      await expect(service.objects.delete(ref, { versionId })).rejects.toMatchObject({
        code: 'version-locked',
      });
    for (const versionId of [held, kept])
      await expect(
        service.objects.delete(ref, { versionId, bypassGovernance: true }),
      ).rejects.toMatchObject({ code: 'version-locked' });
    await service.objects.delete(ref, { versionId: governed, bypassGovernance: true });
    expect(await lines()).toEqual([`o:${kept}*`, `o:${held}`]);
    await service.objects.update(ref, () => ({ system: {} }), { versionId: held });
    await service.objects.delete(ref, { versionId: held });
    expect(await lines()).toEqual([`o:${kept}*`]);
  });

  test('fields of an older version change, and stay with it', async () => {
    await set('enabled');
    const first = await put('o', 'first');
    await put('o', 'second');
    const ref = { container, name: 'o' };
    const options = { versionId: first, keepModified: true };
    const before = await service.objects.head(ref, { versionId: first });
    await service.objects.update(
      ref,
      (info) => ({ ...info, metadata: { colour: 'red' } }),
      options,
    );
    const after = await service.objects.head(ref, { versionId: first });
    expect(after).toEqual({ ...before, metadata: { colour: 'red' } });
    expect((await service.objects.head(ref)).metadata).toEqual({});
  });

  test('prefixes are collapsed once, also those of names that are only versions', async () => {
    await set('enabled');
    await put('a/1', 'x');
    await put('a/2', 'x');
    await put('b/1', 'x');
    await remove('b/1');
    await put('c', 'x');
    for (const pageMax of [1, 2, 3, 100]) {
      const listed = await versions(pageMax, '', '/');
      expect(listed.map((entry) => entry.prefix ?? entry.name)).toEqual(['a/', 'b/', 'c']);
    }
    expect((await versions(100, 'b/')).length).toBe(2);
  });

  test('a crash between copying a version and replacing it leaves one version, not two or none', async () => {
    await set('enabled');
    const first = await put('o', 'first');
    cluster.fault = (operation, what) => {
      if (operation === 'update' && what.startsWith('object/')) throw new Error('gone');
    };
    await expect(put('o', 'second')).rejects.toThrow('gone');
    cluster.fault = () => undefined;
    expect(await lines()).toEqual([`o:${first}*`]);
    const third = await put('o', 'third');
    expect(await lines()).toEqual([`o:${third}*`, `o:${first}`]);
  });
});

test('many at once: every acknowledged version is there, newest first, and no other', async () => {
  await set('enabled');
  const ids = await Promise.all(Array.from({ length: 40 }, (_, at) => put('o', `text ${at}`)));
  const listed = await versions(7);
  expect(listed.map(idOf).toSorted()).toEqual(ids.toSorted());
  const stranger = createObjectService({
    tables: cluster.tables,
    blobs: cluster.blobs,
    clock: systemClock,
    random: seededRandom(9),
    log: silentLogger,
    settings: defaultsOf(proxySettings),
  });
  // Another process: no lock is shared, so the rows alone decide.
  const mixed = await Promise.all(
    Array.from({ length: 30 }, (_, at) =>
      (at % 2 === 0 ? service : stranger).objects.put({
        container,
        name: 'p',
        body: Buffer.from(`text ${at}`),
      }),
    ),
  );
  const seen = (await versions(1000, 'p')).map(idOf);
  expect(seen.toSorted()).toEqual(mixed.map(({ info }) => info.versionId).toSorted());
  await stranger.close();
});

test('an upload completed many times at once is one version, and its bytes stay as long as it does', async () => {
  await set('enabled');
  const stranger = createObjectService({
    tables: cluster.tables,
    blobs: cluster.blobs,
    clock: systemClock,
    random: seededRandom(11),
    log: silentLogger,
    settings: defaultsOf(proxySettings),
  });
  const ref = { container, name: 'm' };
  const { uploadId } = await service.uploads.create(ref, {});
  const at = { ...ref, uploadId };
  const { etag } = await service.uploads.putPart({ ...at, number: 1, body: Buffer.from('part') });
  const complete = { ...at, parts: [{ number: 1, etag }] };
  const outcomes = await Promise.allSettled(
    Array.from({ length: 10 }, (_, n) => (n % 2 ? stranger : service).uploads.complete(complete)),
  );
  const ids = outcomes.flatMap((each) =>
    each.status === 'fulfilled' ? [each.value.info.versionId] : [],
  );
  expect(ids.length).toBeGreaterThan(0);
  expect(new Set(ids).size).toBe(1);
  for (const each of outcomes)
    if (each.status === 'rejected')
      expect(['upload-completing', 'upload-missing']).toContain((each.reason as Failure).code);
  expect((await versions()).map(idOf)).toEqual([ids[0]]);
  await put('m', 'on top');
  expect(await read('m', ids[0])).toBe('part');
  await stranger.close();
});

describe('without a marker, and nothing in its place', () => {
  const leaves = 'nothing' as const;
  const hide = (versionId?: string) =>
    service.objects.delete(
      { container, name: 'o' },
      versionId === undefined ? { leaves } : { leaves, versionId },
    );

  test('what was current stays among the older ones, and can be current again', async () => {
    await set('enabled');
    const first = await put('o', 'first, which is long');
    const second = await put('o', 'second');
    expect(await hide()).toEqual({ existed: true });
    expect(await read('o')).toBe('object-missing');
    expect(await lines()).toEqual([`o:${second}`, `o:${first}`]);
    expect(await hide()).toEqual({ existed: false });
    const info = await service.objects.restore({ container, name: 'o' }, { versionId: first });
    expect(info.versionId).toBe(first);
    expect(await read('o')).toBe('first, which is long');
    for (const pageMax of [1, 2, 3])
      expect(await lines(pageMax)).toEqual([`o:${second}`, `o:${first}*`]);
    const third = await put('o', 'third');
    expect(await lines()).toEqual([`o:${third}*`, `o:${second}`, `o:${first}`]);
    const restore = service.objects.restore({ container, name: 'o' }, { versionId: 'null' });
    await expect(restore).rejects.toMatchObject({ code: 'version-missing' });
  });

  test('the last version takes everything with it', async () => {
    await set('enabled');
    const first = await put('o', 'first');
    await hide();
    await hide(first);
    expect(await lines()).toEqual([]);
    await service.containers.delete('AUTH_v', 'box');
  });

  test('a version outlives the time at which it stops being current', async () => {
    await set('enabled');
    const deleteAtS = Math.floor(Date.now() / 1000) - 1;
    const ref = { container, name: 'o' };
    const { info } = await service.objects.put({ ...ref, body: Buffer.from('kept'), deleteAtS });
    expect(await read('o')).toBe('object-missing');
    expect(await read('o', info.versionId)).toBe('kept');
    await service.objects.delete(ref, { leaves, conditions: { ifNoneMatch: ['*'] } });
    expect(await read('o', info.versionId)).toBe('kept');
    expect(await lines()).toEqual([`o:${info.versionId}`]);
    await service.objects.restore(ref, { versionId: info.versionId ?? '' });
    expect(await read('o')).toBe('kept');
  });
});

/** What versions are for S3 and for Swift, as plainly as it can be said. */
class Model {
  versions: { id: string; text: string | undefined }[] = [];
  current: string | undefined;
  /** Nothing is current, though the newest is no marker. */
  covered = false;

  put(id: string, text: string | undefined): void {
    if (id === 'null') this.drop('null');
    this.versions.unshift({ id, text });
    this.current = text === undefined ? undefined : id;
    this.covered = false;
  }

  delete(id: string): void {
    this.drop(id);
    if (this.current === id) this.covered = false;
    if (this.versions[0]?.text === undefined) this.covered = false;
    if ((this.current === undefined || this.current === id) && !this.covered) this.rise();
  }

  private rise(): void {
    const [newest] = this.versions;
    this.current = newest?.text === undefined ? undefined : newest.id;
  }

  hide(): void {
    if (this.current === undefined) return;
    if (this.current === 'null') this.drop('null');
    this.leave();
  }

  deleteQuietly(id: string): void {
    const isThere = this.versions.some((version) => version.id === id);
    if (id === 'null' && (this.current === 'null' || !isThere)) {
      this.hide();
      return;
    }
    this.drop(id);
    if (this.current === undefined ? isThere : this.current === id) this.leave();
  }

  private leave(): void {
    this.current = undefined;
    this.covered = this.versions[0]?.text !== undefined;
  }

  private drop(id: string): void {
    this.versions = this.versions.filter((version) => version.id !== id);
  }

  isLatest(id: string, at: number): boolean {
    return this.current === undefined ? at === 0 && !this.covered : id === this.current;
  }

  get text(): string | undefined {
    return this.versions.find(({ id }) => id === this.current)?.text;
  }
}

test('any sequence of writes gives what the plain model gives', async () => {
  const step = fc.oneof(
    fc.record({ op: fc.constant('put' as const) }),
    fc.record({ op: fc.constant('delete' as const) }),
    fc.record({ op: fc.constant('deleteVersion' as const), at: fc.nat(5) }),
    fc.record({ op: fc.constant('set' as const), on: fc.boolean() }),
    fc.record({ op: fc.constant('hide' as const) }),
    fc.record({ op: fc.constant('deleteQuietly' as const), at: fc.nat(5) }),
    fc.record({ op: fc.constant('restore' as const), at: fc.nat(5) }),
  );
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const model = new Model();
      const name = `o-${++run}`;
      await set('enabled');
      let count = 0;
      for (const each of steps) {
        if (each.op === 'set') await set(each.on ? 'enabled' : 'suspended');
        else if (each.op === 'put') {
          const text = `${++count}`;
          model.put(await put(name, text), text);
        } else if (each.op === 'delete') model.put((await remove(name)).versionId ?? '', undefined);
        else if (each.op === 'hide') {
          await service.objects.delete({ container, name }, { leaves: 'nothing' });
          model.hide();
        } else {
          const { id: versionId = 'null', text } = model.versions[each.at] ?? {};
          if (each.op === 'deleteVersion') {
            await remove(name, versionId);
            model.delete(versionId);
          } else if (each.op === 'deleteQuietly') {
            await service.objects.delete({ container, name }, { versionId, leaves: 'nothing' });
            model.deleteQuietly(versionId);
          } else if (text !== undefined) {
            await service.objects.restore({ container, name }, { versionId });
            model.current = versionId;
            model.covered = false;
          }
        }
        const listed = (await versions(2, name)).filter((entry) => entry.name === name);
        expect(listed).toEqual(
          model.versions.map(({ id, text }, at) =>
            expect.objectContaining({
              versionId: id,
              isLatest: model.isLatest(id, at),
              isDeleteMarker: text === undefined,
            }),
          ),
        );
        expect(await read(name)).toBe(model.text ?? 'object-missing');
      }
    }),
    { numRuns: 60, seed: 5 },
  );
});
