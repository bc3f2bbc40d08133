import * as fs from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { defaultsOf, seededRandom, silentLogger, systemClock } from '#common';
import { proxySettings } from '../../settings.ts';
import { createObjectService } from '../create-service.ts';
import type { Fields } from '../fields.ts';
import type { ObjectService } from '../object-service.ts';
import { createMemoryCluster, type MemoryCluster } from '../testing/memory-cluster.ts';
import { openMetadata, sealedMetadataField, sealMetadata } from './sealed-metadata.ts';

const key = Buffer.alloc(32, 1);
const nonce = Buffer.alloc(12, 2);
const given: { metadata: Fields; system: Fields } = {
  metadata: { colour: 'grün', empty: '' },
  system: { sse: 'AES256' },
};

test('the golden text is written and opened as ever', () => {
  const golden = fs.readFileSync(
    join(import.meta.dirname, 'golden/sealed-metadata-v1.txt'),
    'utf8',
  );
  const sealed = sealMetadata(given, key, nonce);
  expect(sealed).toEqual({
    metadata: {},
    system: { sse: 'AES256', [sealedMetadataField]: golden.trim() },
  });
  expect(openMetadata(sealed, key)).toEqual(given);
});

test('what was changed, or is of a later version, or under another key, does not open', () => {
  const { system } = sealMetadata(given, key, nonce);
  const raw = Buffer.from(system[sealedMetadataField] ?? '', 'base64url');
  const opened =
    (bytes: Buffer, by = key) =>
    () =>
      openMetadata(
        { metadata: {}, system: { [sealedMetadataField]: bytes.toString('base64url') } },
        by,
      );
  expect(opened(raw)()).toEqual({ metadata: given.metadata, system: {} });
  for (const at of [0, 1, 13, raw.length - 1]) {
    const changed = Buffer.from(raw);
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(opened(changed)).toThrow(expect.objectContaining({ code: 'row-malformed' }));
  }
  for (const bytes of [raw.subarray(0, 28), Buffer.alloc(0)])
    expect(opened(bytes)).toThrow(expect.objectContaining({ code: 'row-malformed' }));
  expect(opened(raw, Buffer.alloc(32, 3))).toThrow(
    expect.objectContaining({ code: 'row-malformed' }),
  );
});

function openOn(cluster: MemoryCluster, seed: number): ObjectService {
  const shared = { clock: systemClock, random: seededRandom(seed), log: silentLogger };
  const settings = defaultsOf(proxySettings);
  return createObjectService({ ...cluster, ...shared, settings, secret: Buffer.alloc(32, 7) });
}

test.each([{}, { versioning: 'enabled' }])(
  'objects show it, rows do not; changes by whoever has no key yet keep it sealed: %j',
  async (system) => {
    const cluster = createMemoryCluster(seededRandom(3));
    const open = (seed: number) => openOn(cluster, seed);
    const service = open(4);
    const made = await service.containers.create({
      account: 'AUTH_m',
      name: `box-${Object.keys(system).length}`,
      system,
    });
    const ref = { container: made.container, name: 'o' };
    const encryption = await service.encryption.forWrite({ kind: 'AES256', metadata: true });
    const metadata = { secret: 'a hidden word' };
    await service.objects.put({ ...ref, body: Buffer.from('x'), encryption, metadata });
    const info = await service.objects.head(ref);
    expect(info.metadata).toEqual(metadata);
    expect(info.system[sealedMetadataField]).toBeUndefined();
    expect((await service.objects.get(ref)).info.metadata).toEqual(metadata);
    await service.keys.rotate('default');
    // Another process, which has opened no key.
    const other = open(5);
    const changed = await other.objects.update(ref, (present) => ({
      metadata: { ...present.metadata, more: 'a hidden line' },
    }));
    expect(changed.metadata).toEqual({ ...metadata, more: 'a hidden line' });
    const found = await open(6).objects.get(ref);
    expect(found.info.metadata).toEqual(changed.metadata);
    for (const rows of cluster.rows.values())
      for (const { meta } of rows.values()) expect(meta.includes('a hidden')).toBe(false);
    const target = { container: made.container, name: 'copy' };
    await service.objects.copy({ source: found, target });
    const copy = await service.objects.head(target);
    expect([copy.metadata, copy.system]).toEqual([changed.metadata, {}]);
    await Promise.all([service.close(), other.close()]);
  },
);
