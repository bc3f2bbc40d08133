/** Bytes that earlier versions wrote must be written the same way, or at least still be read. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeBootSet, encodeBootSet } from '../volume/boot-set.ts';
import { decodeCheckpointPart } from '../volume/checkpoint-format.ts';
import { ExtentMap } from '../volume/extent-map.ts';
import { decodeHead } from '../volume/head.ts';
import type { LineCipher } from '../volume/line-cipher.ts';
import { decodeLog } from '../volume/log-format.ts';
import { decodePin, encodePin } from '../volume/pin-rows.ts';
import {
  decodeSegmentHeader,
  openLine,
  placeOfLine,
  storedLineBytes,
} from '../volume/segment-format.ts';
import { CacheIds, SegmentTable } from '../volume/segments.ts';
import { decodeBackupObject, encodeBackupObject } from '../volumes/backup-format.ts';
import * as samples from './samples.ts';

const golden = (name: string) => readFileSync(new URL(`./${name}`, import.meta.url));

const segmentId = { number: 9, epoch: 3 };

function segmentData(bytes: Buffer, cipher?: LineCipher): Buffer {
  const header = decodeSegmentHeader(bytes, samples.volumeId);
  const lines = [0, 1].map((line) => {
    const { offset, dataBytes } = placeOfLine(header, line);
    const stored = bytes.subarray(offset, offset + storedLineBytes);
    return openLine(stored, dataBytes, { ...segmentId, cipher }, line);
  });
  return Buffer.concat(lines);
}

function loaded(bytes: Buffer, part = 0) {
  const segments = new SegmentTable(new CacheIds());
  const map = new ExtentMap(() => {});
  const { volumeId, identity, head } = samples;
  const into = { segments, map, sizeBytes: head.sizeBytes * 4, volumeId };
  decodeCheckpointPart(bytes, identity, part, into);
  return into;
}

describe('stored formats', () => {
  it.each([1, 2, 3])('a segment of version %i', (version) => {
    const bytes = golden(`volume-segment-${version}.bin`);
    if (version === 3) expect(samples.segment().equals(bytes)).toBe(true);
    const header = decodeSegmentHeader(bytes, samples.volumeId);
    expect(header).toMatchObject({ ...segmentId, dataBytes: 70_144, headerBytes: 4096 });
    expect(header.previous).toEqual({ entries: 7, dataBytes: 4096 });
    expect(header.together).toBe(version === 3 ? 3 : 0);
    expect(segmentData(bytes).equals(samples.data)).toBe(true);
    for (let at = 0; at < bytes.length; at += 97) {
      const bad = Buffer.from(bytes);
      bad[at] = (bad[at] ?? 0) ^ 4;
      expect(() => segmentData(bad), `byte ${at}`).toThrow('not valid');
    }
  });

  it.each([2, 3])('a sealed segment of version %i', (version) => {
    const bytes = golden(`volume-segment-${version}-sealed.bin`);
    if (version === 3) expect(samples.segment(samples.cipher).equals(bytes)).toBe(true);
    expect(segmentData(bytes, samples.cipher).equals(samples.data)).toBe(true);
    expect(segmentData(bytes).includes(samples.data.subarray(0, 16))).toBe(false);
  });

  it.each([1, 2, 3])('a log file of version %i', (version) => {
    const bytes = golden(`volume-log-${version}.bin`);
    if (version === 3) expect(samples.log().equals(bytes)).toBe(true);
    const logged = decodeLog(bytes);
    expect(logged?.entries.count).toBe(version === 1 ? 3 : 5);
    expect(logged?.data.equals(samples.data)).toBe(true);
    expect(logged?.together).toBe(version === 3 ? 3 : 0);
    expect(decodeLog(bytes.subarray(0, bytes.length - 1))?.entries.count).toBe(1);
    expect(decodeLog(bytes.subarray(0, 4096))).toBeUndefined();
  });

  it.each([1, 2])('a checkpoint of version %i', (version) => {
    const bytes = golden(`volume-checkpoint-${version}.bin`);
    if (version === 2) expect(samples.checkpoint().equals(bytes)).toBe(true);
    const { map, segments } = loaded(bytes);
    const found = { slot: -1, offset: 0, sectors: 0 };
    map.locate(2 ** 33 + 8, found);
    expect(found).toEqual({ slot: 1, offset: 17, sectors: 120 });
    expect(segments.get(0)).toMatchObject({ number: 4, epoch: 2, liveSectors: 9 });
    expect(() => loaded(bytes, 1)).toThrow('not valid');
    if (version === 1) return;
    expect(segments.get(1).owner).toBe(samples.otherId);
    expect(segments.get(2)).toMatchObject({ death: 6, liveSectors: 0, number: 5 });
    expect(segments.get(3)).toMatchObject({ raw: true, headerBytes: 512, owner: samples.volumeId });
  });

  it.each([1, 2])('a head row of version %i', (version) => {
    const bytes = golden(`volume-head-${version}.bin`);
    if (version === 2) expect(samples.headRow().equals(bytes)).toBe(true);
    expect(decodeHead(bytes)).toEqual(version === 1 ? samples.oldHead : samples.head);
    const text = bytes.toString('utf8');
    for (const wrong of [
      text.replace(`"version":${version}`, '"version":3'),
      text.replace('"first":11', '"first":9'),
      text.replace('"epoch":5', '"epoch":-5'),
      text.replace('"ready"', '"odd"'),
      '[]',
      'x',
    ])
      expect(() => decodeHead(Buffer.from(wrong))).toThrow('volume row');
  });

  it('a boot set', () => {
    const bytes = golden('volume-boot-1.bin');
    const lines = [0, 1, 2, 900, 16, 17];
    expect(encodeBootSet(lines).equals(bytes)).toBe(true);
    expect(decodeBootSet(bytes, 100)).toEqual(lines);
    expect(decodeBootSet(bytes, 4)).toEqual([0, 1, 2, 900]);
    for (const wrong of ['"lines":"0 -1"', '"lines":"x"', '"lines":"1 1.5"', '"line":""'])
      expect(() =>
        decodeBootSet(Buffer.from(String(bytes).replace(/"lines":"[^"]*"/, wrong)), 9),
      ).toThrow('cannot be understood');
  });

  it('a pin', () => {
    const bytes = golden('volume-pin-1.bin');
    expect(encodePin(samples.pin).equals(bytes)).toBe(true);
    expect(decodePin(bytes)).toEqual(samples.pin);
    const text = bytes.toString('utf8');
    for (const wrong of [text.replace('"live"', '"odd"'), text.replace('pin"', 'pen"')])
      expect(() => decodePin(Buffer.from(wrong))).toThrow('volume row');
  });

  it('an object of a backup', () => {
    const bytes = golden('volume-backup-1.bin');
    const encoded = Buffer.concat(encodeBackupObject(samples.backup()));
    expect(encoded.equals(bytes)).toBe(true);
    const { volumeId: volume } = samples;
    const read = decodeBackupObject(bytes, { volume, number: 3 });
    expect(read.data.equals(samples.data)).toBe(true);
    expect(read.entries.count).toBe(5);
    expect(() => decodeBackupObject(bytes, { volume, number: 4 })).toThrow('not valid');
    for (let at = 0; at < bytes.length; at += 97) {
      const bad = Buffer.from(bytes);
      bad[at] = (bad[at] ?? 0) ^ 4;
      expect(() => decodeBackupObject(bad, { volume, number: 3 }), `byte ${at}`).toThrow();
    }
  });
});
