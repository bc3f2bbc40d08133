import { Buffer } from 'node:buffer';
import * as fs from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StoredRow } from '#cluster';
import { JsonRow } from './json-row.ts';
import { decodeObjectRow, decodeSummary, encodeObjectRow, type ObjectRow } from './object-row.ts';
import { shardOf } from './tables.ts';

const golden = join(import.meta.dirname, 'golden');

function stored(sort: string, meta: Buffer): StoredRow {
  return { sort, version: { timeUs: 1, coordinator: 1 }, meta, bytes: 0, bodyLength: 0 };
}

const plain: ObjectRow = {
  info: {
    name: 'plain',
    kind: 'plain',
    size: 5,
    etag: '5d41402abc4b2a76b9719d911017c592',
    contentType: 'text/plain',
    modifiedUs: 1_700_000_000_123_456,
    metadata: {},
    headers: {},
    system: {},
    checksums: {},
  },
  blobs: [],
};

const samples: Readonly<Record<string, ObjectRow>> = {
  plain,
  multipart: {
    info: {
      ...plain.info,
      name: 'multipart',
      kind: 'multipart',
      size: 70_000_005,
      etag: 'd41d8cd98f00b204e9800998ecf8427e-2',
      metadata: { colour: 'röt' },
      headers: { 'content-encoding': 'gzip' },
      checksums: { crc32c: 'AAAAAA==' },
      parts: [
        { number: 1, size: 70_000_000, etag: '5d41402abc4b2a76b9719d911017c592' },
        { number: 7, size: 5, etag: '900150983cd24fb0d6963f7d28e17f72' },
      ],
      deleteAtS: 2_000_000_000,
    },
    blobs: [
      { id: '000102030405060708090a0b0c0d0e0f', length: 67_108_864 },
      { id: 'f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff', length: 2_891_136 },
      { id: '00112233445566778899aabbccddeeff', length: 5 },
    ],
    uploadId: '0060a24181e4000123456789abcdef01',
  },
  slo: {
    info: {
      ...plain.info,
      name: 'slo',
      kind: 'slo',
      system: { 'slo-size': '1099511627776', 'slo-etag': '900150983cd24fb0d6963f7d28e17f72' },
    },
    blobs: [],
  },
};

const order = '0123456789abcdef0123456789abcdef';
const olderNull = 'ffffffffffff0123456789abcdef0123';

const versions: Readonly<Record<string, ObjectRow>> = {
  version: {
    info: {
      ...plain.info,
      name: 'version',
      versionId: order,
      system: { 'storage-class': 'STANDARD_IA' },
    },
    blobs: [],
    version: {
      order,
      isNull: false,
      kind: 'object',
      copiedFrom: { timeUs: 1_700_000_000_000_001, coordinator: 7 },
      nullAt: olderNull,
    },
  },
  marker: {
    info: { ...plain.info, name: 'marker', size: 0, versionId: 'null' },
    blobs: [],
    version: { order, isNull: true, kind: 'marker' },
  },
  restored: {
    info: { ...plain.info, name: 'restored', versionId: order },
    blobs: [],
    version: { order, isNull: false, kind: 'object', restored: true },
  },
  owned: {
    info: { ...plain.info, name: 'owned', system: { owner: 'another-project' } },
    blobs: [],
  },
  absence: {
    info: { ...plain.info, name: 'absence', size: 0, versionId: order },
    blobs: [],
    version: { order, isNull: false, kind: 'absence', nullAt: olderNull },
  },
};

const coded: ObjectRow = {
  info: { ...plain.info, name: 'coded', size: 70_000_005 },
  blobs: [
    { id: '000102030405060708090a0b0c0d0e0f010804', length: 67_108_864 },
    { id: 'f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff', length: 2_891_141 },
  ],
};

describe('object rows', () => {
  const all = [
    ...Object.entries(samples).map(([name, row]) => ({ name, row, version: 1 })),
    ...Object.entries(versions).map(([name, row]) => ({ name, row, version: 2 })),
    { name: 'coded', row: coded, version: 3 },
  ];
  for (const { name, row, version } of all) {
    test(`the golden file of a ${name} object is written and read as ever`, () => {
      const bytes = fs.readFileSync(join(golden, `object-row-v${version}-${name}.bin`));
      expect(encodeObjectRow(row).equals(bytes)).toBe(true);
      expect(decodeObjectRow(stored(name, bytes))).toEqual(row);
    });
  }

  test('an older version lies behind a NUL, and its storage class shows in listings', () => {
    const bytes = encodeObjectRow(versions.version ?? plain);
    const row = stored(`version\0${order}`, bytes);
    expect(decodeObjectRow(row)).toEqual(versions.version);
    expect(decodeSummary(row)).toMatchObject({ name: 'version', storageClass: 'STANDARD_IA' });
  });

  test('an owner that is not the account shows in listings, with and without versions', () => {
    const { owned = plain, version = plain } = versions;
    const both: ObjectRow = {
      ...version,
      info: { ...version.info, system: owned.info.system },
    };
    for (const row of [owned, both])
      expect(decodeSummary(stored('x', encodeObjectRow(row))).owner).toBe('another-project');
    expect(decodeSummary(stored('x', encodeObjectRow(version))).owner).toBeUndefined();
    expect(decodeObjectRow(stored(`version\0${order}`, encodeObjectRow(both)))).toEqual(both);
  });

  test('a listing shows what the manifest stands for', () => {
    const meta = encodeObjectRow(samples.slo ?? plain);
    expect(decodeSummary(stored('slo', meta))).toEqual({
      name: 'slo',
      size: 1_099_511_627_776,
      etag: plain.info.etag,
      sloEtag: '900150983cd24fb0d6963f7d28e17f72',
      contentType: 'text/plain',
      modifiedUs: plain.info.modifiedUs,
    });
  });

  test('damage is a failure, never a crash or a guess', () => {
    const whole = encodeObjectRow(samples.multipart ?? plain);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.boolean(), (at, value, cut) => {
        const meta = Buffer.from(cut ? whole.subarray(0, at) : whole);
        if (!cut) meta[at] = value;
        try {
          decodeObjectRow(stored('x', meta));
        } catch (error) {
          expect(error).toMatchObject({ code: 'row-malformed' });
        }
      }),
      { numRuns: 500, seed: 1 },
    );
  });

  test('any metadata comes back', () => {
    const fields = fc.dictionary(fc.string(), fc.string());
    fc.assert(
      fc.property(fields, fields, fc.string(), (metadata, headers, contentType) => {
        const row: ObjectRow = {
          ...plain,
          info: { ...plain.info, metadata, headers, contentType: contentType.toWellFormed() },
        };
        expect(decodeObjectRow(stored('plain', encodeObjectRow(row)))).toEqual(row);
      }),
      { numRuns: 200, seed: 2 },
    );
  });
});

describe('other rows', () => {
  test('of another kind, version or shape are refused', () => {
    expect(new JsonRow('c', Buffer.from('c\u0001{"id":"x"}')).text('id')).toBe('x');
    for (const bytes of ['a\u0001{}', 'c\u0002{}', 'c\u0001{', 'c\u0001[]x', 'c'])
      expect(() => new JsonRow('c', Buffer.from(bytes))).toThrow(/cannot be read/);
    expect(() => new JsonRow('c', Buffer.from('c\u0001{"id":5}')).text('id')).toThrow(/id/);
  });

  test('a name has had its shard from the first day', () => {
    expect(['', 'a', 'photos/é.jpg'].map((name) => shardOf(name, 16))).toEqual([5, 12, 0]);
    expect(shardOf('anything', 1)).toBe(0);
  });
});
