/** Bytes that earlier versions wrote must be written the same way, or at least still be read. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeCheckpointPart } from '../volume/checkpoint-format.ts';
import { ExtentMap } from '../volume/extent-map.ts';
import { decodeHead } from '../volume/head.ts';
import { decodeLog } from '../volume/log-format.ts';
import {
  decodeSegmentHeader,
  openLine,
  placeOfLine,
  storedLineBytes,
} from '../volume/segment-format.ts';
import { CacheIds, SegmentTable } from '../volume/segments.ts';
import * as samples from './samples.ts';

const golden = (name: string) => readFileSync(new URL(`./${name}`, import.meta.url));

describe('stored formats', () => {
  it('a segment', () => {
    const bytes = golden('volume-segment-1.bin');
    expect(samples.segment().equals(bytes)).toBe(true);
    const header = decodeSegmentHeader(bytes, samples.volumeId);
    expect(header).toMatchObject({ number: 9, epoch: 3, dataBytes: 70_144, headerBytes: 4096 });
    expect(header.previous).toEqual({ entries: 7, dataBytes: 4096 });
    const lines = [0, 1].map((line) => {
      const { offset, dataBytes } = placeOfLine(header, line);
      return openLine(bytes.subarray(offset, offset + storedLineBytes), dataBytes, 9, line);
    });
    expect(Buffer.concat(lines).equals(samples.data)).toBe(true);
    for (let at = 0; at < bytes.length; at += 97) {
      const bad = Buffer.from(bytes);
      bad[at] = (bad[at] ?? 0) ^ 4;
      expect(() => {
        const its = decodeSegmentHeader(bad, samples.volumeId);
        for (const line of [0, 1]) {
          const { offset, dataBytes } = placeOfLine(its, line);
          openLine(bad.subarray(offset, offset + storedLineBytes), dataBytes, 9, line);
        }
      }, `byte ${at}`).toThrow('not valid');
    }
  });

  it('a log file', () => {
    const bytes = golden('volume-log-1.bin');
    expect(samples.log().equals(bytes)).toBe(true);
    const logged = decodeLog(bytes);
    expect(logged?.entries.count).toBe(3);
    expect(logged?.data.equals(samples.data)).toBe(true);
    expect(decodeLog(bytes.subarray(0, bytes.length - 1))?.entries.count).toBe(1);
    expect(decodeLog(bytes.subarray(0, 4096))).toBeUndefined();
  });

  it('a checkpoint', () => {
    const bytes = golden('volume-checkpoint-1.bin');
    expect(samples.checkpoint().equals(bytes)).toBe(true);
    const segments = new SegmentTable(new CacheIds());
    const map = new ExtentMap(() => {});
    const into = { segments, map, sizeBytes: samples.head.sizeBytes * 4 };
    decodeCheckpointPart(bytes, samples.identity, 0, into);
    const found = { slot: -1, offset: 0, sectors: 0 };
    map.locate(2 ** 33 + 8, found);
    expect(found).toEqual({ slot: 1, offset: 17, sectors: 120 });
    expect(segments.get(0)).toMatchObject({ number: 4, epoch: 2, liveSectors: 9 });
    expect(() => decodeCheckpointPart(bytes, samples.identity, 1, into)).toThrow('not valid');
  });

  it('a head row', () => {
    const bytes = golden('volume-head-1.bin');
    expect(samples.headRow().equals(bytes)).toBe(true);
    expect(decodeHead(bytes)).toEqual(samples.head);
    const text = bytes.toString('utf8');
    for (const wrong of [
      text.replace('"version":1', '"version":2'),
      text.replace('"first":11', '"first":12'),
      text.replace('"epoch":5', '"epoch":-5'),
      text.replace('"ready"', '"odd"'),
      '[]',
      'x',
    ])
      expect(() => decodeHead(Buffer.from(wrong))).toThrow('volume row');
  });
});
